/* flight_await.c -- waiting for a flight on a thread that blocks. */
#include <pthread.h>
#include <time.h>

#include "cairn/context.h"
#include "cairn/flight.h"

/* How often it is looked whether the call was cancelled, or what a clock says that is
 * not the system's. */
enum { POLL_MS = 10 };

struct blocked {
    struct cairn_waiter waiter; /* first: a waiter is a blocked one */
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
    struct cairn_landing *out;
};

static void landed(struct cairn_waiter *waiter, const struct cairn_landing *landing) {
    struct blocked *blocked = (struct blocked *)waiter;
    pthread_mutex_lock(&blocked->lock);
    *blocked->out = *landing;
    cairn_parcel_retain(landing->parcel);
    blocked->done = true;
    pthread_cond_signal(&blocked->told);
    pthread_mutex_unlock(&blocked->lock);
}

/* INT64_MAX: until it is told. */
static int64_t patience_ms(const struct cairn_context *context) {
    int64_t left_ms = INT64_MAX;
    if (!context || (!context->cancelled && !context->deadline_ms))
        return left_ms;
    if (context->deadline_ms && !context->now_ms) {
        int64_t now_ms = cairn_context_now(context);
        left_ms = context->deadline_ms > now_ms ? context->deadline_ms - now_ms : 0;
    }
    bool polls = context->cancelled || context->now_ms;
    return polls && left_ms > POLL_MS ? POLL_MS : left_ms;
}

/* With the lock held. */
static void wait_for(struct blocked *blocked, int64_t ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (ms == INT64_MAX) {
        pthread_cond_wait(&blocked->told, &blocked->lock);
        return;
    }
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&blocked->told, &blocked->lock, &until);
}

/* Until it is told, or its time is over. */
static enum cairn_status block(struct blocked *blocked,
                               const struct cairn_context *context,
                               struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    pthread_mutex_lock(&blocked->lock);
    while (!blocked->done && !(status = cairn_context_check(context, error)))
        wait_for(blocked, patience_ms(context));
    pthread_mutex_unlock(&blocked->lock);
    return status;
}

static void init(struct blocked *blocked, struct cairn_landing *out) {
    pthread_condattr_t monotonic;
    *blocked = (struct blocked){.waiter = {.landed = landed}, .out = out};
    pthread_mutex_init(&blocked->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&blocked->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

enum cairn_status cairn_flight_await(struct cairn_flight *flight,
                                     const struct cairn_context *context,
                                     cairn_actor self, size_t most,
                                     struct cairn_landing *out,
                                     struct cairn_error *error) {
    struct blocked blocked;
    init(&blocked, out);
    enum cairn_status status =
        cairn_flight_wait(flight, &blocked.waiter, self, most, error);
    if (!status)
        status = block(&blocked, context, error);
    if (status == CAIRN_TIMEOUT && !cairn_flight_leave(flight, &blocked.waiter))
        status = block(&blocked, NULL, error); /* is being told just now */
    pthread_cond_destroy(&blocked.told);
    pthread_mutex_destroy(&blocked.lock);
    return status;
}
