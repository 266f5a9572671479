/* lua_process.c -- `cairn.process`: what the program needs of the operating system
 * beyond Lua's own libraries. Preloaded in the program only. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

int luaopen_cairn_process(lua_State *L);

/* The state that Ctrl-C interrupts: a signal handler gets no argument. */
static lua_State *volatile interruptible;

static void stop(lua_State *L, lua_Debug *where) {
    (void)where;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted!");
}

/* Only sets a hook, which Lua allows from a handler; the error is raised by the next
 * instruction. A second Ctrl-C finds the default action: it also ends a call that
 * hangs in C. */
static void interrupt(int number) {
    signal(number, SIG_DFL);
    int always = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
    lua_sethook(interruptible, stop, always, 1);
}

/* What the stock interpreter makes of an error object. */
static int explain(lua_State *L) {
    const char *message = lua_tostring(L, 1);
    if (!message) {
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
            return 1;
        message =
            lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* call(function, ...): its results behind true, or false, message and traceback.
 * Meanwhile Ctrl-C interrupts it. */
static int process_call(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushcfunction(L, explain);
    lua_insert(L, 1);

    lua_State *outer = interruptible;
    interruptible = L;
    struct sigaction action = {.sa_handler = interrupt}, before;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before);
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 1);
    sigaction(SIGINT, &before, NULL);
    interruptible = outer;

    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 1);
    return lua_gettop(L);
}

static int process_set_environment(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    return luaL_fileresult(L, setenv(name, luaL_checkstring(L, 2), 1) == 0, name);
}

/* kind(path): "file", "directory" or "other", and a file's size; nil if nothing is
 * there. */
static int process_kind(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct stat found;
    if (stat(path, &found))
        return luaL_fileresult(L, 0, path);
    bool regular = S_ISREG(found.st_mode);
    lua_pushstring(L, regular                  ? "file"
                      : S_ISDIR(found.st_mode) ? "directory"
                                               : "other");
    if (!regular)
        return 1;
    lua_pushinteger(L, (lua_Integer)found.st_size);
    return 2;
}

/* make_directory(path, mode): fine if it is there. */
static int process_make_directory(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    mode_t mode = (mode_t)luaL_checkinteger(L, 2);
    return luaL_fileresult(L, mkdir(path, mode) == 0 || errno == EEXIST, path);
}

/* pause(ms): a signal ends it early. */
static int process_pause(lua_State *L) {
    lua_Integer ms = luaL_checkinteger(L, 1);
    luaL_argcheck(L, ms >= 0, 1, "not negative");
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
    return 0;
}

/* real_path(path): the file that is meant, links followed; nil if nothing is there. */
static int process_real_path(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    char *real = realpath(path, NULL);
    if (!real)
        return luaL_fileresult(L, 0, path);
    lua_pushstring(L, real);
    free(real);
    return 1;
}

/* copy_mode(from, to): what replaces a file can be read by those who could read it. */
static int process_copy_mode(lua_State *L) {
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    struct stat info;
    if (stat(from, &info))
        return luaL_fileresult(L, 0, from);
    return luaL_fileresult(L, chmod(to, info.st_mode & 0777) == 0, to);
}

static const luaL_Reg functions[] = {
    {"call", process_call},
    {"copy_mode", process_copy_mode},
    {"kind", process_kind},
    {"make_directory", process_make_directory},
    {"pause", process_pause},
    {"real_path", process_real_path},
    {"set_environment", process_set_environment},
    {NULL, NULL},
};

int luaopen_cairn_process(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
