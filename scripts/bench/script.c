/* script.c -- the Lua states of the rows.
 *
 * They live in this process, so that both sides take turns as elsewhere. */
#include "script.h"

#include <errno.h>
#include <lualib.h>
#include <sys/stat.h>

#include "loops_lua.h"
#include "policy_host.h"

int luaopen_cairn(lua_State *L);

void bench_script_call(lua_State *L, int arguments, int results) {
    if (lua_pcall(L, arguments, results, 0) != LUA_OK)
        bench_stop("%s", lua_tostring(L, -1));
}

lua_State *bench_script_open(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        bench_stop("no memory for a Lua state");
    luaL_openlibs(L);
    luaL_requiref(L, "cairn", luaopen_cairn, 0);
    lua_settop(L, 0);
    if (luaL_loadbuffer(L, (const char *)loops_lua, sizeof loops_lua - 1,
                        "@scripts/bench/loops.lua"))
        bench_stop("%s", lua_tostring(L, -1));
    bench_script_call(L, 0, 1);
    return L;
}

void bench_script_loop(lua_State *L, const char *name) {
    lua_getfield(L, BENCH_LOOPS, name);
}

void bench_script_push(lua_State *L, const struct bench_message *message) {
    lua_createtable(L, 0, BENCH_MESSAGE_KEYS);
    for (size_t k = 0; k < BENCH_MESSAGE_KEYS; k++) {
        const struct cairn_pair *field = &message->fields[k];
        lua_pushlstring(L, field->key.data, field->key.size);
        lua_pushlstring(L, field->value.as.bytes.data, field->value.as.bytes.size);
        lua_rawset(L, -3);
    }
}

const char *bench_no_policies(const struct bench *bench) {
    static const char *path;
    if (!path)
        path = bench_path(bench, "no-policies");
    return path;
}

void bench_script_policies(lua_State *L, const char *directory, bool watched) {
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        bench_stop("cannot make %s: %s", directory, strerror(errno));
    bench_script_loop(L, watched ? "policies" : "policies_unwatched");
    lua_pushstring(L, directory);
    bench_script_call(L, 1, 1);
}

const struct cairn_policy *bench_script_policy(lua_State *L) {
    return policy_host_policy(cairn_lua_checkpolicies(L, -1));
}
