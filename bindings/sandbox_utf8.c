/* sandbox_utf8.c -- the utf8 library: the standard functions, which read their string
 * once at most, made to charge for it. */
#include <lualib.h>

#include "sandbox_limits.h"

/* Upvalue 1 is the function; it runs in this very call, so that its complaints name it
 * and the right argument. */
static int charged(lua_State *L) {
    size_t bytes = lua_type(L, 1) == LUA_TSTRING ? lua_rawlen(L, 1) : 0;
    sandbox_charge(L, (uint64_t)lua_gettop(L) + bytes / 4);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* A step of utf8.codes may pass by any number of stray continuation bytes. */
static int charged_step(lua_State *L) {
    size_t size;
    const char *data = luaL_checklstring(L, 1, &size);
    lua_Unsigned at = (lua_Unsigned)lua_tointeger(L, 2);
    size_t run = 0;
    while (at + run < size && ((unsigned char)data[at + run] & 0xc0) == 0x80)
        run++;
    sandbox_charge(L, 1 + run / 4);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int codes(lua_State *L) {
    sandbox_charge(L, 1);
    int results = lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_pushvalue(L, -results);
    lua_pushcclosure(L, charged_step, 1);
    lua_replace(L, -results - 1);
    return results;
}

void sandbox_push_utf8(lua_State *L) {
    lua_pushcfunction(L, luaopen_utf8);
    lua_call(L, 0, 1);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3);) {
        const char *name = lua_tostring(L, -2);
        if (lua_isfunction(L, -1))
            lua_pushcclosure(L, strcmp(name, "codes") == 0 ? codes : charged, 1);
        lua_setfield(L, -3, name);
    }
    lua_remove(L, -2);
}
