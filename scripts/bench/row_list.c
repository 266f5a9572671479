/* row_list.c -- listing a large group, against an iterator over the same keys; and the
 * memory that takes. */
#include <malloc.h>

#include "raw.h"

struct listing {
    const struct bench *bench;
    const struct bench_stores *stores;
};

static void raw_list(void *arg, const struct bench_batch *batch) {
    const struct listing *listing = arg;
    struct bench_raw *raw = listing->stores->raw;
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    size_t seen = 0, size;
    char *message = NULL;
    (void)batch;
    rocksdb_readoptions_set_iterate_upper_bound(read, "data0", 5); /* '0' follows '/' */
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(raw->db, read);
    rocksdb_iter_seek(iterator, "data/", 5);
    for (; rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator), seen++) {
        (void)rocksdb_iter_key(iterator, &size);
        if (size != 5 + BENCH_NAME_SIZE)
            bench_stop("RocksDB lists another key than was put");
    }
    rocksdb_iter_get_error(iterator, &message);
    if (message || seen != listing->bench->entries)
        bench_stop("RocksDB listed %zu keys of %zu: %s", seen, listing->bench->entries,
                   message ? message : "no error");
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(read);
}

/* Lists the group; looks `looks` times on the way at how much memory is in use and
 * returns the most. */
static size_t list(const struct listing *listing, size_t looks) {
    struct cairn_list *list;
    struct cairn_list_item item;
    struct cairn_error error;
    enum cairn_status status;
    size_t seen = 0, most = 0, step = looks ? listing->bench->entries / looks + 1 : 0;
    bench_check(cairn_list_open(listing->stores->store, NULL, cairn_slice_of("data"),
                                NULL, &list, &error),
                &error, "list a group");
    while (!(status = cairn_list_next(list, &item, &error))) {
        if (item.name.size != BENCH_NAME_SIZE || item.kind != CAIRN_RAW)
            bench_stop("cairn lists another name than was written");
        if (looks && seen % step == 0) {
            size_t bytes = bench_resident();
            most = bytes > most ? bytes : most;
        }
        seen++;
    }
    if (status != CAIRN_NOT_FOUND)
        bench_check(status, &error, "list a group");
    if (seen != listing->bench->entries)
        bench_stop("cairn listed %zu names of %zu", seen, listing->bench->entries);
    cairn_list_close(list);
    return most;
}

static void cairn_list(void *arg, const struct bench_batch *batch) {
    (void)batch;
    list(arg, 0);
}

void bench_list(const struct bench *bench, struct bench_result *result) {
    struct listing listing = {bench, bench_filled(bench)};
    struct bench_plan plan = {
        NULL, {raw_list, cairn_list}, &listing, bench->entries, 5};
    bench_measure(&plan, bench->repeats, result);
}

/* The first listing, which does not count, brings the blocks into the cache, whose size
 * is bounded by its option; freed memory goes back to the system, so that what a
 * listing takes must show. */
void bench_list_memory(const struct bench *bench, struct bench_result *result) {
    struct listing listing = {bench, bench_filled(bench)};
    list(&listing, 0);
    result->count = bench->repeats;
    for (unsigned i = 0; i < bench->repeats; i++) {
        malloc_trim(0);
        size_t before = bench_resident(), most = list(&listing, 200);
        result->ratios[i] = most > before ? (double)(most - before) / 1024 : 0;
    }
    result->operations = bench->repeats * bench->entries;
    result->note = "growth of resident memory while listing";
}
