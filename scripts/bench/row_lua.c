/* row_lua.c -- reads from Lua, against a RocksDB get in C.
 *
 * The paths of a round are strings before its clock starts. The collector is left
 * alone: its work goes with what is allocated, so the loop pays for what the loop
 * allocates. */
#include "lua_store.h"
#include "raw.h"
#include "script.h"

/* Short rounds: what a script holds while it reads should not be the keys of a
 * benchmark. */
enum { OPERATIONS = 2000, ROUNDS = 200 };

/* On the stack of L: the loops, the store, and during a round its paths. */
enum { STORE = BENCH_LOOPS + 1, PATHS };

struct script {
    const struct bench *bench;
    struct bench_raw *raw;
    lua_State *L;
};

static void fill(void *arg, struct bench_batch *batch) {
    const struct script *script = arg;
    lua_State *L = script->L;
    bench_batch_draw(batch, "data/", "data/", BENCH_WRITTEN, script->bench->entries);
    lua_settop(L, STORE);
    lua_createtable(L, (int)batch->count, 0);
    for (size_t i = 0; i < batch->count; i++) {
        const struct bench_key *key = &batch->keys[BENCH_CAIRN][i];
        lua_pushlstring(L, key->bytes, key->size);
        lua_rawseti(L, PATHS, (lua_Integer)i + 1);
    }
}

static void raw_get(void *arg, const struct bench_batch *batch) {
    const struct script *script = arg;
    bench_raw_get(script->raw, batch->keys[BENCH_RAW], batch->count);
}

static void lua_read(void *arg, const struct bench_batch *batch) {
    const struct script *script = arg;
    lua_State *L = script->L;
    (void)batch;
    bench_script_loop(L, "read");
    lua_pushvalue(L, STORE);
    lua_pushvalue(L, PATHS);
    bench_script_call(L, 2, 0);
}

static void measure(struct script *script, struct bench_result *result) {
    struct bench_plan plan = {fill, {raw_get, lua_read}, script, OPERATIONS, ROUNDS};
    bench_measure(&plan, script->bench->repeats, result);
}

void bench_read_lua(const struct bench *bench, struct bench_result *result) {
    const struct bench_stores *stores = bench_filled(bench);
    struct script script = {bench, stores->raw, bench_script_open()};
    bench_script_loop(script.L, "open");
    lua_pushstring(script.L, stores->url);
    bench_script_call(script.L, 1, 1);
    measure(&script, result);
    lua_close(script.L);
}

/* The tier that the row in C reads, lent to Lua: one that Lua had filled would lie
 * among the holes of Lua's own heap. */
void bench_memory_read_lua(const struct bench *bench, struct bench_result *result) {
    struct script script = {bench, bench_filled(bench)->raw, bench_script_open()};
    struct store_ref *ref = cairn_lua_newstore(script.L);
    ref->store = bench_memory(bench);
    measure(&script, result);
    ref->store = NULL;
    lua_close(script.L);
}
