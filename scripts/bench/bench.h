/* bench.h -- cairn beside what it is compared to: what the rows share.
 *
 * A row is a line of the table: one kind of work, done by cairn and done bare. Both are
 * timed in short rounds that take turns, each round with keys that were made ready
 * before its clock started; what counts is the ratio of two neighbouring rounds, so a
 * machine that is slow for a second is slow for both. A repeat's value is the median of
 * its rounds, a row's value the median of its repeats, the spread the least and the
 * greatest repeat.
 *
 * Threads: everything here belongs to the main thread. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#include "cairn/cairn.h"

enum {
    BENCH_NAME_SIZE = 43, /* base64url of 32 bytes: "data/" and a name have 48 */
    BENCH_VALUE_SIZE = 100,
    BENCH_REPEATS_MAX = 100,
};

enum bench_side { BENCH_RAW, BENCH_CAIRN };

/* What the command line says. */
struct bench {
    const char *directory; /* an empty one, whoever called removes it */
    size_t entries;
    unsigned repeats;
};

/* Says what went wrong and ends the program with exit code 1. */
_Noreturn __attribute__((format(printf, 1, 2))) void bench_stop(const char *format,
                                                                ...);

/* Stops unless `status` is CAIRN_OK. `doing` reads like "read a value". */
void bench_check(enum cairn_status status, const struct cairn_error *error,
                 const char *doing);

/* "DIRECTORY/name", static; for each name once. */
const char *bench_path(const struct bench *bench, const char *name);

/* -- Keys and values (keys.c) ------------------------------------------------------ */

struct bench_key {
    size_t size;
    char bytes[56];
};

static inline struct cairn_slice bench_slice(const struct bench_key *key) {
    return (struct cairn_slice){key->bytes, key->size};
}

/* The key `prefix` and the name number `i` of a kind of names: always the same one. */
struct bench_key bench_key_of(const char *prefix, uint64_t kind, uint64_t i);

/* Value number `i`: half of it is random, so that it compresses to about half. */
void bench_value_of(uint64_t i, char out[BENCH_VALUE_SIZE]);

/* Uniform in [0, bound). The sequence is the same in every run. */
uint64_t bench_random(uint64_t bound);

/* Kinds of names. */
enum { BENCH_WRITTEN, BENCH_NEVER_WRITTEN };

/* What one round works on: equal keys for both sides, in memory of their own. */
struct bench_batch {
    size_t count;
    struct bench_key *keys[2];
    char (*values)[BENCH_VALUE_SIZE];
};

void bench_batch_open(struct bench_batch *batch, size_t count);
void bench_batch_close(struct bench_batch *batch);

/* Keys of entries that were written, drawn at random; prefixes may differ by side. */
void bench_batch_draw(struct bench_batch *batch, const char *raw_prefix,
                      const char *cairn_prefix, uint64_t kind, size_t entries);

/* -- Measuring (measure.c) -----------------------------------------------------------
 */

/* One pair of rounds. A side that fails calls bench_stop. */
struct bench_plan {
    void (*fill)(void *arg,
                 struct bench_batch *batch); /* before the clock; may be NULL */
    void (*work[2])(void *arg, const struct bench_batch *batch);
    void *arg;
    size_t operations; /* in a round */
    size_t rounds;     /* in a repeat */
};

struct bench_result {
    unsigned count;
    double ratios[BENCH_REPEATS_MAX]; /* cairn's time over the raw time, one a repeat */
    size_t operations;                /* that cairn did in all */
    double nanoseconds[2];            /* of one operation, of both sides: a median */
    const char *note;                 /* NULL, or in place of the nanoseconds */
};

/* Runs `repeats` times `rounds` pairs, after one pair that does not count. */
void bench_measure(const struct bench_plan *plan, unsigned repeats,
                   struct bench_result *result);

/* One pair; `turn` says who begins. Returns cairn's time over the raw one and writes
 * both, in seconds. */
double bench_round(const struct bench_plan *plan, struct bench_batch *batch,
                   unsigned turn, double seconds[2]);

/* Sorts `values`. */
double bench_median(double *values, size_t count);

/* -- Stores (stores.c)
 * ----------------------------------------------------------------- */

struct bench_raw; /* a RocksDB database behind its C interface (raw.c) */

struct bench_stores {
    struct cairn_store *store;
    char *url; /* of `store` */
    struct bench_raw *raw;
};

/* `entries` values beneath "data/", in both, each compacted; in cairn also the link
 * "alias" to "data". Opened on first use, as all of them. */
const struct bench_stores *bench_filled(const struct bench *bench);

/* As many entries, but half of them values and the other half links to these, beneath
 * "links/"; in the database the targets are plain values. */
const struct bench_stores *bench_linked(const struct bench *bench);

/* Both empty but for the group "data". */
const struct bench_stores *bench_fresh(const struct bench *bench);

/* "memory:" with the same values. */
struct cairn_store *bench_memory(const struct bench *bench);

/* Writes values number `from` to `to` beneath "data/" in batches. */
void bench_fill_store(struct cairn_store *store, size_t from, size_t to);

void bench_stores_close(void);

/* -- Rows (row_*.c)
 * ---------------------------------------------------------------------- */

void bench_read(const struct bench *, struct bench_result *);
void bench_read_two(const struct bench *, struct bench_result *);
void bench_read_lua(const struct bench *, struct bench_result *);
void bench_miss(const struct bench *, struct bench_result *);
void bench_read_link(const struct bench *, struct bench_result *);
void bench_read_linkgroup(const struct bench *, struct bench_result *);
void bench_write_child(const struct bench *, struct bench_result *);
void bench_write_growth(const struct bench *, struct bench_result *);
void bench_list(const struct bench *, struct bench_result *);
void bench_list_memory(const struct bench *, struct bench_result *);
void bench_memory_read(const struct bench *, struct bench_result *);
void bench_memory_read_lua(const struct bench *, struct bench_result *);
void bench_fs_read(const struct bench *, struct bench_result *);
void bench_fs_write(const struct bench *, struct bench_result *);

/* Reads a value's ends, as whoever asked for it would: a get that is not looked at
 * does not wait for memory. */
static inline void bench_look_at(struct cairn_slice value) {
    char seen = value.size ? value.data[0] ^ value.data[value.size - 1] : 0;
    __asm__ volatile("" : : "r"(seen)); /* the compiler must believe that it is used */
}

#endif
