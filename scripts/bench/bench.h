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

#include "cairn/cache.h"
#include "cairn/cairn.h"

enum {
    BENCH_NAME_SIZE = 43, /* base64url of 32 bytes: "data/" and a name have 48 */
    BENCH_VALUE_SIZE = 100,
    BENCH_TEXT_SIZE = 20, /* a value in a message */
    BENCH_MESSAGE_KEYS = 10,
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

/* -- Keys and values (keys.c) ----------------------------------------------------- */

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

/* Text number `i`: base64url digits. */
void bench_text_of(uint64_t i, char out[BENCH_TEXT_SIZE]);

/* Uniform in [0, bound). The sequence is the same in every run. */
uint64_t bench_random(uint64_t bound);

/* Kinds of names. */
enum { BENCH_WRITTEN, BENCH_NEVER_WRITTEN, BENCH_TEXTS };

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

/* -- Messages (messages.c) -------------------------------------------------------- */

/* A flat message in stored form, which is also its typed one: ten keys of seven to nine
 * letters, each with a text. Do not copy: it points into itself. */
struct bench_message {
    struct cairn_value value;
    struct cairn_pair fields[BENCH_MESSAGE_KEYS];
    char texts[BENCH_MESSAGE_KEYS][BENCH_TEXT_SIZE];
};

/* Message number `i`: always the same one, and no text is that of another. */
void bench_message_of(uint64_t i, struct bench_message *out);

/* The number of a message that no row has written yet: one store takes them all. */
uint64_t bench_next_message(void);

/* What a RocksDB store keeps of a message, byte by byte. */
struct bench_entry {
    struct bench_key key; /* a NUL and the id */
    size_t size;
    char bytes[512];
};

void bench_entry_of(struct bench_message *message, struct bench_entry *out);

/* Keys of entries of messages below `entries`, drawn at random. */
void bench_batch_draw_messages(struct bench_batch *batch, size_t entries);

/* The id in an entry's key. */
static inline struct cairn_slice bench_id(const struct bench_key *key) {
    return (struct cairn_slice){key->bytes + 1, key->size - 1};
}

/* -- Measuring (measure.c) -------------------------------------------------------- */

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

/* Seconds, of a clock that only goes forward. */
double bench_now(void);

/* Bytes of the program that are in memory. */
size_t bench_resident(void);

/* -- Stores (stores.c) ------------------------------------------------------------ */

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

/* Messages number 0 to `entries` at their ids, and the same bytes in the database. */
const struct bench_stores *bench_messages(const struct bench *bench);

/* Both empty but for the group "data". */
const struct bench_stores *bench_fresh(const struct bench *bench);

/* "memory:" with the same values. */
struct cairn_store *bench_memory(const struct bench *bench);

/* Writes values number `from` to `to` beneath "data/" in batches. */
void bench_fill_store(struct cairn_store *store, size_t from, size_t to);

void bench_stores_close(void);

/* -- Caches (caches.c) ------------------------------------------------------------ */

/* A cache as a user has it: over one store, the shipped policies deciding. */
struct bench_cache {
    struct lua_State *L; /* in which the object is that has the policies */
    struct cairn_chain *chain;
    struct cairn_cache *cache;
};

/* The store is borrowed. */
void bench_cache_open(const struct bench *bench, struct cairn_store *store,
                      struct bench_cache *out);
void bench_cache_close(struct bench_cache *cache);

/* Writes the message; stops unless it has the entry's id. */
void bench_cache_write(const struct bench_cache *cache,
                       const struct bench_message *message,
                       const struct bench_entry *entry);

/* Stops unless the store has kept of a message what the entry has, byte by byte, but
 * for the time. */
void bench_cache_compare(struct cairn_store *store, const struct bench_entry *entry);

/* -- Rows (row_*.c) --------------------------------------------------------------- */

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
void bench_message_id(const struct bench *, struct bench_result *);
void bench_message_write(const struct bench *, struct bench_result *);
void bench_message_write_lua(const struct bench *, struct bench_result *);
void bench_message_read(const struct bench *, struct bench_result *);
void bench_message_read_lua(const struct bench *, struct bench_result *);
void bench_resolve_id(const struct bench *, struct bench_result *);
void bench_resolve_table(const struct bench *, struct bench_result *);
void bench_decide_known(const struct bench *, struct bench_result *);
void bench_decide_new(const struct bench *, struct bench_result *);
void bench_reload_ms(const struct bench *, struct bench_result *);
void bench_reload_stalls(const struct bench *, struct bench_result *);
void bench_reload_growth(const struct bench *, struct bench_result *);
void bench_dedup_runs(const struct bench *, struct bench_result *);
void bench_dedup_ms(const struct bench *, struct bench_result *);
void bench_worker_ask(const struct bench *, struct bench_result *);
void bench_worker_send(const struct bench *, struct bench_result *);
void bench_worker_idle_bytes(const struct bench *, struct bench_result *);
void bench_worker_idle_seconds(const struct bench *, struct bench_result *);
void bench_worker_loop(const struct bench *, struct bench_result *);
void bench_worker_slow(const struct bench *, struct bench_result *);

/* Reads a value's ends, as whoever asked for it would: a get that is not looked at does
 * not wait for memory. */
static inline void bench_look_at(struct cairn_slice value) {
    char seen = value.size ? value.data[0] ^ value.data[value.size - 1] : 0;
    __asm__ volatile("" : : "r"(seen)); /* the compiler must believe that it is used */
}

#endif
