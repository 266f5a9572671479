/* lua_module.c -- `require "cairn"`: the module's functions, and opening stores. */
#include "lua_cache.h"
#include "lua_chain.h"
#include "lua_context.h"
#include "lua_store.h"
#include "lua_structured.h"
#include "lua_value.h"
#include "lua_worker.h"
#include "policy_host.h"

#include <fcntl.h>
#include <lualib.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cairn/open.h"
#include "defaults_lua.h"

enum { SETTINGS_MAX = 64 };

int luaopen_cairn(lua_State *L);

/* The options in the table at `index`, without `backend` and `path`, as settings.
 * Numbers and booleans become strings, which stay on the stack. */
static size_t to_settings(lua_State *L, int index, struct cairn_setting *settings) {
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index);) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_argerror(L, index, "where: option names are strings");
        struct cairn_setting *setting = &settings[count];
        setting->name.data = lua_tolstring(L, -2, &setting->name.size);
        if (cairn_slice_equal(setting->name, cairn_slice_of("backend")) ||
            cairn_slice_equal(setting->name, cairn_slice_of("path"))) {
            lua_pop(L, 1);
            continue;
        }
        if (++count == SETTINGS_MAX)
            luaL_argerror(L, index, "where: too many options");
        int type = lua_type(L, -1);
        if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
            luaL_argerror(L, index,
                          lua_pushfstring(L,
                                          "where.%s: string, number or boolean "
                                          "expected, got %s",
                                          setting->name.data, luaL_typename(L, -1)));
        luaL_checkstack(L, 8, NULL);
        setting->value.data = luaL_tolstring(L, -1, &setting->value.size);
        lua_remove(L, -2);
        lua_pushvalue(L, -2); /* name and value stay below the key */
    }
    return count;
}

static int open_table(lua_State *L) {
    struct cairn_setting settings[SETTINGS_MAX];
    struct cairn_slice name = {"", 0}, location = {"", 0};
    struct cairn_error error;
    cairn_lua_string(L, 1, "backend", &name);
    cairn_lua_string(L, 1, "path", &location);
    const struct cairn_backend *backend = cairn_backend_find(name);
    if (!backend) {
        cairn_fail_at(&error, CAIRN_INVALID_ARGUMENT,
                      "there is no backend of this name (see cairn.backends)", name);
        return cairn_lua_fail(L, CAIRN_INVALID_ARGUMENT, &error);
    }
    size_t count = to_settings(L, 1, settings);
    struct store_ref *ref = cairn_lua_newstore(L);
    enum cairn_status status =
        cairn_store_open(backend, location, settings, count, &ref->store, &error);
    return status ? cairn_lua_fail(L, status, &error) : 1;
}

int cairn_lua_open(lua_State *L) {
    struct cairn_error error;
    if (lua_istable(L, 1)) {
        lua_settop(L, 1);
        return open_table(L);
    }
    struct cairn_slice url = cairn_lua_bytes(L, 1, "where");
    struct store_ref *ref = cairn_lua_newstore(L);
    enum cairn_status status = cairn_open(url, &ref->store, &error);
    return status ? cairn_lua_fail(L, status, &error) : 1;
}

static void set_boolean(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void push_backend(lua_State *L, const struct cairn_backend *backend) {
    lua_newtable(L);
    set_string(L, "summary", backend->summary);
    set_string(L, "scope",
               backend->scope == CAIRN_SCOPE_LOCAL    ? "local"
               : backend->scope == CAIRN_SCOPE_REMOTE ? "remote"
                                                      : "cluster");
    set_boolean(L, "batch", backend->capabilities & CAIRN_CAN_BATCH);
    set_boolean(L, "snapshot", backend->snapshot != NULL);
    set_boolean(L, "shared", backend->capabilities & CAIRN_IS_SHARED);
    lua_newtable(L);
    for (lua_Integer i = 0; backend->options[i].name; i++) {
        lua_newtable(L);
        set_string(L, "name", backend->options[i].name);
        set_string(L, "default", backend->options[i].preset);
        set_string(L, "meaning", backend->options[i].meaning);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "options");
}

int cairn_lua_backends(lua_State *L) {
    const struct cairn_backend *backend;
    lua_newtable(L);
    for (size_t i = 0; (backend = cairn_backend_at(i)); i++) {
        push_backend(L, backend);
        lua_setfield(L, -2, backend->name);
    }
    return 1;
}

static int now(lua_State *L) {
    lua_pushinteger(L, cairn_context_now(NULL));
    return 1;
}

static const luaL_Reg functions[] = {
    {"backends", cairn_lua_backends},
    {"chain", cairn_lua_chain},
    {"clock", cairn_lua_clock},
    {"decode", cairn_lua_decode},
    {"encode", cairn_lua_encode},
    {"from_json", cairn_lua_from_json},
    {"import", cairn_lua_import},
    {"normalize", cairn_lua_normalize},
    {"now", now},
    {"open", cairn_lua_open},
    {"parse_structured", cairn_lua_parse_structured},
    {"policies", cairn_lua_policies},
    {"segments", cairn_lua_segments},
    {"serialize_structured", cairn_lua_serialize_structured},
    {"signature_base", cairn_lua_signature_base},
    {"to_json", cairn_lua_to_json},
    {NULL, NULL},
};

static int close_stream(lua_State *L) {
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* io.open for reading, but of a regular file only: opening a pipe waits for a writer,
 * and a device may never end. */
static int open_regular(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL; /* closed, until it is open */
    luaL_setmetatable(L, LUA_FILEHANDLE);
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return luaL_fileresult(L, 0, name);
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        lua_pushnil(L);
        lua_pushfstring(L, "%s: not a regular file", name);
        return 2;
    }
    stream->f = fdopen(fd, "rb");
    if (!stream->f) {
        int result = luaL_fileresult(L, 0, name);
        close(fd);
        return result;
    }
    stream->closef = close_stream;
    return 1;
}

/* defaults.lua adds what `cairn.open()` without an argument means. */
static void run_defaults(lua_State *L) {
    if (luaL_loadbufferx(L, (const char *)defaults_lua, sizeof defaults_lua - 1,
                         "@cairn/defaults.lua", "t") != LUA_OK)
        lua_error(L);
    lua_pushvalue(L, -2);
    lua_pushcfunction(L, open_regular);
    lua_call(L, 2, 0);
}

int luaopen_cairn(lua_State *L) {
    luaL_checkversion(L);
    cairn_lua_init_store(L);
    cairn_lua_init_batch(L);
    cairn_lua_init_transaction(L);
    cairn_lua_init_chain(L);
    cairn_lua_init_clock(L);
    cairn_lua_init_list(L);
    cairn_lua_init_policies(L);
    cairn_lua_init_writer(L);
    luaL_newlib(L, functions);
    cairn_lua_init_value(L);
    cairn_lua_init_message(L);
    cairn_lua_init_cache(L);
    cairn_lua_init_workers(L);
    lua_pushliteral(L, CAIRN_VERSION);
    lua_setfield(L, -2, "version");
    run_defaults(L);
    cairn_lua_keep_default_policies(L);
    return 1;
}
