/* raw.h -- RocksDB as a program would use it without cairn: the other side. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <rocksdb/c.h>

#include "bench.h"

struct bench_raw {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
};

/* The block cache of both sides: all of a million entries fits, blocks uncompressed. */
#define BENCH_CACHE_TEXT "1G"
#define BENCH_CACHE_BYTES ((size_t)1 << 30)

struct bench_raw *bench_raw_open(const char *path);
void bench_raw_close(struct bench_raw *raw); /* NULL is fine */

/* Opens the database at `path`, whoever made it, compacts it wholly and closes it. */
void bench_raw_compact(const char *path);

/* Stops unless RocksDB runs both databases with the same options, by the files in which
 * it keeps them: so this program cannot fall behind backends/rocksdb.c. */
void bench_raw_compare(const char *path, const char *other);

/* Values number `from` to `to`; and what stands for links to them. */
void bench_raw_fill(struct bench_raw *raw, size_t from, size_t to);
void bench_raw_fill_links(struct bench_raw *raw, size_t from, size_t to);

/* Point reads. */
void bench_raw_get(struct bench_raw *raw, const struct bench_key *keys, size_t count);
void bench_raw_miss(struct bench_raw *raw, const struct bench_key *keys, size_t count);
void bench_raw_put(struct bench_raw *raw, const struct bench_batch *batch);
void bench_raw_put_entries(struct bench_raw *raw, const struct bench_entry *entries,
                           size_t count);

#endif
