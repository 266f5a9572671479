/* row_memory.c -- the memory tier in C: a hit, against a RocksDB get of the same key.
 */
#include "raw.h"

enum { OPERATIONS = 20000, ROUNDS = 20 };

struct tier {
    const struct bench *bench;
    struct cairn_store *store;
    struct bench_raw *raw;
};

static void fill(void *arg, struct bench_batch *batch) {
    const struct tier *tier = arg;
    bench_batch_draw(batch, "data/", "data/", BENCH_WRITTEN, tier->bench->entries);
}

static void raw_get(void *arg, const struct bench_batch *batch) {
    const struct tier *tier = arg;
    bench_raw_get(tier->raw, batch->keys[BENCH_RAW], batch->count);
}

static void memory_read(void *arg, const struct bench_batch *batch) {
    const struct tier *tier = arg;
    const struct bench_key *keys = batch->keys[BENCH_CAIRN];
    for (size_t i = 0; i < batch->count; i++) {
        struct cairn_view view;
        struct cairn_error error;
        enum cairn_status status =
            cairn_store_read(tier->store, NULL, bench_slice(&keys[i]), &view, &error);
        bench_check(status, &error, "read a value");
        if (view.entry.payload.size != BENCH_VALUE_SIZE)
            bench_stop("memory: has another value at %.*s", (int)keys[i].size,
                       keys[i].bytes);
        bench_look_at(view.entry.payload);
        cairn_view_release(&view);
    }
}

void bench_memory_read(const struct bench *bench, struct bench_result *result) {
    struct tier tier = {bench, bench_memory(bench), bench_filled(bench)->raw};
    struct bench_plan plan = {fill, {raw_get, memory_read}, &tier, OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
}
