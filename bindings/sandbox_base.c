/* sandbox_base.c -- what scripts see: the basic functions, and the read-only tables in
 * which all of them lie.
 *
 * Functions of the standard libraries that take a bounded time are used as they are;
 * the others are wrapped so that they charge, or written anew in the files beside this
 * one. A pairs that goes by addresses, a tostring that shows them, finalizers and
 * random numbers would make a decision depend on more than its facts. */
#include <lualib.h>

#include "sandbox_limits.h"

/* -- Read-only tables ------------------------------------------------------------- */

static const char protected_key; /* in a metatable: the table that is read from */

/* __newindex; upvalue 1 is the name of the library, or nil. */
static int refuse_write(lua_State *L) {
    const char *library = lua_tostring(L, lua_upvalueindex(1));
    const char *key =
        lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (library)
        return luaL_error(L, "cannot set %s.%s: libraries are read-only", library, key);
    return luaL_error(L, "cannot set global '%s': globals are read-only, use a local",
                      key);
}

void sandbox_protect_table(lua_State *L, const char *name) {
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, &protected_key);
    lua_rotate(L, -3, -1);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "read-only");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

bool sandbox_unprotect_table(lua_State *L, int index) {
    if (!lua_getmetatable(L, index))
        return false;
    bool found = lua_rawgetp(L, -1, &protected_key) == LUA_TTABLE;
    if (found)
        lua_replace(L, index);
    lua_pop(L, found ? 1 : 2);
    return found;
}

/* -- Catching errors -------------------------------------------------------------- */

static int caught(lua_State *L, int status, lua_KContext before) {
    sandbox_check(L);
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)before;
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int base_pcall(lua_State *L) {
    luaL_checkany(L, 1);
    sandbox_charge(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, caught);
    return caught(L, status, 0);
}

/* Between an error and the script's own handler, which hears of no breach. */
static int handle(lua_State *L) {
    const struct sandbox *sandbox = sandbox_of(L);
    if (sandbox->breach)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Below the call: the function as it was given, the handler, true. */
static int base_xpcall(lua_State *L) {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    sandbox_charge(L, 1);
    int arguments = lua_gettop(L) - 2;
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, arguments, LUA_MULTRET, 2, 2, caught);
    return caught(L, status, 2);
}

/* -- Tables ----------------------------------------------------------------------- */

static int base_rawget(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    sandbox_unprotect_table(L, 1);
    lua_rawget(L, 1);
    return 1;
}

static int base_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    sandbox_check(L);
    lua_pushvalue(L, 1);
    if (sandbox_unprotect_table(L, 4))
        return luaL_error(L, "cannot set a field of a read-only table");
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int base_setmetatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnil(L, 2) && !lua_istable(L, 2))
        luaL_typeerror(L, 2, "nil or table");
    sandbox_check(L);
    lua_settop(L, 2);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: there are no finalizers (__gc) here");
        lua_pop(L, 1);
    }
    lua_setmetatable(L, 1);
    return 1;
}

/* -- Text ------------------------------------------------------------------------- */

static const char *push_named(lua_State *L, int index) {
    if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING)
        return lua_pushstring(L, luaL_typename(L, index));
    return lua_tostring(L, -1);
}

const char *sandbox_totext(lua_State *L, int index, size_t *size) {
    if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_pushvalue(L, index);
        lua_call(L, 1, 1);
        if (!lua_isstring(L, -1))
            luaL_error(L, "'__tostring' must return a string");
        return lua_tolstring(L, -1, size);
    }
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_pushvalue(L, index);
        break;
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
        break;
    default:
        if (sandbox_of(L)->is_trusted)
            luaL_tolstring(L, index, NULL);
        else
            push_named(L, index);
    }
    return lua_tolstring(L, -1, size);
}

int sandbox_tostring(lua_State *L) {
    luaL_checkany(L, 1);
    sandbox_charge(L, 1);
    sandbox_totext(L, 1, NULL);
    return 1;
}

