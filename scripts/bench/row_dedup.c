/* row_dedup.c -- ten thousand workers that want one result at the same time: how often
 * it is computed, and how long the last one waits for it once it is there.
 *
 * Their cache is as a user has it, with a tier in memory in front of RocksDB; the
 * computation reads from a slow store, which knows when it was. */
#include <stdlib.h>

#include "slow.h"
#include "workers.h"

enum { CALLERS = 10000, COMPUTATION_MS = 100 };

/* On the stack of L: the loops, the policies, the cache, the workers. */
enum { POLICIES = BENCH_LOOPS + 1, CACHE, WORKERS };

struct crowd {
    lua_State *L;
    struct cairn_worker *callers[CALLERS];
};

static struct crowd *crowd_open(const struct bench *bench, const char *name) {
    struct crowd *crowd = calloc(1, sizeof *crowd);
    if (!crowd)
        bench_stop("no memory for %d callers", CALLERS);
    lua_State *L = crowd->L = bench_script_open();
    bench_slow_open(COMPUTATION_MS);
    bench_script_policies(L, bench_no_policies(bench), true);
    bench_script_loop(L, "tiered");
    lua_pushfstring(L, "rocksdb:%s", bench_path(bench, name));
    lua_pushvalue(L, POLICIES);
    bench_script_call(L, 2, 1);
    bench_workers_open(L, 0, CACHE);
    for (size_t i = 0; i < CALLERS; i++)
        crowd->callers[i] = bench_worker_start(L, WORKERS, "ask_cache", i);
    return crowd;
}

static void crowd_close(struct crowd *crowd) {
    for (size_t i = 0; i < CALLERS; i++)
        cairn_worker_release(crowd->callers[i]);
    bench_workers_close(crowd->L, WORKERS);
    lua_close(crowd->L);
    free(crowd);
}

struct outcome {
    double runs, ms;
};

/* All want result `number`, which nobody has wanted before. */
static struct outcome want(struct crowd *crowd, int64_t number) {
    struct bench_asks asks;
    double last = 0;
    bench_slow_open(COMPUTATION_MS);
    bench_asks_open(&asks, CALLERS, number);
    for (size_t i = 0; i < CALLERS; i++)
        bench_asks_post(&asks, crowd->callers[i]);
    bench_asks_wait(&asks);
    for (size_t i = 0; i < CALLERS; i++)
        last = asks.list[i].answered > last ? asks.list[i].answered : last;
    bench_asks_close(&asks);
    const struct bench_slow_facts facts = bench_slow_facts();
    if (facts.reads == 0)
        bench_stop("nobody has computed what all were given");
    return (struct outcome){(double)facts.reads, (last - facts.ended) * 1000};
}

void bench_dedup_runs(const struct bench *bench, struct bench_result *result) {
    struct crowd *crowd = crowd_open(bench, "wanted-once");
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = want(crowd, i).runs;
    result->count = bench->repeats;
    result->operations = (size_t)CALLERS * bench->repeats;
    result->note = "of a computation that 10,000 workers want at the same time";
    crowd_close(crowd);
}

void bench_dedup_ms(const struct bench *bench, struct bench_result *result) {
    struct crowd *crowd = crowd_open(bench, "wanted-soon");
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = want(crowd, i).ms;
    result->count = bench->repeats;
    result->operations = (size_t)CALLERS * bench->repeats;
    result->note = "from its end to the last of 10,000 answers";
    crowd_close(crowd);
}
