/* main.c -- the `cairn` program: one lua_State, then scripts/cairn.lua.
 *
 * Everything the program does beyond the module is Lua, compiled into it: the files
 * under scripts/ are found by `require "cairn.program.NAME"` without touching the
 * disk. What they need of C is in the modules beside it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "program_modules.h"

int luaopen_cairn(lua_State *L);
int luaopen_cairn_base64(lua_State *L);
int luaopen_cairn_process(lua_State *L);
int luaopen_cairn_terminal(lua_State *L);

/* The exit status when there is no Lua left to decide it. */
enum { EXIT_BROKEN = 1 };

static void load_module(lua_State *L, const struct program_module *module) {
    const char *bytes = (const char *)module->bytes;
    if (luaL_loadbufferx(L, bytes, module->size, module->chunk_name, "t"))
        lua_error(L);
}

static int open_module(lua_State *L) {
    load_module(L, lua_touserdata(L, lua_upvalueindex(1)));
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* In C, by the names under which they are required. */
static const luaL_Reg c_modules[] = {
    {"cairn", luaopen_cairn},
    {"cairn.base64", luaopen_cairn_base64},
    {"cairn.process", luaopen_cairn_process},
    {"cairn.terminal", luaopen_cairn_terminal},
    {NULL, NULL},
};

static void preload(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, c_modules, 0);
    for (const struct program_module *module = program_modules; module->name;
         module++) {
        lua_pushlightuserdata(L, (void *)module);
        lua_pushcclosure(L, open_module, 1);
        lua_setfield(L, -2, module->name);
    }
    lua_pop(L, 1);
}

static void push_arguments(lua_State *L, int argc, char **argv) {
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
}

/* Returns the exit status as an integer. */
static int run_program(lua_State *L) {
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    luaL_openlibs(L);
    preload(L);
    push_arguments(L, argc, argv);
    lua_gc(L, LUA_GCGEN, 0, 0); /* as the stock interpreter does */

    lua_getglobal(L, "require");
    lua_pushliteral(L, "cairn.program.main");
    lua_call(L, 1, 1);
    lua_call(L, 0, 1);
    return 1;
}

static int explain(lua_State *L) {
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* A stream that is closed would be the next file that is opened, and what is printed
 * would end up in a database. So closed ones become files that refuse. */
static void keep_standard_streams(void) {
    for (int stream = 0; stream <= 2; stream++)
        if (fcntl(stream, F_GETFD) < 0)
            (void)!open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
    keep_standard_streams();
    lua_State *L = luaL_newstate();
    if (!L) {
        fputs("cairn: not enough memory to start\n", stderr);
        return EXIT_BROKEN;
    }
    lua_pushcfunction(L, explain);
    lua_pushcfunction(L, run_program);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int status = EXIT_BROKEN;
    if (lua_pcall(L, 2, 1, 1) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        fprintf(stderr, "cairn: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return status;
}
