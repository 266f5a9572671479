/* stores.c -- the stores and databases that the rows work on.
 *
 * Those that are read are brought to one state: the same entries in the same random
 * order, then closed, compacted wholly by the same code, and opened again. */
#include <stdio.h>
#include <stdlib.h>

#include "cairn/open.h"
#include "raw.h"

enum { BATCH = 100 };

static struct bench_stores filled, linked, messages, fresh;
static struct cairn_store *memory;

static struct cairn_store *open_store(const char *url) {
    struct cairn_store *store;
    struct cairn_error error;
    bench_check(cairn_open(cairn_slice_of(url), &store, &error), &error,
                "open a store");
    return store;
}

static char *url_of(const char *path) {
    static const char form[] = "rocksdb:%s?block_cache=" BENCH_CACHE_TEXT;
    char *url = NULL;
    if (asprintf(&url, form, path) < 0)
        bench_stop("no memory to open %s", path);
    return url;
}

static void apply(struct cairn_store *store, struct cairn_operation *operations,
                  size_t count) {
    struct cairn_error error;
    bench_check(cairn_store_apply(store, NULL, operations, count, 0, NULL, &error),
                &error, "write a batch");
}

void bench_fill_store(struct cairn_store *store, size_t from, size_t to) {
    struct cairn_operation operations[BATCH];
    struct bench_key keys[BATCH];
    char values[BATCH][BENCH_VALUE_SIZE];
    while (from < to) {
        size_t count = 0;
        for (; count < BATCH && from < to; count++, from++) {
            keys[count] = bench_key_of("data/", BENCH_WRITTEN, from);
            bench_value_of(from, values[count]);
            operations[count] =
                (struct cairn_operation){.kind = CAIRN_WRITE,
                                         .path = bench_slice(&keys[count]),
                                         .value = {values[count], BENCH_VALUE_SIZE}};
        }
        apply(store, operations, count);
    }
}

static void fill_links(struct cairn_store *store, size_t entries) {
    struct cairn_operation operations[BATCH];
    struct bench_key links[BATCH], targets[BATCH];
    for (size_t from = 0; from < entries;) {
        size_t count = 0;
        for (; count < BATCH && from < entries; count++, from++) {
            links[count] = bench_key_of("links/", BENCH_WRITTEN, from);
            targets[count] = bench_key_of("data/", BENCH_WRITTEN, from);
            operations[count] =
                (struct cairn_operation){.kind = CAIRN_MAKE_LINK,
                                         .path = bench_slice(&links[count]),
                                         .value = bench_slice(&targets[count])};
        }
        apply(store, operations, count);
    }
}

static void make(struct cairn_store *store, enum cairn_operation_kind kind,
                 const char *path, const char *target) {
    struct cairn_operation operation = {
        .kind = kind, .path = cairn_slice_of(path), .value = cairn_slice_of(target)};
    apply(store, &operation, 1);
}

/* Compacted, both the same way. */
static void reopen(struct bench_stores *stores, const char *path,
                   const char *raw_path) {
    bench_raw_compact(path);
    bench_raw_compact(raw_path);
    stores->store = open_store(stores->url);
    stores->raw = bench_raw_open(raw_path);
    bench_raw_compare(path, raw_path);
}

const struct bench_stores *bench_filled(const struct bench *bench) {
    if (filled.store)
        return &filled;
    const char *path = bench_path(bench, "cairn"), *raw_path = bench_path(bench, "raw");
    filled.url = url_of(path);
    struct cairn_store *store = open_store(filled.url);
    bench_fill_store(store, 0, bench->entries);
    make(store, CAIRN_MAKE_LINK, "alias", "data");
    cairn_store_close(store);

    struct bench_raw *raw = bench_raw_open(raw_path);
    bench_raw_fill(raw, 0, bench->entries);
    bench_raw_close(raw);

    reopen(&filled, path, raw_path);
    return &filled;
}

const struct bench_stores *bench_linked(const struct bench *bench) {
    if (linked.store)
        return &linked;
    const char *path = bench_path(bench, "linked"),
               *raw_path = bench_path(bench, "raw-linked");
    size_t half = bench->entries / 2;
    linked.url = url_of(path);
    struct cairn_store *store = open_store(linked.url);
    bench_fill_store(store, 0, half);
    fill_links(store, half);
    cairn_store_close(store);

    struct bench_raw *raw = bench_raw_open(raw_path);
    bench_raw_fill(raw, 0, half);
    bench_raw_fill_links(raw, 0, half);
    bench_raw_close(raw);
    reopen(&linked, path, raw_path);
    return &linked;
}

static void fill_messages(struct cairn_store *store, struct bench_raw *raw,
                          const struct bench *bench) {
    struct bench_cache cache;
    struct bench_message message;
    struct bench_entry entry;
    bench_cache_open(bench, store, &cache);
    for (size_t i = 0; i < bench->entries; i++) {
        bench_message_of(i, &message);
        bench_entry_of(&message, &entry);
        bench_cache_write(&cache, &message, &entry);
        bench_raw_put_entries(raw, &entry, 1);
    }
    bench_cache_compare(store, &entry);
    bench_cache_close(&cache);
}

const struct bench_stores *bench_messages(const struct bench *bench) {
    if (messages.store)
        return &messages;
    const char *path = bench_path(bench, "messages"),
               *raw_path = bench_path(bench, "raw-messages");
    messages.url = url_of(path);
    struct cairn_store *store = open_store(messages.url);
    struct bench_raw *raw = bench_raw_open(raw_path);
    fill_messages(store, raw, bench);
    cairn_store_close(store);
    bench_raw_close(raw);
    reopen(&messages, path, raw_path);
    return &messages;
}

const struct bench_stores *bench_fresh(const struct bench *bench) {
    if (fresh.store)
        return &fresh;
    const char *path = bench_path(bench, "fresh"),
               *raw_path = bench_path(bench, "raw-fresh");
    fresh.url = url_of(path);
    fresh.store = open_store(fresh.url);
    make(fresh.store, CAIRN_MAKE_GROUP, "data", "");
    fresh.raw = bench_raw_open(raw_path);
    bench_raw_compare(path, raw_path);
    return &fresh;
}

struct cairn_store *bench_memory(const struct bench *bench) {
    if (!memory) {
        memory = open_store("memory:");
        bench_fill_store(memory, 0, bench->entries);
    }
    return memory;
}

void bench_stores_close(void) {
    bench_raw_close(filled.raw);
    bench_raw_close(linked.raw);
    bench_raw_close(messages.raw);
    bench_raw_close(fresh.raw);
    cairn_store_close(filled.store);
    cairn_store_close(linked.store);
    cairn_store_close(messages.store);
    cairn_store_close(fresh.store);
    cairn_store_close(memory);
    free(filled.url);
    free(linked.url);
    free(messages.url);
    free(fresh.url);
}
