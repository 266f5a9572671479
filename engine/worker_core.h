/* worker_core.h -- the insides of workers, shared by the files that make them up.
 *
 * Who wants something of a worker sets a signal; who sets the first one posts the
 * worker's task to its loop. While that runs, and while it is posted, the word of
 * signals is not 0, so there is one task at a time. It ends with OVER set for good:
 * then nobody posts it any more, and nobody touches the loop.
 *
 * A request that was accepted, and the turn it has, holds a token; so does a last turn.
 * The tokens are counted where they come and where they go, per loop: all workers are
 * quiet when both sums are the same. Closing waits for that before it stops anyone, so
 * that those who still work find those whom they ask. */
#ifndef WORKER_CORE_H
#define WORKER_CORE_H

#include <stddef.h>
#include <time.h>

#include "worker_mailbox.h"
#include "worker_registry.h"

/* What is counted of one loop. */
struct tally {
    struct cairn_loop *loop;
    unsigned index;

    /* Mostly by others. */
    _Alignas(64) _Atomic uint64_t entered; /* tokens */
    _Atomic uint64_t not_posted; /* of them: withdrawn, quiet, or of last turns */
    _Atomic uint64_t refused_full, rings, forwarded;

    /* Mostly by the loop. */
    _Alignas(64) _Atomic uint64_t left;
    _Atomic uint64_t answered, failed;
    bool has_broken;             /* `broken` is of the turn that runs now */
    enum cairn_status broken_as; /* what its request is to be told; CAIRN_OK: it was */
    struct cairn_error broken;
};

struct cairn_workers {
    struct registry registry;
    struct cairn_scheduler *scheduler;
    struct cairn_flights *flights;
    struct tally *tallies; /* one for each loop */
    unsigned loops;
    size_t most;

    atomic_size_t users; /* each worker, and until it is closed */
    atomic_size_t live;  /* workers that are not over, and those being made */
    _Atomic uint64_t started, ended[CAIRN_END_COUNT];

    atomic_bool is_closing;
    pthread_mutex_t lock; /* for `changed`, which closing waits for */
    pthread_cond_t changed;
};

enum signal {
    SIGNAL_MAIL = 1 << 0,
    SIGNAL_WAKE = 1 << 1,
    SIGNAL_TICK = 1 << 2, /* the timer of idleness */
    SIGNAL_STOP = 1 << 3,
    SIGNAL_CLOSE = 1 << 4,
    SIGNAL_REPLACE = 1 << 5,
    SIGNAL_KILL = 1 << 6,
    SIGNAL_DISCARD = 1 << 7, /* nobody has ever seen it */
    SIGNAL_RUNS = 1 << 8,    /* its task does */
    SIGNAL_OVER = 1 << 9,
};

enum worker_turn { NO_TURN, TURN_RUNS, TURN_WAITS, TURN_USED_UP };

/* Why it was killed. */
struct death {
    enum cairn_status status;
    char why[];
};

struct cairn_worker {
    struct cairn_task task;
    atomic_uint signals;
    atomic_uint users; /* its life is one */
    struct cairn_workers *owner;
    struct tally *tally; /* of its loop */
    const struct cairn_worker_kind *kind;
    cairn_actor actor;
    struct mailbox mailbox;
    struct spin lock;

    bool is_displaced; /* guarded by its stripe, as `hash` and `next` are */
    uint64_t hash;
    struct cairn_worker *next;

    /* Guarded by `lock`. */
    bool has_ended;
    struct cairn_slice group; /* changed with its stripes locked, too */
    struct cairn_ending *endings;
    struct death *death; /* NULL: nobody killed it, or there was no memory */

    /* On its loop. */
    bool is_woken, is_idle, is_stopping, is_dying, has_token;
    unsigned char turn, why; /* enum worker_turn; enum cairn_end, while it stops */
    unsigned asked;          /* signals that are not done with */
    struct cairn_request *request;
    struct cairn_timer timer;
    int64_t timeout_ms, idle_since_ms;

    /* Written on its loop. */
    _Atomic unsigned char state;
    _Atomic uint64_t requests, failures, busy_ns;
    _Atomic int64_t memory_bytes;
    int64_t started_ms;

    struct cairn_slice label;
    /* The kind's; then the group it began with; then its label. */
    _Alignas(max_align_t) char room[];
};

static inline int64_t worker_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* For what only one thread writes. */
static inline void worker_count(_Atomic uint64_t *counter, uint64_t more) {
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

static inline void worker_set_state(struct cairn_worker *worker,
                                    enum cairn_worker_state state) {
    atomic_store_explicit(&worker->state, (unsigned char)state, memory_order_relaxed);
}

/* -- worker.c ---------------------------------------------------------------------- */

void worker_signal(struct cairn_worker *worker, enum signal signal);
/* Answers a request that is nobody's any more, or whose turn it is. */
void worker_tell(struct tally *tally, struct cairn_request *request,
                 const struct cairn_landing *landing);
/* "the worker 'GROUP' ..." with `format`'s only argument; any thread. */
enum cairn_status worker_fail(struct cairn_worker *worker, struct cairn_error *error,
                              enum cairn_status status, const char *what);

/* -- worker_turn.c ----------------------------------------------------------------- */

void worker_run(struct cairn_task *task, struct cairn_loop *loop);
void worker_tick(struct cairn_timer *timer, struct cairn_loop *loop);

/* -- workers.c --------------------------------------------------------------------- */

void workers_release(struct cairn_workers *workers);
/* Whoever closes looks again. */
void workers_notify(struct cairn_workers *workers);
void tally_enter(struct tally *tally);
void tally_leave(struct cairn_workers *workers, struct tally *tally);
/* One that was not posted after all. */
void tally_withdraw(struct cairn_workers *workers, struct tally *tally);

#endif
