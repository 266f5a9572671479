/* lua_asking.c -- asking, and waiting for what is told once.
 *
 * An answer lies in memory of its own, counted: it is told by whoever has it, on any
 * thread, and heard by who waits, who may have left before. A worker that waits is
 * suspended, a thread blocks; either gives up at its deadline, and then whoever tells
 * finds nobody. */
#include "lua_asking.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lua_value.h"
#include "lua_wait.h"

#define ANSWER_TYPE "cairn.answer"

enum stage { OPEN, TELLING, TOLD, LEFT };

struct lua_answer {
    union {
        struct cairn_request request;
        struct cairn_waiter waiter;
        struct cairn_ending ending;
    } in; /* what of the engine's tells it */
    atomic_uint users;
    _Atomic enum stage stage;
    enum cairn_status status;
    struct cairn_parcel *parcel; /* what came; retained */
    struct cairn_parcel *body;   /* what was asked; retained */
    struct cairn_edge edge;      /* of who waits for an end */
    char *message;               /* of a failure; NULL: no memory for it */

    /* Of a worker that waits. */
    struct lua_wait *wait;

    /* Of a thread that does. */
    bool blocks;
    pthread_mutex_t lock;
    pthread_cond_t told;
};

static struct lua_answer *answer_new(unsigned users) {
    struct lua_answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return NULL;
    atomic_init(&answer->users, users);
    atomic_init(&answer->stage, OPEN);
    return answer;
}

static void answer_release(struct lua_answer *answer) {
    if (atomic_fetch_sub_explicit(&answer->users, 1, memory_order_acq_rel) != 1)
        return;
    cairn_parcel_release(answer->parcel);
    cairn_parcel_release(answer->body);
    free(answer->message);
    if (answer->blocks) {
        pthread_mutex_destroy(&answer->lock);
        pthread_cond_destroy(&answer->told);
    }
    free(answer);
}

/* -- Telling ----------------------------------------------------------------------- */

/* Somebody heard it. The thread's lock is held as long as its memory is touched. */
static void wake(struct lua_answer *answer) {
    struct lua_wait *wait = answer->wait;
    if (wait) {
        atomic_store(&answer->stage, TOLD);
        lua_wait_over(wait);
        return;
    }
    pthread_mutex_lock(&answer->lock);
    atomic_store(&answer->stage, TOLD);
    pthread_cond_signal(&answer->told);
    pthread_mutex_unlock(&answer->lock);
}

static bool change(struct lua_answer *answer, enum stage from, enum stage to) {
    return atomic_compare_exchange_strong(&answer->stage, &from, to);
}

static void tell(struct lua_answer *answer, const struct cairn_landing *landing) {
    if (change(answer, OPEN, TELLING)) {
        answer->status = landing->status;
        answer->parcel = cairn_parcel_retain(landing->parcel);
        if (landing->status)
            answer->message = strdup(landing->error.message);
        wake(answer);
    }
    answer_release(answer);
}

static void request_answered(struct cairn_request *request,
                             const struct cairn_landing *landing) {
    tell((struct lua_answer *)request, landing);
}

static void flight_landed(struct cairn_waiter *waiter,
                          const struct cairn_landing *landing) {
    tell((struct lua_answer *)waiter, landing);
}

static void worker_ended(struct cairn_ending *ending) {
    const struct cairn_landing landing = {.status = CAIRN_OK};
    cairn_edge_erase(&((struct lua_answer *)ending)->edge);
    tell((struct lua_answer *)ending, &landing);
}

/* -- What was told ----------------------------------------------------------------- */

/* Pushes it: true for an answer without a value. */
static int push_answer(lua_State *L, const struct lua_answer *answer) {
    if (answer->status) {
        lua_pushnil(L);
        lua_pushstring(L, answer->message ? answer->message : "(no memory to say why)");
        lua_pushstring(L, cairn_status_word(answer->status));
        return 3;
    }
    if (answer->parcel)
        cairn_lua_push_value(L, &answer->parcel->value);
    else
        lua_pushboolean(L, true);
    return 1;
}

static int push_timeout(lua_State *L, int64_t timeout_ms) {
    struct cairn_error error;
    cairn_fail(&error, CAIRN_TIMEOUT, "no answer within %lld ms",
               (long long)timeout_ms);
    return cairn_lua_fail(L, CAIRN_TIMEOUT, &error);
}

/* -- Waiting on a thread ----------------------------------------------------------- */

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The lock is held. */
static void block_until(struct lua_answer *answer, int64_t until_ms) {
    while (atomic_load(&answer->stage) != TOLD) {
        struct timespec at = {.tv_sec = (time_t)(until_ms / 1000),
                              .tv_nsec = (long)(until_ms % 1000) * 1000000};
        if (until_ms < 0)
            pthread_cond_wait(&answer->told, &answer->lock);
        else if (pthread_cond_timedwait(&answer->told, &answer->lock, &at) ==
                     ETIMEDOUT &&
                 change(answer, OPEN, LEFT))
            return;
    }
}

