/* lua_process.c -- `cairn.process`: what the program needs of the operating system
 * beyond Lua's own libraries. Preloaded in the program only. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cairn/control.h"
#include "lua_support.h"

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

/* -- Directories ------------------------------------------------------------------- */

static int close_listing(lua_State *L) {
    DIR **listing = lua_touserdata(L, 1);
    if (*listing)
        closedir(*listing);
    *listing = NULL;
    return 0;
}

/* An empty box that Lua closes; pushed. */
static DIR **new_listing(lua_State *L) {
    DIR **listing = lua_newuserdatauv(L, sizeof *listing, 0);
    *listing = NULL;
    if (luaL_newmetatable(L, "cairn.process.listing")) {
        lua_pushcfunction(L, close_listing);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return listing;
}

/* names(path): what is in a directory, in no order, without `.` and `..`; nil if it
 * cannot be read. */
static int process_names(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    DIR **listing = new_listing(L);
    *listing = opendir(path);
    if (!*listing)
        return luaL_fileresult(L, 0, path);
    lua_newtable(L);
    lua_Integer count = 0;
    for (struct dirent *entry; (entry = readdir(*listing));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++count);
    }
    closedir(*listing);
    *listing = NULL;
    return 1;
}

/* -- Control sockets --------------------------------------------------------------- */

enum { ANSWER_MOST = 64 << 20, WAIT_MOST_MS = 600000 };

/* control(path, question, wait_ms): the answer of the process that serves the socket;
 * nil, message, code. */
static int process_control(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct cairn_slice question = cairn_lua_bytes(L, 2, "question");
    int64_t wait_ms = cairn_lua_count(L, 3, "wait_ms", WAIT_MOST_MS);
    struct cairn_bytes *answer = cairn_lua_newbytes(L);
    struct cairn_error error;
    enum cairn_status status =
        cairn_control_ask(path, question, wait_ms, ANSWER_MOST, answer, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(answer));
    cairn_bytes_free(answer);
    return 1;
}

/* control_directories(): where the sockets of this user's processes are. */
static int process_control_directories(lua_State *L) {
    char directories[2][CAIRN_CONTROL_PATH];
    unsigned count = cairn_control_directories(directories);
    lua_createtable(L, (int)count, 0);
    for (unsigned i = 0; i < count; i++) {
        lua_pushstring(L, directories[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* discard_control(path): takes a socket away that nobody serves; whether it did. */
static int process_discard_control(lua_State *L) {
    lua_pushboolean(L, cairn_control_discard(luaL_checkstring(L, 1)));
    return 1;
}

static const luaL_Reg functions[] = {
    {"call", process_call},
    {"control", process_control},
    {"control_directories", process_control_directories},
    {"copy_mode", process_copy_mode},
    {"discard_control", process_discard_control},
    {"kind", process_kind},
    {"make_directory", process_make_directory},
    {"names", process_names},
    {"pause", process_pause},
    {"real_path", process_real_path},
    {"set_environment", process_set_environment},
    {NULL, NULL},
};

int luaopen_cairn_process(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
