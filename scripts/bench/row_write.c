/* row_write.c -- new children of a group in a RocksDB store, against bare puts of the
 * same sizes: both logged, neither synced. */
#include <stdio.h>
#include <stdlib.h>

#include "raw.h"

struct writing {
    const struct bench *bench;
    const struct bench_stores *stores;
    size_t groups; /* that were begun */
};

/* Beneath "data" in the fresh stores: one group for both rows, so it is counted here.
 */
static size_t children;

static void write_one(struct cairn_store *store, const struct bench_key *key,
                      const char *value) {
    struct cairn_error error;
    struct cairn_operation operation = {.kind = CAIRN_WRITE,
                                        .path = bench_slice(key),
                                        .value = {value, BENCH_VALUE_SIZE}};
    bench_check(cairn_store_apply(store, NULL, &operation, 1, 0, NULL, &error), &error,
                "write a child");
}

static void raw_put(void *arg, const struct bench_batch *batch) {
    const struct writing *writing = arg;
    bench_raw_put(writing->stores->raw, batch);
}

static void cairn_write(void *arg, const struct bench_batch *batch) {
    const struct writing *writing = arg;
    for (size_t i = 0; i < batch->count; i++)
        write_one(writing->stores->store, &batch->keys[BENCH_CAIRN][i],
                  batch->values[i]);
}

static void set(struct bench_batch *batch, size_t at, const char *prefix,
                uint64_t number) {
    batch->keys[BENCH_RAW][at] = batch->keys[BENCH_CAIRN][at] =
        bench_key_of(prefix, BENCH_WRITTEN, number);
    bench_value_of(number, batch->values[at]);
}

static void fill_next(void *arg, struct bench_batch *batch) {
    (void)arg;
    for (size_t i = 0; i < batch->count; i++)
        set(batch, i, "data/", children++);
}

void bench_write_child(const struct bench *bench, struct bench_result *result) {
    enum { OPERATIONS = 5000 };
    struct writing writing = {.bench = bench, .stores = bench_fresh(bench)};
    size_t rounds = bench->entries / OPERATIONS / bench->repeats;
    struct bench_plan plan = {
        fill_next, {raw_put, cairn_write}, &writing, OPERATIONS, rounds ? rounds : 1};
    bench_measure(&plan, bench->repeats, result);
}

/* -- Growth: the same few writes into a small group and into a large one ---------- */

enum {
    AROUND = 1000
}; /* children in a round: of a small group the 500th to the 1500th */

/* Begins a group and brings it to just before its thousandth child. */
static void fill_small(void *arg, struct bench_batch *batch) {
    struct writing *writing = arg;
    struct bench_batch before;
    char prefix[16];
    snprintf(prefix, sizeof prefix, "g%03zu/", writing->groups % 1000);
    uint64_t number = ((uint64_t)1 << 40) + writing->groups++ * 2 * AROUND;
    bench_batch_open(&before, AROUND / 2);
    for (size_t i = 0; i < before.count; i++)
        set(&before, i, prefix, number++);
    raw_put(arg, &before);
    cairn_write(arg, &before);
    bench_batch_close(&before);
    for (size_t i = 0; i < batch->count; i++)
        set(batch, i, prefix, number++);
}

static double growth(const struct bench_plan *small, const struct bench_plan *large) {
    struct bench_batch batch;
    double *ratios[2] = {calloc(small->rounds, sizeof(double)),
                         calloc(small->rounds, sizeof(double))};
    if (!ratios[0] || !ratios[1])
        bench_stop("no memory for %zu rounds", small->rounds);
    bench_batch_open(&batch, AROUND);
    for (unsigned round = 0; round < small->rounds; round++) {
        double seconds[2];
        ratios[0][round] = bench_round(small, &batch, round, seconds);
        ratios[1][round] = bench_round(large, &batch, round, seconds);
    }
    bench_batch_close(&batch);
    double result =
        bench_median(ratios[1], small->rounds) / bench_median(ratios[0], small->rounds);
    free(ratios[0]);
    free(ratios[1]);
    return result;
}

/* (cairn's time at the end / at the beginning) / (the same of raw puts) is (cairn / raw
 * at the end) / (cairn / raw at the beginning): so the two sides can take turns here as
 * elsewhere. */
void bench_write_growth(const struct bench *bench, struct bench_result *result) {
    struct writing writing = {.bench = bench, .stores = bench_fresh(bench)};
    struct bench_plan small = {
        fill_small, {raw_put, cairn_write}, &writing, AROUND, 40};
    struct bench_plan large = {fill_next, {raw_put, cairn_write}, &writing, AROUND, 40};
    if (children < bench->entries) {
        bench_raw_fill(writing.stores->raw, children, bench->entries);
        bench_fill_store(writing.stores->store, children, bench->entries);
        children = bench->entries;
    }
    growth(&small, &large);
    result->count = bench->repeats;
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = growth(&small, &large);
    result->operations = bench->repeats * (small.rounds + large.rounds) * AROUND;
    result->note = "rounds around the thousandth and around the last child";
}