static void prepare_thread(struct lua_answer *answer) {
    pthread_condattr_t monotonic;
    answer->blocks = true;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&answer->lock, NULL);
    pthread_cond_init(&answer->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Nothing of Lua's happens here. False: it was not told in time. */
static bool block(struct lua_answer *answer, int64_t timeout_ms) {
    int64_t now = timeout_ms < 0 ? 0 : monotonic_ms();
    int64_t until = timeout_ms < 0                 ? -1
                    : timeout_ms > INT64_MAX - now ? INT64_MAX
                                                   : now + timeout_ms;
    pthread_mutex_lock(&answer->lock);
    block_until(answer, until);
    bool told = atomic_load(&answer->stage) == TOLD;
    pthread_mutex_unlock(&answer->lock);
    return told;
}

/* -- Waiting in a worker ----------------------------------------------------------- */

/* On the stack of the coroutine that waits. */
struct holder {
    struct lua_wait wait;
    struct cairn_timer timer;
    struct lua_answer *answer; /* NULL: done with */
    struct cairn_loop *loop;
    int64_t timeout_ms;
    struct cairn_flight *flight; /* retained; NULL: none */
};

/* Whoever would tell has nobody to tell any more: what can be taken back is. */
static void take_back(struct holder *holder) {
    struct lua_answer *answer = holder->answer;
    if (holder->flight) {
        if (cairn_flight_leave(holder->flight, &answer->in.waiter))
            answer_release(answer);
    } else if (answer->body) {
        cairn_edge_erase(&answer->in.request.edge);
    } else {
        cairn_edge_erase(&answer->edge);
    }
}

static void let_go(struct holder *holder) {
    answer_release(holder->answer);
    cairn_flight_release(holder->flight);
    holder->answer = NULL;
}

/* A worker that is killed waits for nobody from now on, whenever its stack is
 * collected. */
static bool leave(struct lua_wait *wait) {
    struct holder *holder = (struct holder *)wait;
    cairn_loop_clear_timer(holder->loop, &holder->timer);
    if (!change(holder->answer, OPEN, LEFT))
        return false;
    take_back(holder);
    let_go(holder);
    return true;
}

static void be_late(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct holder *holder =
        (struct holder *)((char *)timer - offsetof(struct holder, timer));
    (void)loop;
    if (change(holder->answer, OPEN, LEFT))
        lua_wait_over(&holder->wait);
}

static int holder_gc(lua_State *L) {
    struct holder *holder = luaL_checkudata(L, 1, ANSWER_TYPE);
    if (holder->timer.place) /* it was told, and killed before it heard of it */
        cairn_loop_clear_timer(holder->loop, &holder->timer);
    if (!holder->answer)
        return 0;
    if (atomic_load(&holder->answer->stage) == LEFT)
        take_back(holder);
    let_go(holder);
    return 0;
}

/* Pushes what came, having let go of it unless Lua runs out of memory on the way. */
static int finish(lua_State *L, struct holder *holder) {
    int count;
    if (atomic_load(&holder->answer->stage) == TOLD) {
        count = push_answer(L, holder->answer);
    } else {
        take_back(holder);
        count = push_timeout(L, holder->timeout_ms);
    }
    let_go(holder);
    return count;
}

static int resumed(lua_State *L, int status, lua_KContext context) {
    struct holder *holder = (struct holder *)context;
    (void)status;
    if (holder->timer.place)
        cairn_loop_clear_timer(holder->loop, &holder->timer);
    return finish(L, holder);
}

/* -- Waiting ----------------------------------------------------------------------- */

/* Pushes a holder of a fresh answer, which the caller and whoever tells have. */
static struct holder *hold(lua_State *L, int64_t timeout_ms) {
    struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);
    *holder = (struct holder){.timeout_ms = timeout_ms};
    luaL_setmetatable(L, ANSWER_TYPE);
    holder->answer = answer_new(1);
    if (!holder->answer)
        luaL_error(L, "not enough memory");
    return holder;
}

/* From here on it may be told. */
static void be_ready(lua_State *L, struct holder *holder) {
    struct lua_answer *answer = holder->answer;
    atomic_fetch_add(&answer->users, 1);
    if (lua_wait_can(L)) {
        answer->wait = &holder->wait;
        holder->wait.leave = leave;
        holder->timer.fire = be_late;
        holder->loop = cairn_loop_current();
        lua_wait_begin(L, &holder->wait);
    } else {
        prepare_thread(answer);
    }
}

/* It could not be asked. */
static int refuse(lua_State *L, struct holder *holder, enum cairn_status status,
                  const struct cairn_error *error) {
    if (holder->answer->wait)
        lua_wait_abandon(&holder->wait);
    answer_release(holder->answer); /* who would have told */
    let_go(holder);
    return cairn_lua_fail(L, status, error);
}