/* tonumber reads strings of any length. */
static int base_tonumber(lua_State *L) {
    if (lua_type(L, 1) == LUA_TSTRING)
        sandbox_charge(L, 1 + lua_rawlen(L, 1) / 4);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* What it skips is copied already, what it returns is copied again. */
static int base_select(lua_State *L) {
    sandbox_charge(L, 1 + (uint64_t)lua_gettop(L) / 8);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static const luaL_Reg base_functions[] = {
    {"next", sandbox_next},
    {"pairs", sandbox_pairs},
    {"pcall", base_pcall},
    {"rawget", base_rawget},
    {"rawset", base_rawset},
    {"setmetatable", base_setmetatable},
    {"tostring", sandbox_tostring},
    {"xpcall", base_xpcall},
    {NULL, NULL},
};

/* Of the standard library at `from` into the table at the top. */
static void take(lua_State *L, int from, const char *const names[]) {
    for (; *names; names++) {
        lua_getfield(L, from, *names);
        lua_setfield(L, -2, *names);
    }
}

static void take_wrapped(lua_State *L, int from, const char *name, lua_CFunction f) {
    lua_getfield(L, from, name);
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

/* -- Everything ------------------------------------------------------------------- */

static void push_base(lua_State *L) {
    static const char *const same[] = {"_VERSION",     "assert", "error",
                                       "getmetatable", "ipairs", "rawequal",
                                       "rawlen",       "type",   NULL};
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 1);
    int from = lua_gettop(L);
    luaL_newlib(L, base_functions);
    take(L, from, same);
    take_wrapped(L, from, "select", base_select);
    take_wrapped(L, from, "tonumber", base_tonumber);
    lua_remove(L, from);
}

/* Those of them that a trusted state has, too. */
static void push_base_charging(lua_State *L) {
    static const luaL_Reg charging[] = {
        {"pcall", base_pcall},
        {"setmetatable", base_setmetatable},
        {"tostring", sandbox_tostring},
        {"xpcall", base_xpcall},
        {NULL, NULL},
    };
    lua_pushglobaltable(L);
    int from = lua_gettop(L);
    luaL_newlib(L, charging);
    take_wrapped(L, from, "select", base_select);
    take_wrapped(L, from, "tonumber", base_tonumber);
    lua_remove(L, from);
}

static void push_math(lua_State *L) {
    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3);) {
        const char *name = lua_tostring(L, -2);
        if (strcmp(name, "random") == 0 || strcmp(name, "randomseed") == 0)
            lua_pop(L, 1);
        else
            lua_setfield(L, -3, name);
    }
    lua_remove(L, -2);
}

static int undefined_global(lua_State *L) {
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "undefined global (a %s)", luaL_typename(L, 2));
    return luaL_error(L, "undefined global '%s'", lua_tostring(L, 2));
}

static const struct {
    const char *name;
    void (*push)(lua_State *L);
} libraries[] = {
    {"coroutine", sandbox_push_coroutine}, {"math", push_math},
    {"string", sandbox_push_string},       {"table", sandbox_push_table},
    {"utf8", sandbox_push_utf8},
};

/* ("x"):upper() finds what string.upper is. */
static void set_string_metatable(lua_State *L) {
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 12);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "read-only");
    lua_setfield(L, -2, "__metatable");
    sandbox_set_arithmetic(L);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* Complaints about an argument look for the function in here when the call has no name
 * for it. */
static void remember(lua_State *L, const char *name) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* From the table at the top, which is popped, into the library. */
static void put_over(lua_State *L, const char *library) {
    lua_getglobal(L, library);
    for (lua_pushnil(L); lua_next(L, -3);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_settable(L, -4);
    }
    lua_pop(L, 2);
}

static int refuse_hook(lua_State *L) {
    return luaL_error(L, "debug.sethook: the hook is in use");
}

void sandbox_open_trusted(lua_State *L) {
    luaL_openlibs(L);
    push_base_charging(L);
    put_over(L, LUA_GNAME);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        libraries[i].push(L);
        put_over(L, libraries[i].name);
    }
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    sandbox_set_arithmetic(L);
    lua_getglobal(L, LUA_DBLIBNAME);
    lua_pushcfunction(L, refuse_hook);
    lua_setfield(L, -2, "sethook");
    lua_pop(L, 3);
}

void sandbox_open(lua_State *L) {
    push_base(L);
    remember(L, LUA_GNAME);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        libraries[i].push(L);
        remember(L, libraries[i].name);
        if (libraries[i].push == sandbox_push_string)
            set_string_metatable(L);
        sandbox_protect_table(L, libraries[i].name);
        lua_setfield(L, -2, libraries[i].name);
    }
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, undefined_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    sandbox_protect_table(L, NULL);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
