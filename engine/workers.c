/* workers.c -- all workers together: opened, counted, looked at, closed.
 *
 * What is counted is counted per loop, and summed up by who asks. */
#include <stdlib.h>
#include <string.h>

#include "worker_core.h"

enum { MOST_DEFAULT = 1000000 };

/* -- Opening ----------------------------------------------------------------------- */

static void close_parts(struct cairn_workers *workers) {
    cairn_scheduler_close(workers->scheduler);
    cairn_flights_close(workers->flights);
    workers->scheduler = NULL;
    workers->flights = NULL;
}

/* Workers that others still hold keep it. */
void workers_release(struct cairn_workers *workers) {
    if (atomic_fetch_sub_explicit(&workers->users, 1, memory_order_acq_rel) != 1)
        return;
    registry_close(&workers->registry);
    pthread_cond_destroy(&workers->changed);
    pthread_mutex_destroy(&workers->lock);
    free(workers->tallies);
    free(workers);
}

static void init_lock(struct cairn_workers *workers) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static enum cairn_status open_tallies(struct cairn_workers *workers,
                                      struct cairn_error *error) {
    unsigned loops = cairn_scheduler_loops(workers->scheduler);
    workers->tallies =
        aligned_alloc(_Alignof(struct tally), loops * sizeof(struct tally));
    if (!workers->tallies)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for workers");
    memset(workers->tallies, 0, loops * sizeof(struct tally));
    workers->loops = loops;
    for (unsigned i = 0; i < loops; i++) {
        workers->tallies[i].loop = cairn_scheduler_loop(workers->scheduler, i);
        workers->tallies[i].index = i;
    }
    return CAIRN_OK;
}

enum cairn_status cairn_workers_open(const struct cairn_workers_options *options,
                                     struct cairn_workers **out,
                                     struct cairn_error *error) {
    struct cairn_workers *workers =
        aligned_alloc(_Alignof(struct cairn_workers), sizeof *workers);
    if (!workers)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for workers");
    memset(workers, 0, sizeof *workers);
    workers->most = options->most ? options->most : MOST_DEFAULT;
    enum cairn_status status = registry_open(&workers->registry, error);
    if (status) {
        free(workers);
        return status;
    }
    init_lock(workers);
    atomic_init(&workers->users, 1);
    status = cairn_flights_open(&workers->flights, error);
    if (!status)
        status = cairn_scheduler_open(&options->scheduler, &workers->scheduler, error);
    if (!status)
        status = open_tallies(workers, error);
    if (status) {
        close_parts(workers);
        workers_release(workers);
        return status;
    }
    *out = workers;
    return CAIRN_OK;
}

struct cairn_scheduler *cairn_workers_scheduler(struct cairn_workers *workers) {
    return workers->scheduler;
}

struct cairn_flights *cairn_workers_flights(struct cairn_workers *workers) {
    return workers->flights;
}

/* -- Counting ---------------------------------------------------------------------- */

/* Entering comes before looking whether all are being closed, and whoever closes says
 * so before he sums up: one of the two sees the other. */
void tally_enter(struct tally *tally) {
    atomic_fetch_add(&tally->entered, 1);
}

void tally_leave(struct cairn_workers *workers, struct tally *tally) {
    atomic_fetch_add(&tally->left, 1);
    workers_notify(workers);
}

void tally_withdraw(struct cairn_workers *workers, struct tally *tally) {
    atomic_fetch_add(&tally->not_posted, 1);
    tally_leave(workers, tally);
}

static uint64_t sum(const struct cairn_workers *workers, size_t member) {
    uint64_t total = 0;
    for (unsigned i = 0; i < workers->loops; i++) {
        const char *tally = (const char *)&workers->tallies[i];
        total += atomic_load((const _Atomic uint64_t *)(tally + member));
    }
    return total;
}

#define SUM(workers, member) sum(workers, offsetof(struct tally, member))

/* -- Looking at them --------------------------------------------------------------- */

static const char *const end_words[CAIRN_END_COUNT] = {"stopped",  "idle",   "closed",
                                                       "replaced", "broken", "killed"};

const char *cairn_end_word(enum cairn_end end) {
    return (unsigned)end < CAIRN_END_COUNT ? end_words[end] : "unknown";
}

static const char *const state_words[CAIRN_WORKER_STATE_COUNT] = {
    "idle", "ready", "running", "waiting", "ending", "ended"};

const char *cairn_worker_state_word(enum cairn_worker_state state) {
    return (unsigned)state < CAIRN_WORKER_STATE_COUNT ? state_words[state] : "unknown";
}

static enum cairn_worker_state state_of(const struct cairn_worker *worker,
                                        size_t queue) {
    enum cairn_worker_state state =
        atomic_load_explicit(&worker->state, memory_order_relaxed);
    return state == CAIRN_WORKER_IDLE && queue ? CAIRN_WORKER_READY : state;
}

