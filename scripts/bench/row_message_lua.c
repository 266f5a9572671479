/* row_message_lua.c -- messages written and read from Lua, against puts and gets in C
 * of the bytes that a store keeps of them. The tables and ids of a round lie ready
 * before its clock starts. */
#include "raw.h"
#include "script.h"

#include <stdlib.h>

enum { WRITES = 500, READS = 2000, READ_ROUNDS = 200 };

/* On the stack of L: the loops, the policies, the cache, and during a round its
 * messages or ids. */
enum { POLICIES = BENCH_LOOPS + 1, CACHE, GIVEN };

struct script {
    const struct bench *bench;
    const struct bench_stores *stores;
    lua_State *L;
    struct bench_entry entries[WRITES];
};

static struct script *open(const struct bench *bench,
                           const struct bench_stores *stores) {
    struct script *script = calloc(1, sizeof *script);
    if (!script)
        bench_stop("no memory for %d messages", WRITES);
    script->bench = bench;
    script->stores = stores;
    lua_State *L = script->L = bench_script_open();
    bench_script_policies(L, bench_no_policies(bench), true);
    bench_script_loop(L, "cache");
    lua_pushstring(L, stores->url);
    lua_pushvalue(L, POLICIES);
    bench_script_call(L, 2, 1);
    return script;
}

static void close_script(struct script *script) {
    lua_close(script->L);
    free(script);
}

static void run(const struct script *script, const char *loop) {
    bench_script_loop(script->L, loop);
    lua_pushvalue(script->L, CACHE);
    lua_pushvalue(script->L, GIVEN);
    bench_script_call(script->L, 2, 0);
}

/* -- Writing ---------------------------------------------------------------------- */

static void fill_fresh(void *arg, struct bench_batch *batch) {
    struct script *script = arg;
    lua_State *L = script->L;
    struct bench_message message;
    (void)batch;
    lua_settop(L, CACHE);
    lua_createtable(L, WRITES, 0);
    for (size_t i = 0; i < WRITES; i++) {
        bench_message_of(bench_next_message(), &message);
        bench_entry_of(&message, &script->entries[i]);
        bench_script_push(L, &message);
        lua_rawseti(L, GIVEN, (lua_Integer)i + 1);
    }
}

static void raw_put(void *arg, const struct bench_batch *batch) {
    const struct script *script = arg;
    (void)batch;
    bench_raw_put_entries(script->stores->raw, script->entries, WRITES);
}

static void lua_write(void *arg, const struct bench_batch *batch) {
    (void)batch;
    run(arg, "write_messages");
}

void bench_message_write_lua(const struct bench *bench, struct bench_result *result) {
    struct script *script = open(bench, bench_fresh(bench));
    size_t rounds = bench->entries / WRITES / bench->repeats;
    struct bench_plan plan = {
        fill_fresh, {raw_put, lua_write}, script, WRITES, rounds ? rounds : 1};
    bench_measure(&plan, bench->repeats, result);
    bench_cache_compare(script->stores->store, &script->entries[0]);
    close_script(script);
}

/* -- Reading ---------------------------------------------------------------------- */

static void fill_drawn(void *arg, struct bench_batch *batch) {
    const struct script *script = arg;
    lua_State *L = script->L;
    bench_batch_draw_messages(batch, script->bench->entries);
    lua_settop(L, CACHE);
    lua_createtable(L, (int)batch->count, 0);
    for (size_t i = 0; i < batch->count; i++) {
        struct cairn_slice id = bench_id(&batch->keys[BENCH_CAIRN][i]);
        lua_pushlstring(L, id.data, id.size);
        lua_rawseti(L, GIVEN, (lua_Integer)i + 1);
    }
}

static void raw_get(void *arg, const struct bench_batch *batch) {
    const struct script *script = arg;
    bench_raw_get(script->stores->raw, batch->keys[BENCH_RAW], batch->count);
}

static void lua_read(void *arg, const struct bench_batch *batch) {
    (void)batch;
    run(arg, "read_messages");
}

void bench_message_read_lua(const struct bench *bench, struct bench_result *result) {
    struct script *script = open(bench, bench_messages(bench));
    struct bench_plan plan = {
        fill_drawn, {raw_get, lua_read}, script, READS, READ_ROUNDS};
    bench_measure(&plan, bench->repeats, result);
    close_script(script);
}
