/* raw.c -- RocksDB with the options of backends/rocksdb.c, and nothing in between. */
#include "raw.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 100 };

static void check(char *message, const char *doing) {
    if (message)
        bench_stop("RocksDB cannot %s: %s", doing, message);
}

struct bench_raw *bench_raw_open(const char *path) {
    struct bench_raw *raw = calloc(1, sizeof *raw);
    if (!raw)
        bench_stop("no memory to open %s", path);
    rocksdb_options_t *options = raw->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, (size_t)64 << 20);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_bottommost_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.02);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_info_log_level(options, 2);
    rocksdb_options_set_keep_log_file_num(options, 2);

    raw->table = rocksdb_block_based_options_create();
    raw->cache = rocksdb_cache_create_lru(BENCH_CACHE_BYTES);
    rocksdb_block_based_options_set_block_cache(raw->table, raw->cache);
    rocksdb_block_based_options_set_format_version(raw->table, 5);
    rocksdb_block_based_options_set_filter_policy(
        raw->table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(options, raw->table);

    raw->read = rocksdb_readoptions_create();
    raw->write = rocksdb_writeoptions_create();
    char *message = NULL;
    raw->db = rocksdb_open(options, path, &message);
    check(message, "open a database");
    return raw;
}

void bench_raw_close(struct bench_raw *raw) {
    if (!raw)
        return;
    rocksdb_close(raw->db);
    rocksdb_readoptions_destroy(raw->read);
    rocksdb_writeoptions_destroy(raw->write);
    rocksdb_options_destroy(raw->options);
    rocksdb_block_based_options_destroy(raw->table);
    rocksdb_cache_destroy(raw->cache);
    free(raw);
}

void bench_raw_compact(const char *path) {
    struct bench_raw *raw = bench_raw_open(path);
    rocksdb_compact_range(raw->db, NULL, 0, NULL, 0);
    bench_raw_close(raw);
}

/* One entry of those that databases are filled with: a value, or what cairn keeps of a
 * link, which is its target. */
static void add(rocksdb_writebatch_t *batch, uint64_t number, bool link) {
    struct bench_key key = bench_key_of("data/", BENCH_WRITTEN, number);
    char value[BENCH_VALUE_SIZE];
    if (link) {
        struct bench_key from = bench_key_of("links/", BENCH_WRITTEN, number);
        rocksdb_writebatch_put(batch, from.bytes, from.size, key.bytes, key.size);
        return;
    }
    bench_value_of(number, value);
    rocksdb_writebatch_put(batch, key.bytes, key.size, value, sizeof value);
}

static void add_all(struct bench_raw *raw, size_t from, size_t to, bool links) {
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    while (from < to) {
        char *message = NULL;
        for (size_t i = 0; i < BATCH && from < to; i++, from++)
            add(batch, from, links);
        rocksdb_write(raw->db, raw->write, batch, &message);
        check(message, "write a batch");
        rocksdb_writebatch_clear(batch);
    }
    rocksdb_writebatch_destroy(batch);
}

void bench_raw_fill(struct bench_raw *raw, size_t from, size_t to) {
    add_all(raw, from, to, false);
}

void bench_raw_fill_links(struct bench_raw *raw, size_t from, size_t to) {
    add_all(raw, from, to, true);
}

void bench_raw_get(struct bench_raw *raw, const struct bench_key *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *message = NULL;
        struct cairn_slice value = {NULL, 0};
        rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(
            raw->db, raw->read, keys[i].bytes, keys[i].size, &message);
        check(message, "get a value");
        if (pinned)
            value.data = rocksdb_pinnableslice_value(pinned, &value.size);
        if (value.size == 0)
            bench_stop("RocksDB has no value at %.*s", (int)keys[i].size,
                       keys[i].bytes);
        bench_look_at(value);
        rocksdb_pinnableslice_destroy(pinned);
    }
}

void bench_raw_miss(struct bench_raw *raw, const struct bench_key *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *message = NULL;
        rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(
            raw->db, raw->read, keys[i].bytes, keys[i].size, &message);
        check(message, "get a value");
        if (pinned)
            bench_stop("RocksDB has a value at %.*s", (int)keys[i].size, keys[i].bytes);
    }
}

static void put(struct bench_raw *raw, const struct bench_key *key, const char *value,
                size_t size) {
    char *message = NULL;
    rocksdb_put(raw->db, raw->write, key->bytes, key->size, value, size, &message);
    check(message, "put a value");
}

void bench_raw_put(struct bench_raw *raw, const struct bench_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        put(raw, &batch->keys[BENCH_RAW][i], batch->values[i], BENCH_VALUE_SIZE);
}

void bench_raw_put_entries(struct bench_raw *raw, const struct bench_entry *entries,
                           size_t count) {
    for (size_t i = 0; i < count; i++)
        put(raw, &entries[i].key, entries[i].bytes, entries[i].size);
}

/* -- Whether both sides have the same options ------------------------------------- */

/* Opens the newest of a database's OPTIONS files: their names end in growing numbers.
 */
static FILE *open_options(const char *path) {
    char newest[512] = "", full[4096];
    DIR *directory = opendir(path);
    struct dirent *item;
    while (directory && (item = readdir(directory)))
        if (strncmp(item->d_name, "OPTIONS-", 8) == 0 &&
            strcmp(item->d_name, newest) > 0)
            snprintf(newest, sizeof newest, "%s", item->d_name);
    if (directory)
        closedir(directory);
    snprintf(full, sizeof full, "%s/%s", path, newest);
    FILE *file = newest[0] ? fopen(full, "r") : NULL;
    if (!file)
        bench_stop("cannot read the options of the database in %s", path);
    return file;
}

/* What may differ: where it lies, and cairn's dropping of what has expired, which works
 * in compactions only (RocksDB sees to it that they come at least once a month) and has
 * no bare counterpart. */
static bool may_differ(const char *line) {
    static const char *const names[] = {
        "wal_dir=", "compaction_filter=", "periodic_compaction_seconds="};
    line += strspn(line, " ");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

void bench_raw_compare(const char *path, const char *other) {
    FILE *files[2] = {open_options(path), open_options(other)};
    char lines[2][4096];
    for (;;) {
        char *first = fgets(lines[0], sizeof lines[0], files[0]);
        char *second = fgets(lines[1], sizeof lines[1], files[1]);
        if (!first && !second)
            break;
        if (!first || !second)
            bench_stop("cairn's database has not as many options as the one beside it");
        if (strcmp(first, second) != 0 && !may_differ(first))
            bench_stop("cairn's database has other options than the one beside it:\n"
                       "%s%s",
                       first, second);
    }
    fclose(files[0]);
    fclose(files[1]);
}
