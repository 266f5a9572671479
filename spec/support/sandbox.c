/* sandbox.c -- a Lua module that drives sandboxes, for sandbox_spec.lua.
 *
 *     local box = sandbox.new(steps, memory_bytes, wall_ms)   nil: no memory for it
 *     box:load(source, name)    true, or nil, message, code; the chunk is what call
 * calls box:call(...)             its results, after true; or nil, message, code
 *     box:use()                 calls the chunk; its result is what call calls from now
 *     box:line()                calls it without arguments: true, and the line; or nil,
 * ... box:memory() box:steps() box:free()
 *
 * Values cross as copies; what is no string, number or boolean as its type's name. */
#include <lauxlib.h>
#include <lua.h>

#include "sandbox.h"

#define BOX_TYPE "sandbox"

struct box {
    struct sandbox *sandbox; /* NULL once freed; its function is at 1 */
};

static struct sandbox *check_box(lua_State *L) {
    struct box *box = luaL_checkudata(L, 1, BOX_TYPE);
    luaL_argcheck(L, box->sandbox, 1, "freed");
    return box->sandbox;
}

static int fail(lua_State *L, enum cairn_status status,
                const struct cairn_error *error) {
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, cairn_status_word(status));
    return 3;
}

static int new (lua_State *L) {
    struct sandbox_limits limits = {
        .steps = (uint64_t)luaL_checkinteger(L, 1),
        .memory_bytes = (size_t)luaL_checkinteger(L, 2),
        .wall_ms = luaL_checkinteger(L, 3),
    };
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->sandbox = NULL;
    luaL_setmetatable(L, BOX_TYPE);
    box->sandbox = sandbox_new(&limits);
    if (!box->sandbox)
        lua_pushnil(L);
    return 1;
}

static int box_free(lua_State *L) {
    struct box *box = luaL_checkudata(L, 1, BOX_TYPE);
    sandbox_free(box->sandbox);
    box->sandbox = NULL;
    return 0;
}

static int box_load(lua_State *L) {
    struct sandbox *sandbox = check_box(L);
    struct cairn_slice source;
    struct cairn_error error;
    source.data = luaL_checklstring(L, 2, &source.size);
    const char *name = luaL_optstring(L, 3, "script.lua");
    lua_settop(sandbox_state(sandbox), 0);
    enum cairn_status status = sandbox_load(sandbox, source, name, &error);
    if (status)
        return fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

static int box_use(lua_State *L) {
    struct sandbox *sandbox = check_box(L);
    struct cairn_error error;
    enum cairn_status status = sandbox_call(sandbox, 0, 1, NULL, &error);
    if (status)
        return fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

/* The spec's stack, and what was copied from it. */
static void copy(lua_State *from, int index, lua_State *to) {
    size_t size;
    const char *data;
    switch (lua_type(from, index)) {
    case LUA_TNIL:
        lua_pushnil(to);
        break;
    case LUA_TBOOLEAN:
        lua_pushboolean(to, lua_toboolean(from, index));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(from, index))
            lua_pushinteger(to, lua_tointeger(from, index));
        else
            lua_pushnumber(to, lua_tonumber(from, index));
        break;
    case LUA_TSTRING:
        data = lua_tolstring(from, index, &size);
        lua_pushlstring(to, data, size);
        break;
    default:
        lua_pushstring(to, luaL_typename(from, index));
    }
}

/* Within the sandbox: its function at 2, then the arguments of the spec's call. */
static int push_call(lua_State *to) {
    lua_State *from = lua_touserdata(to, 1);
    int last = lua_gettop(from);
    luaL_checkstack(to, last + 4, "arguments");
    for (int i = 2; i <= last; i++)
        copy(from, i, to);
    return last;
}

static int box_call(lua_State *L) {
    struct sandbox *sandbox = check_box(L);
    lua_State *inside = sandbox_state(sandbox);
    struct cairn_error error;
    int arguments = lua_gettop(L) - 1;
    lua_settop(inside, 1);
    enum cairn_status status =
        sandbox_protect(sandbox, push_call, L, LUA_MULTRET, &error);
    if (!status)
        status = sandbox_call(sandbox, arguments, LUA_MULTRET, NULL, &error);
    if (status)
        return fail(L, status, &error);
    int results = lua_gettop(inside) - 1;
    luaL_checkstack(L, results + 1, "results");
    lua_pushboolean(L, 1);
    for (int i = 1; i <= results; i++)
        copy(inside, 1 + i, L);
    lua_settop(inside, 1);
    return results + 1;
}

static int box_line(lua_State *L) {
    struct sandbox *sandbox = check_box(L);
    lua_State *inside = sandbox_state(sandbox);
    struct cairn_error error;
    int line;
    lua_settop(inside, 1);
    lua_pushvalue(inside, 1);
    enum cairn_status status = sandbox_call(sandbox, 0, 0, &line, &error);
    if (status)
        return fail(L, status, &error);
    lua_pushboolean(L, 1);
    lua_pushinteger(L, line);
    return 2;
}

static int box_memory(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)sandbox_memory(check_box(L)));
    return 1;
}

static int box_steps(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)sandbox_steps(check_box(L)));
    return 1;
}

static const luaL_Reg methods[] = {
    {"call", box_call}, {"free", box_free},     {"line", box_line},
    {"load", box_load}, {"memory", box_memory}, {"steps", box_steps},
    {"use", box_use},   {NULL, NULL},
};

int luaopen_sandbox(lua_State *L);

int luaopen_sandbox(lua_State *L) {
    luaL_newmetatable(L, BOX_TYPE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, box_free);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    lua_pushcfunction(L, new);
    lua_setfield(L, -2, "new");
    return 1;
}
