/* row_worker.c -- workers asked and told from Lua, and what it takes to have many.
 *
 * An answer is compared to handing over to another thread and back with nothing but
 * pthreads, a message to a coroutine that is resumed and yields. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>

#include "workers.h"

enum { ASKS = 2000, ASK_ROUNDS = 20, SENDS = 20000, SEND_ROUNDS = 20 };

/* On the stack of L: the loops, the workers, one of them or a list, a coroutine. */
enum { WORKERS = BENCH_LOOPS + 1, WORKER, COROUTINE };

static void run(lua_State *L, const char *loop, int index, lua_Integer count) {
    bench_script_loop(L, loop);
    lua_pushvalue(L, index);
    lua_pushinteger(L, count);
    bench_script_call(L, 2, 0);
}

/* -- Where it runs ----------------------------------------------------------------- */

/* This thread, and those that it makes for either side, stay on one core: on two it is
 * chance whether those of a side share one, and waking the other one up takes longer
 * than all that is measured. Returns what was allowed before. */
static cpu_set_t stay_on_one_core(void) {
    cpu_set_t before, one;
    int core = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET(core < 0 ? 0 : core, &one);
    if (sched_getaffinity(0, sizeof before, &before) ||
        sched_setaffinity(0, sizeof one, &one))
        bench_stop("cannot stay on one core: %s", strerror(errno));
    return before;
}

static void go_anywhere(const cpu_set_t *allowed) {
    if (sched_setaffinity(0, sizeof *allowed, allowed))
        bench_stop("cannot leave a core: %s", strerror(errno));
}

/* -- Handing over ------------------------------------------------------------------ */

enum turn { OURS, THEIRS, NOBODYS };

struct handing_over {
    lua_State *L;
    pthread_t partner;
    pthread_mutex_t lock;
    pthread_cond_t changed[2]; /* for each who waits for his turn */
    enum turn turn;
};

static void give(struct handing_over *over, enum turn turn) {
    over->turn = turn;
    pthread_cond_signal(&over->changed[turn == OURS ? OURS : THEIRS]);
}

static void *answer_always(void *arg) {
    struct handing_over *over = arg;
    pthread_mutex_lock(&over->lock);
    for (;;) {
        while (over->turn == OURS)
            pthread_cond_wait(&over->changed[THEIRS], &over->lock);
        if (over->turn == NOBODYS)
            break;
        give(over, OURS);
    }
    pthread_mutex_unlock(&over->lock);
    return NULL;
}

static void hand_over(void *arg, const struct bench_batch *batch) {
    struct handing_over *over = arg;
    (void)batch;
    pthread_mutex_lock(&over->lock);
    for (size_t i = 0; i < ASKS; i++) {
        give(over, THEIRS);
        while (over->turn != OURS)
            pthread_cond_wait(&over->changed[OURS], &over->lock);
    }
    pthread_mutex_unlock(&over->lock);
}

static void handing_over_open(struct handing_over *over) {
    over->turn = OURS;
    if (pthread_mutex_init(&over->lock, NULL) ||
        pthread_cond_init(&over->changed[OURS], NULL) ||
        pthread_cond_init(&over->changed[THEIRS], NULL) ||
        pthread_create(&over->partner, NULL, answer_always, over))
        bench_stop("cannot start a thread");
}

static void handing_over_close(struct handing_over *over) {
    pthread_mutex_lock(&over->lock);
    give(over, NOBODYS);
    pthread_mutex_unlock(&over->lock);
    pthread_join(over->partner, NULL);
    pthread_cond_destroy(&over->changed[OURS]);
    pthread_cond_destroy(&over->changed[THEIRS]);
    pthread_mutex_destroy(&over->lock);
}

static void ask(void *arg, const struct bench_batch *batch) {
    const struct handing_over *over = arg;
    (void)batch;
    run(over->L, "ask", WORKER, ASKS);
}

void bench_worker_ask(const struct bench *bench, struct bench_result *result) {
    struct handing_over over = {.L = bench_script_open()};
    struct bench_plan plan = {NULL, {hand_over, ask}, &over, ASKS, ASK_ROUNDS};
    cpu_set_t allowed = stay_on_one_core();
    handing_over_open(&over);
    bench_workers_open(over.L, 1, 0);
    bench_worker_push(over.L, WORKERS, "echo", 1);
    bench_measure(&plan, bench->repeats, result);
    handing_over_close(&over);
    bench_workers_close(over.L, WORKERS);
    lua_close(over.L);
    go_anywhere(&allowed);
}

/* -- Sending ----------------------------------------------------------------------- */

static void resume(void *arg, const struct bench_batch *batch) {
    (void)batch;
    run(arg, "resume", COROUTINE, SENDS);
}

static void send(void *arg, const struct bench_batch *batch) {
    (void)batch;
    run(arg, "send", WORKER, SENDS);
}

void bench_worker_send(const struct bench *bench, struct bench_result *result) {
    lua_State *L = bench_script_open();
    struct bench_plan plan = {NULL, {resume, send}, L, SENDS, SEND_ROUNDS};
    cpu_set_t allowed = stay_on_one_core();
    bench_workers_open(L, 1, 0);
    bench_worker_push(L, WORKERS, "note", 1);
    bench_script_loop(L, "coroutine");
    bench_script_call(L, 0, 1);
    bench_measure(&plan, bench->repeats, result);
    bench_workers_close(L, WORKERS);
    lua_close(L);
    go_anywhere(&allowed);
}

/* -- Having many ------------------------------------------------------------------- */

enum { IDLE = 200000 };

struct many {
    double bytes, seconds; /* of one; of starting all */
};

static double resident(lua_State *L) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    malloc_trim(0); /* what is free is no growth */
    return (double)bench_resident();
}

/* Each has answered a request when it is weighed, so that it has a state. */
static struct many have_many(void) {
    struct many many;
    lua_State *L = bench_script_open();
    bench_workers_open(L, 0, 0);
    bench_worker_push(L, WORKERS, "echo", 0);
    run(L, "ask", WORKER, 1);
    lua_settop(L, WORKERS);
    double before = resident(L), began = bench_now();
    bench_script_loop(L, "start");
    lua_pushvalue(L, WORKERS);
    lua_pushinteger(L, IDLE);
    bench_script_call(L, 2, 1);
    many.seconds = bench_now() - began;
    bench_script_loop(L, "wake");
    lua_pushvalue(L, WORKERS);
    lua_pushvalue(L, WORKER);
    bench_script_call(L, 2, 0);
    many.bytes = (resident(L) - before) / IDLE;
    bench_workers_close(L, WORKERS);
    lua_close(L);
    return many;
}

void bench_worker_idle_bytes(const struct bench *bench, struct bench_result *result) {
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = have_many().bytes;
    result->count = bench->repeats;
    result->operations = (size_t)IDLE * bench->repeats;
    result->note = "growth of resident memory by 200,000 that have answered once";
}

void bench_worker_idle_seconds(const struct bench *bench, struct bench_result *result) {
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = have_many().seconds;
    result->count = bench->repeats;
    result->operations = (size_t)IDLE * bench->repeats;
    result->note = "to start 200,000 from one Lua state";
}
