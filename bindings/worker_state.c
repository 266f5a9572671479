/* worker_state.c -- the Lua state of one loop: made on its thread, with the module, the
 * cache it shares with others, and worker.lua. */
#include "lua_worker.h"

#include <lualib.h>
#include <stdlib.h>

#include "lua_value.h"
#include "worker_durable_lua.h"
#include "worker_lua.h"
#include "workers_elect_lua.h"

int luaopen_cairn(lua_State *L);

static void set_path(lua_State *L, const char *name, const struct cairn_bytes *path) {
    lua_getglobal(L, "package");
    cairn_lua_push(L, cairn_bytes_slice(path));
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

static void preload(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_cairn);
    lua_setfield(L, -2, "cairn");
    lua_pop(L, 1);
}

void worker_state_prepare(void *arg, lua_State *L) {
    (void)arg;
    preload(L);
}

static void load(lua_State *L, const unsigned char *chunk, size_t size,
                 const char *name) {
    if (luaL_loadbufferx(L, (const char *)chunk, size, name, "t"))
        lua_error(L);
}

static int reference(lua_State *L, int table, const char *name) {
    lua_getfield(L, table, name);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Pushes the cache that is shared, and the list of what it is to compute afresh; nil
 * and nil for none. */
static void push_cache(lua_State *L, struct cache_ref *cache) {
    if (!cache) {
        lua_pushnil(L);
        lua_pushnil(L);
        return;
    }
    cairn_lua_push_cache(L, cache);
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "pending");
    lua_remove(L, -2);
}

/* Protected: the state as a light userdata. */
static int prepare(lua_State *L) {
    struct worker_state *state = lua_touserdata(L, 1);
    const struct workers_ref *ref = state->ref;
    set_path(L, "path", &ref->package_path);
    set_path(L, "cpath", &ref->package_cpath);
    preload(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cairn");
    lua_call(L, 1, 1);
    int module = lua_gettop(L);
    load(L, worker_durable_lua, sizeof worker_durable_lua - 1,
         "=cairn/worker_durable.lua");
    lua_pushvalue(L, module);
    load(L, workers_elect_lua, sizeof workers_elect_lua - 1,
         "=cairn/workers_elect.lua");
    lua_pushvalue(L, module);
    lua_call(L, 1, 2);
    lua_call(L, 3, 1);
    int durable = lua_gettop(L);
    load(L, worker_lua, sizeof worker_lua - 1, "=cairn/worker.lua");
    lua_getfield(L, module, "id");
    worker_push_core(L);
    lua_pushvalue(L, durable);
    push_cache(L, ref->cache);
    lua_call(L, 5, 1);
    int functions = lua_gettop(L);
    state->serve = reference(L, functions, "serve");
    state->stop = reference(L, functions, "stop");
    return 0;
}

static void throw_away(struct worker_state *state) {
    sandbox_free(state->sandbox);
    cairn_arena_free(&state->arena);
    free(state);
}

enum cairn_status worker_state_open(struct workers_ref *ref, struct cairn_loop *loop,
                                    struct cairn_error *error) {
    struct worker_state *state = calloc(1, sizeof *state);
    if (!state)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for the state of a loop");
    cairn_arena_init(&state->arena);
    state->ref = ref;
    state->sandbox = sandbox_new_trusted(ref->state_bytes);
    if (!state->sandbox) {
        throw_away(state);
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for the state of a loop");
    }
    lua_State *L = state->L = sandbox_state(state->sandbox);
    cairn_loop_set_data(loop, state);
    lua_pushcfunction(L, prepare);
    lua_pushlightuserdata(L, state);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return CAIRN_OK;
    const char *why = lua_tostring(L, -1);
    enum cairn_status status =
        cairn_fail(error, CAIRN_UNAVAILABLE, "the state of a loop: %s",
                   why ? why : "an error without a message");
    cairn_loop_set_data(loop, NULL);
    throw_away(state);
    return status;
}

void worker_state_close(struct cairn_loop *loop) {
    struct worker_state *state = cairn_loop_data(loop);
    if (!state)
        return;
    cairn_loop_set_data(loop, NULL);
    throw_away(state);
}

/* Only workers_open makes schedulers, whose loops' data are states. */
struct worker_state *worker_state_current(void) {
    struct cairn_loop *loop = cairn_loop_current();
    return loop ? cairn_loop_data(loop) : NULL;
}