/* But for the group. */
static void take_facts(const struct cairn_worker *worker,
                       struct cairn_worker_facts *out) {
    size_t queue = mailbox_count(&worker->mailbox);
    *out = (struct cairn_worker_facts){
        .label = worker->label,
        .state = state_of(worker, queue),
        .loop = worker->tally->index,
        .queue = queue,
        .requests = atomic_load_explicit(&worker->requests, memory_order_relaxed),
        .failures = atomic_load_explicit(&worker->failures, memory_order_relaxed),
        .busy_ns = atomic_load_explicit(&worker->busy_ns, memory_order_relaxed),
        .memory_bytes =
            atomic_load_explicit(&worker->memory_bytes, memory_order_relaxed),
        .started_ms = worker->started_ms,
        .actor = worker->actor,
    };
}

void cairn_worker_facts(struct cairn_worker *worker, struct cairn_worker_facts *out,
                        char room[1024]) {
    take_facts(worker, out);
    spin_lock(&worker->lock);
    memcpy(room, worker->group.data, worker->group.size);
    out->group = (struct cairn_slice){room, worker->group.size};
    spin_unlock(&worker->lock);
}

struct visit {
    struct cairn_slice prefix;
    void (*visit)(void *arg, const struct cairn_worker_facts *facts);
    void *arg;
};

static void visit_one(void *arg, struct cairn_worker *worker) {
    const struct visit *visit = arg;
    struct cairn_worker_facts facts;
    if (worker->group.size < visit->prefix.size ||
        !cairn_slice_equal(cairn_slice_sub(worker->group, 0, visit->prefix.size),
                           visit->prefix))
        return;
    take_facts(worker, &facts);
    facts.group = worker->group;
    if (facts.state != CAIRN_WORKER_ENDED)
        visit->visit(visit->arg, &facts);
}

void cairn_workers_each(struct cairn_workers *workers, struct cairn_slice prefix,
                        void (*visit)(void *arg,
                                      const struct cairn_worker_facts *facts),
                        void *arg) {
    struct visit visits = {prefix, visit, arg};
    registry_each(&workers->registry, visit_one, &visits);
}

void cairn_workers_counts(struct cairn_workers *workers,
                          struct cairn_workers_counts *out) {
    *out = (struct cairn_workers_counts){0};
    for (int i = 0; i < CAIRN_END_COUNT; i++) {
        out->ended[i] = atomic_load(&workers->ended[i]);
        out->workers -= out->ended[i];
    }
    out->started = atomic_load(&workers->started);
    out->workers += out->started;
    out->answered = SUM(workers, answered);
    out->failed = SUM(workers, failed);
    uint64_t not_posted = SUM(workers, not_posted);
    out->posted = SUM(workers, entered) - not_posted;
    out->refused_full = SUM(workers, refused_full);
    out->rings = SUM(workers, rings);
    out->forwarded = SUM(workers, forwarded);
}

/* -- Closing ----------------------------------------------------------------------- */

void workers_notify(struct cairn_workers *workers) {
    if (!atomic_load(&workers->is_closing))
        return;
    pthread_mutex_lock(&workers->lock);
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
}

/* Those that left are summed up first, and neither sum gets smaller: if they are equal,
 * there was a moment without a token. */
static bool are_quiet(struct cairn_workers *workers) {
    uint64_t left = SUM(workers, left);
    return left == SUM(workers, entered);
}

static bool are_over(struct cairn_workers *workers) {
    return atomic_load(&workers->live) == 0;
}

/* False when it is late; INT64_MAX: never. */
static bool await(struct cairn_workers *workers, bool (*is_so)(struct cairn_workers *),
                  int64_t until_ns) {
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    int failed = 0;
    pthread_mutex_lock(&workers->lock);
    while (!is_so(workers) && !failed)
        failed =
            until_ns == INT64_MAX
                ? pthread_cond_wait(&workers->changed, &workers->lock)
                : pthread_cond_timedwait(&workers->changed, &workers->lock, &until);
    bool so = is_so(workers);
    pthread_mutex_unlock(&workers->lock);
    return so;
}

static void close_one(void *arg, struct cairn_worker *worker) {
    (void)arg;
    worker_signal(worker, SIGNAL_CLOSE);
}

static void kill_one(void *arg, struct cairn_worker *worker) {
    (void)arg;
    cairn_worker_kill(worker, CAIRN_UNAVAILABLE,
                      "all workers are being closed, and it took too long");
}

static int64_t later_ns(int64_t now_ns, int64_t ms) {
    return ms < 0 || ms > (INT64_MAX - now_ns) / 1000000 ? INT64_MAX
                                                         : now_ns + ms * 1000000;
}

/* One that does not get done must not cost the others their last turn: that begins for
 * all when three quarters of the time are over. */
void cairn_workers_close(struct cairn_workers *workers, int64_t drain_ms) {
    if (!workers)
        return;
    int64_t now_ns = worker_now_ns();
    int64_t quiet_ms = drain_ms < 0 ? -1 : drain_ms - drain_ms / 4;
    atomic_store(&workers->is_closing, true);
    await(workers, are_quiet, later_ns(now_ns, quiet_ms));
    registry_each(&workers->registry, close_one, NULL);
    if (!await(workers, are_over, later_ns(now_ns, drain_ms))) {
        registry_each(&workers->registry, kill_one, NULL);
        await(workers, are_over, INT64_MAX);
    }
    close_parts(workers);
    workers_release(workers);
}