static int wait_for(lua_State *L, struct holder *holder) {
    struct cairn_error error;
    int64_t timeout_ms = holder->timeout_ms;
    if (!holder->answer->wait) {
        (void)block(holder->answer, timeout_ms);
        return finish(L, holder);
    }
    if (timeout_ms >= 0) {
        int64_t now = cairn_loop_now_ms(holder->loop);
        int64_t at = timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
        if (cairn_loop_set_timer(holder->loop, &holder->timer, at, &error))
            holder->timeout_ms = -1; /* no memory for a timer: it waits all the same */
    }
    return lua_wait_suspend(L, &holder->wait, (lua_KContext)holder, resumed);
}

/* -- Asking ------------------------------------------------------------------------ */

static struct cairn_parcel *to_parcel(lua_State *L, int index,
                                      const struct worker_bounds *bounds,
                                      enum cairn_status *status,
                                      struct cairn_error *error) {
    struct cairn_parcel *parcel = NULL;
    struct cairn_arena *arena = cairn_lua_newarena(L);
    int at = lua_gettop(L);
    struct cairn_value value = cairn_lua_to_value(L, index, "request", arena);
    *status = cairn_parcel_new(&value, &parcel, error);
    cairn_lua_freearena(L, at);
    lua_remove(L, at);
    if (!*status && parcel->size_bytes > bounds->message_bytes) {
        *status = cairn_fail(error, CAIRN_LIMIT,
                             "a request of %zu bytes: %zu are the most a worker takes",
                             parcel->size_bytes, bounds->message_bytes);
        cairn_parcel_release(parcel);
        parcel = NULL;
    }
    return parcel;
}

/* What nobody waits for: the request itself, no more. */
static void sent(struct cairn_request *request, const struct cairn_landing *landing) {
    (void)landing;
    cairn_parcel_release(request->body);
    free(request);
}

int lua_send(lua_State *L, struct cairn_worker *worker, int index,
             const struct worker_bounds *bounds) {
    struct cairn_error error;
    enum cairn_status status;
    struct cairn_parcel *body = to_parcel(L, index, bounds, &status, &error);
    if (!body)
        return cairn_lua_fail(L, status, &error);
    struct cairn_request *request = malloc(sizeof *request);
    if (!request) {
        cairn_parcel_release(body);
        return luaL_error(L, "not enough memory");
    }
    *request = (struct cairn_request){.body = body, .answered = sent};
    status = cairn_worker_post(worker, request, &error);
    if (status) {
        cairn_parcel_release(body);
        free(request);
        return cairn_lua_fail(L, status, &error);
    }
    lua_pushboolean(L, true);
    return 1;
}

int lua_ask(lua_State *L, struct cairn_worker *worker, int index,
            const struct worker_bounds *bounds, int64_t timeout_ms) {
    struct cairn_error error;
    enum cairn_status status;
    lua_wait_check(L, "an answer");
    struct holder *holder = hold(L, timeout_ms);
    struct lua_answer *answer = holder->answer;
    answer->body = to_parcel(L, index, bounds, &status, &error);
    if (!answer->body)
        return cairn_lua_fail(L, status, &error);
    answer->in.request = (struct cairn_request){
        .body = answer->body, .waits = true, .answered = request_answered};
    be_ready(L, holder);
    status = cairn_worker_post(worker, &answer->in.request, &error);
    return status ? refuse(L, holder, status, &error) : wait_for(L, holder);
}

int lua_await(lua_State *L, struct cairn_flight *flight, size_t most,
              int64_t timeout_ms) {
    struct cairn_error error;
    lua_wait_check(L, "an answer");
    struct holder *holder = hold(L, timeout_ms);
    struct lua_answer *answer = holder->answer;
    holder->flight = cairn_flight_retain(flight);
    answer->in.waiter = (struct cairn_waiter){.landed = flight_landed};
    be_ready(L, holder);
    enum cairn_status status =
        cairn_flight_wait(flight, &answer->in.waiter, cairn_actor_self(), most, &error);
    return status ? refuse(L, holder, status, &error) : wait_for(L, holder);
}

int lua_stop(lua_State *L, struct cairn_worker *worker, int64_t timeout_ms) {
    struct cairn_error error;
    lua_wait_check(L, "the end of a worker");
    if (cairn_worker_actor(worker) == cairn_actor_self()) {
        cairn_fail(&error, CAIRN_INFINITE_RECURSION,
                   "a worker cannot wait for its own end");
        return cairn_lua_fail(L, CAIRN_INFINITE_RECURSION, &error);
    }
    struct holder *holder = hold(L, timeout_ms);
    enum cairn_status status = cairn_edge_draw(
        &holder->answer->edge, cairn_actor_self(), cairn_worker_actor(worker), &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    holder->answer->in.ending = (struct cairn_ending){.ended = worker_ended};
    be_ready(L, holder);
    cairn_worker_stop(worker, &holder->answer->in.ending);
    return wait_for(L, holder);
}

void lua_answer_init(lua_State *L) {
    if (luaL_newmetatable(L, ANSWER_TYPE)) {
        lua_pushcfunction(L, holder_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
}
