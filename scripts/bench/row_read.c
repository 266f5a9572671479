/* row_read.c -- point reads of a RocksDB store in C: hits, misses, through links. */
#include <pthread.h>

#include "raw.h"

enum { OPERATIONS = 20000, ROUNDS = 20 };

struct reading {
    const struct bench_stores *stores;
    const char *raw_prefix, *cairn_prefix;
    uint64_t kind;
    size_t values; /* to draw from */
};

static void fill(void *arg, struct bench_batch *batch) {
    const struct reading *reading = arg;
    bench_batch_draw(batch, reading->raw_prefix, reading->cairn_prefix, reading->kind,
                     reading->values);
}

static void get(struct cairn_store *store, const struct bench_key *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct cairn_view view;
        struct cairn_error error;
        enum cairn_status status =
            cairn_store_read(store, NULL, bench_slice(&keys[i]), &view, &error);
        bench_check(status, &error, "read a value");
        if (view.entry.payload.size != BENCH_VALUE_SIZE)
            bench_stop("cairn has another value at %.*s", (int)keys[i].size,
                       keys[i].bytes);
        bench_look_at(view.entry.payload);
        cairn_view_release(&view);
    }
}

static void raw_get(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    bench_raw_get(reading->stores->raw, batch->keys[BENCH_RAW], batch->count);
}

static void cairn_get(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    get(reading->stores->store, batch->keys[BENCH_CAIRN], batch->count);
}

static void raw_miss(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    bench_raw_miss(reading->stores->raw, batch->keys[BENCH_RAW], batch->count);
}

static void cairn_miss(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    const struct bench_key *keys = batch->keys[BENCH_CAIRN];
    for (size_t i = 0; i < batch->count; i++) {
        struct cairn_view view;
        struct cairn_error error;
        enum cairn_status status = cairn_store_read(
            reading->stores->store, NULL, bench_slice(&keys[i]), &view, &error);
        if (status == CAIRN_OK)
            bench_stop("cairn has a value at %.*s", (int)keys[i].size, keys[i].bytes);
        if (status != CAIRN_NOT_FOUND)
            bench_check(status, &error, "miss a value");
    }
}

void bench_read(const struct bench *bench, struct bench_result *result) {
    struct reading reading = {bench_filled(bench), "data/", "data/", BENCH_WRITTEN,
                              bench->entries};
    struct bench_plan plan = {fill, {raw_get, cairn_get}, &reading, OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
}

void bench_miss(const struct bench *bench, struct bench_result *result) {
    struct reading reading = {bench_filled(bench), "data/", "data/",
                              BENCH_NEVER_WRITTEN, bench->entries};
    struct bench_plan plan = {
        fill, {raw_miss, cairn_miss}, &reading, OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
}

/* Every second raw get is of what cairn keeps of a link: so both sides draw from all of
 * the entries. */
static void fill_mixed(void *arg, struct bench_batch *batch) {
    const struct reading *reading = arg;
    fill(arg, batch);
    for (size_t i = 0; i < batch->count; i += 2)
        batch->keys[BENCH_RAW][i] = bench_key_of(reading->cairn_prefix, reading->kind,
                                                 bench_random(reading->values));
}

void bench_read_link(const struct bench *bench, struct bench_result *result) {
    struct reading reading = {bench_linked(bench), "data/", "links/", BENCH_WRITTEN,
                              bench->entries / 2};
    struct bench_plan plan = {
        fill_mixed, {raw_get, cairn_get}, &reading, OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
}

void bench_read_linkgroup(const struct bench *bench, struct bench_result *result) {
    struct reading reading = {bench_filled(bench), "data/", "alias/", BENCH_WRITTEN,
                              bench->entries};
    struct bench_plan plan = {fill, {raw_get, cairn_get}, &reading, OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
}

/* -- Two threads: each does half of the keys -------------------------------------- */

struct half {
    const struct bench_stores *stores;
    const struct bench_key *keys;
    size_t count;
};

static void *raw_half(void *arg) {
    const struct half *half = arg;
    bench_raw_get(half->stores->raw, half->keys, half->count);
    return NULL;
}

static void *cairn_half(void *arg) {
    const struct half *half = arg;
    get(half->stores->store, half->keys, half->count);
    return NULL;
}

static void in_two(const struct bench_stores *stores, const struct bench_key *keys,
                   size_t count, void *(*work)(void *)) {
    struct half halves[2] = {{stores, keys, count / 2},
                             {stores, keys + count / 2, count - count / 2}};
    pthread_t other;
    if (pthread_create(&other, NULL, work, &halves[1]))
        bench_stop("cannot start a second thread");
    work(&halves[0]);
    pthread_join(other, NULL);
}

static void raw_two(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    in_two(reading->stores, batch->keys[BENCH_RAW], batch->count, raw_half);
}

static void cairn_two(void *arg, const struct bench_batch *batch) {
    const struct reading *reading = arg;
    in_two(reading->stores, batch->keys[BENCH_CAIRN], batch->count, cairn_half);
}

void bench_read_two(const struct bench *bench, struct bench_result *result) {
    struct reading reading = {bench_filled(bench), "data/", "data/", BENCH_WRITTEN,
                              bench->entries};
    struct bench_plan plan = {
        fill, {raw_two, cairn_two}, &reading, 2 * OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
}
