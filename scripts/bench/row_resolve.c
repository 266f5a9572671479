/* row_resolve.c -- results that are in the cache, asked for from Lua, against a RocksDB
 * get in C of a value as large.
 *
 * The cache has a tier in memory in front of a RocksDB store. It is filled by computing
 * each result once, which writes it to the store, and asking for it once more, which
 * copies it into the tier. */
#include "raw.h"
#include "script.h"

#include <stdlib.h>

/* One in so many entries has a result; as requests given by their id there are so few
 * that a node would soon have met them all. */
enum { OPERATIONS = 1000, ROUNDS = 200, SHARE = 5, REQUESTS = 100, CHUNK = 1000 };

/* On the stack of L: the loops, the policies, the cache, and during a round bases,
 * requests, and answers as long as these are made. */
enum { POLICIES = BENCH_LOOPS + 1, CACHE, BASES, ASKED, ANSWERS };

struct resolving {
    const struct bench *bench;
    struct bench_raw *raw;
    lua_State *L;
    bool by_id; /* is the request given by its id? */
};

static size_t results(const struct bench *bench) {
    return bench->entries / SHARE;
}

static void push_id(lua_State *L, uint64_t number) {
    struct bench_message message;
    struct bench_entry entry;
    bench_message_of(number, &message);
    bench_entry_of(&message, &entry);
    struct cairn_slice id = bench_id(&entry.key);
    lua_pushlstring(L, id.data, id.size);
}

/* A request of its own for each result: { path = "quote", account = ..., amount = ... }
 */
static void push_table(lua_State *L, uint64_t number) {
    static const char *const keys[] = {"account", "amount"};
    char text[BENCH_TEXT_SIZE];
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "quote");
    lua_setfield(L, -2, "path");
    for (size_t i = 0; i < 2; i++) {
        bench_text_of(number * 2 + i, text);
        lua_pushlstring(L, text, sizeof text);
        lua_setfield(L, -2, keys[i]);
    }
}

/* Messages number 0 to REQUESTS are the requests, those behind them the bases. */
static void push_request(const struct resolving *resolving, uint64_t number) {
    if (resolving->by_id)
        push_id(resolving->L, number % REQUESTS);
    else
        push_table(resolving->L, number);
}

static void clear(lua_State *L) {
    lua_settop(L, CACHE);
    for (int list = BASES; list <= ANSWERS; list++)
        lua_createtable(L, CHUNK, 0);
}

static void append(lua_State *L, int list) {
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* -- Filling ---------------------------------------------------------------------- */

static void call(lua_State *L, const char *loop, int lists) {
    bench_script_loop(L, loop);
    lua_pushvalue(L, CACHE);
    for (int list = 0; list < lists; list++)
        lua_pushvalue(L, BASES + list);
    bench_script_call(L, 1 + lists, 0);
}

/* Requests and bases must be there to be computed with. */
static void write_messages(const struct resolving *resolving) {
    lua_State *L = resolving->L;
    struct bench_message message;
    size_t count = REQUESTS + results(resolving->bench);
    for (size_t i = 0; i < count;) {
        clear(L);
        for (size_t end = i + CHUNK; i < end && i < count; i++) {
            bench_message_of(i, &message);
            bench_script_push(L, &message);
            append(L, BASES);
        }
        call(L, "write_messages", 1);
    }
}

static void push_call(const struct resolving *resolving, uint64_t number) {
    push_id(resolving->L, REQUESTS + number);
    append(resolving->L, BASES);
    push_request(resolving, number);
    append(resolving->L, ASKED);
}

static void compute_all(const struct resolving *resolving) {
    lua_State *L = resolving->L;
    char answer[BENCH_VALUE_SIZE];
    size_t count = results(resolving->bench);
    for (size_t i = 0; i < count;) {
        clear(L);
        for (size_t end = i + CHUNK; i < end && i < count; i++) {
            push_call(resolving, i);
            bench_value_of(i, answer);
            lua_pushlstring(L, answer, sizeof answer);
            append(L, ANSWERS);
        }
        call(L, "compute", 3);
        call(L, "resolve", 2);
    }
}

/* -- Measuring -------------------------------------------------------------------- */

static void fill(void *arg, struct bench_batch *batch) {
    const struct resolving *resolving = arg;
    bench_batch_draw(batch, "data/", "data/", BENCH_WRITTEN, resolving->bench->entries);
    clear(resolving->L);
    for (size_t i = 0; i < batch->count; i++)
        push_call(resolving, bench_random(results(resolving->bench)));
}

static void raw_get(void *arg, const struct bench_batch *batch) {
    const struct resolving *resolving = arg;
    bench_raw_get(resolving->raw, batch->keys[BENCH_RAW], batch->count);
}

static void resolve(void *arg, const struct bench_batch *batch) {
    const struct resolving *resolving = arg;
    (void)batch;
    call(resolving->L, "resolve", 2);
}

static void run(const struct bench *bench, const char *name, bool by_id,
                struct bench_result *result) {
    struct resolving resolving = {bench, bench_filled(bench)->raw, bench_script_open(),
                                  by_id};
    struct bench_plan plan = {fill, {raw_get, resolve}, &resolving, OPERATIONS, ROUNDS};
    lua_State *L = resolving.L;
    bench_script_policies(L, bench_no_policies(bench), true);
    bench_script_loop(L, "tiered");
    lua_pushfstring(L, "rocksdb:%s", bench_path(bench, name));
    lua_pushvalue(L, POLICIES);
    bench_script_call(L, 2, 1);
    write_messages(&resolving);
    compute_all(&resolving);
    bench_measure(&plan, bench->repeats, result);
    clear(L);
    call(L, "check_hits", 0);
    lua_close(L);
}

void bench_resolve_id(const struct bench *bench, struct bench_result *result) {
    run(bench, "results-by-id", true, result);
}

void bench_resolve_table(const struct bench *bench, struct bench_result *result) {
    run(bench, "results-by-table", false, result);
}
