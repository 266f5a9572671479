/* handlers.c -- a Lua module that drives handlers, for handlers_spec.lua.
 *
 *     local set = handlers.open(path, watch)
 *     set:find(name)         the handler's name and file; or nil, message, code
 *     set:serial(name) set:version(name)
 *     set:load(name)         the table of its version in use, loaded in this state
 *     set:reload()           true; or nil, message, code
 *     set:all()              rows of name, file, version, reloads, problem
 *     set:events()           rows of event, name, version, message, since the last call
 *     set:start(name)        threads that load each version and look through the list
 *     set:stop()             how many versions they loaded, how often they asked, and
 *                            how many were wrong
 *     set:close()
 *
 * The state in which handlers are tried has a global `prepared`. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker_handler.h"

#define SET_TYPE "handlers"

enum { THREADS = 3, EVENTS = 4096 };

struct event {
    char event[16], name[128], version[65], message[512];
};

struct set {
    struct handlers *handlers; /* NULL once closed */
    struct handler *kept;      /* what the threads load */
    pthread_mutex_t lock;
    struct event *events; /* guarded by `lock`; of EVENTS */
    size_t count;

    pthread_t threads[THREADS];
    size_t running;
    atomic_bool stopping;
    _Atomic uint64_t loads, asked, wrong;
};

static struct set *check_set(lua_State *L) {
    struct set *set = luaL_checkudata(L, 1, SET_TYPE);
    luaL_argcheck(L, set->handlers, 1, "closed");
    return set;
}

static int fail(lua_State *L, enum cairn_status status,
                const struct cairn_error *error) {
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, cairn_status_word(status));
    return 3;
}

/* -- What happens ------------------------------------------------------------------ */

static void note(void *arg, const char *event, const char *name, const char *version,
                 const char *message) {
    struct set *set = arg;
    pthread_mutex_lock(&set->lock);
    if (set->count < EVENTS) {
        struct event *next = &set->events[set->count++];
        snprintf(next->event, sizeof next->event, "%s", event);
        snprintf(next->name, sizeof next->name, "%s", name);
        snprintf(next->version, sizeof next->version, "%s", version ? version : "");
        snprintf(next->message, sizeof next->message, "%s", message ? message : "");
    }
    pthread_mutex_unlock(&set->lock);
}

static void prepare(void *arg, lua_State *L) {
    (void)arg;
    lua_pushboolean(L, 1);
    lua_setglobal(L, "prepared");
}

static void set_text(lua_State *L, const char *field, const char *text) {
    if (!text || !text[0])
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

static int set_events(lua_State *L) {
    struct set *set = check_set(L);
    lua_newtable(L);
    for (size_t i = 0;; i++) {
        struct event event;
        pthread_mutex_lock(&set->lock);
        bool is_there = i < set->count;
        if (is_there)
            event = set->events[i];
        else
            set->count = 0;
        pthread_mutex_unlock(&set->lock);
        if (!is_there)
            return 1;
        lua_newtable(L);
        set_text(L, "event", event.event);
        set_text(L, "name", event.name);
        set_text(L, "version", event.version);
        set_text(L, "message", event.message);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
}

/* -- Opening, finding -------------------------------------------------------------- */

static int set_stop(lua_State *L);

static int set_close(lua_State *L) {
    struct set *set = luaL_checkudata(L, 1, SET_TYPE);
    if (set->handlers)
        set_stop(L);
    handlers_close(set->handlers);
    set->handlers = NULL;
    free(set->events);
    set->events = NULL;
    return 0;
}

static int open_set(lua_State *L) {
    struct set *set = lua_newuserdatauv(L, sizeof *set, 0);
    *set = (struct set){0};
    luaL_setmetatable(L, SET_TYPE);
    pthread_mutex_init(&set->lock, NULL);
    set->events = calloc(EVENTS, sizeof *set->events);
    luaL_argcheck(L, set->events, 1, "no memory");
    struct handlers_options options = {.path = luaL_checkstring(L, 1),
                                       .cpath = "",
                                       .watch = lua_toboolean(L, 2),
                                       .prepare = prepare,
                                       .report = note,
                                       .arg = set};
    struct cairn_error error;
    enum cairn_status status = handlers_open(&options, &set->handlers, &error);
    return status ? fail(L, status, &error) : 1;
}

static enum cairn_status find(lua_State *L, struct set *set, struct handler **handler,
                              struct cairn_error *error) {
    struct cairn_slice name;
    name.data = luaL_checklstring(L, 2, &name.size);
    return handlers_find(set->handlers, name, handler, error);
}

static int set_find(lua_State *L) {
    struct handler *handler;
    struct cairn_error error;
    enum cairn_status status = find(L, check_set(L), &handler, &error);
    if (status)
        return fail(L, status, &error);
    struct cairn_slice name = handler_name(handler);
    struct handler_version *version = handler_current(handler);
    lua_pushlstring(L, name.data, name.size);
    lua_pushstring(L, version->file);
    handler_version_release(version);
    handler_release(handler);
    return 2;
}

/* One that is there; else raises. */
static struct handler *known(lua_State *L, struct set *set) {
    struct handler *handler = NULL;
    struct cairn_error error;
    if (find(L, set, &handler, &error))
        luaL_error(L, "%s", error.message);
    return handler;
}

static int set_serial(lua_State *L) {
    struct handler *handler = known(L, check_set(L));
    lua_pushinteger(L, (lua_Integer)handler_serial(handler));
    handler_release(handler);
    return 1;
}

static int set_version(lua_State *L) {
    struct handler *handler = known(L, check_set(L));
    struct handler_version *version = handler_current(handler);
    lua_pushstring(L, version->hash);
    handler_version_release(version);
    handler_release(handler);
    return 1;
}

static int set_load(lua_State *L) {
    struct handler *handler = known(L, check_set(L));
    struct cairn_error error;
    struct handler_version *version = handler_current(handler);
    enum cairn_status status =
        handler_load(L, version, handler_name(handler).data, &error);
    handler_version_release(version);
    handler_release(handler);
    return status ? fail(L, status, &error) : 1;
}

static int set_reload(lua_State *L) {
    struct cairn_error error;
    enum cairn_status status = handlers_reload(check_set(L)->handlers, &error);
    if (status)
        return fail(L, status, &error);
    lua_pushboolean(L, 1);
    return 1;
}

static void row(void *arg, const char *name, const char *file, const char *version,
                uint64_t reloads, const char *problem) {
    lua_State *L = arg;
    lua_newtable(L);
    set_text(L, "name", name);
    set_text(L, "file", file);
    set_text(L, "version", version);
    set_text(L, "problem", problem);
    lua_pushinteger(L, (lua_Integer)reloads);
    lua_setfield(L, -2, "reloads");
    lua_seti(L, -2, luaL_len(L, -2) + 1);
}

static int set_all(lua_State *L) {
    struct set *set = check_set(L);
    lua_newtable(L);
    handlers_each(set->handlers, row, L);
    return 1;
}

/* -- Threads ----------------------------------------------------------------------- */

/* What `handle` answers; -1: it cannot. */
static lua_Integer answer(lua_State *L, const struct handler_version *version,
                          const char *name) {
    struct cairn_error error;
    lua_Integer said = -1;
    if (handler_load(L, version, name, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    lua_getfield(L, -1, "handle");
    if (lua_pcall(L, 0, 1, 0) == LUA_OK)
        said = lua_tointeger(L, -1);
    lua_settop(L, 0);
    return said;
}

/* Versions only go on, and each is one that was saved as a whole: it answers the number
 * in its first line, "-- NUMBER". */
static void ask(struct set *set, lua_State *L, uint64_t *seen) {
    struct handler *handler = set->kept;
    uint64_t serial = handler_serial(handler);
    atomic_fetch_add(&set->asked, 1);
    if (serial == *seen)
        return;
    struct handler_version *version = handler_current(handler);
    lua_Integer expected = atoll(version->source.data + 3);
    bool right = version->serial >= serial && serial > *seen &&
                 answer(L, version, handler_name(handler).data) == expected;
    atomic_fetch_add(right ? &set->loads : &set->wrong, 1);
    *seen = version->serial;
    handler_version_release(version);
}

static void count_row(void *arg, const char *name, const char *file,
                      const char *version, uint64_t reloads, const char *problem) {
    (void)file, (void)reloads, (void)problem;
    *(bool *)arg = name[0] && strlen(version) == 64;
}

static void *run(void *arg) {
    struct set *set = arg;
    uint64_t seen = 0;
    lua_State *L = luaL_newstate();
    while (!atomic_load(&set->stopping)) {
        bool listed = false;
        struct handler *handler;
        ask(set, L, &seen);
        handlers_each(set->handlers, count_row, &listed);
        if (!listed ||
            handlers_find(set->handlers, handler_name(set->kept), &handler, NULL)) {
            atomic_fetch_add(&set->wrong, 1);
            break;
        }
        if (handler != set->kept)
            atomic_fetch_add(&set->wrong, 1);
        handler_release(handler);
        usleep(200);
    }
    lua_close(L);
    return NULL;
}

static int set_start(lua_State *L) {
    struct set *set = check_set(L);
    luaL_argcheck(L, !set->kept, 1, "started already");
    set->kept = known(L, set);
    atomic_store(&set->stopping, false);
    while (set->running < THREADS &&
           pthread_create(&set->threads[set->running], NULL, run, set) == 0)
        set->running++;
    lua_pushboolean(L, set->running == THREADS);
    return 1;
}

static int set_stop(lua_State *L) {
    struct set *set = check_set(L);
    atomic_store(&set->stopping, true);
    while (set->running)
        pthread_join(set->threads[--set->running], NULL);
    handler_release(set->kept);
    set->kept = NULL;
    lua_pushinteger(L, (lua_Integer)atomic_load(&set->loads));
    lua_pushinteger(L, (lua_Integer)atomic_load(&set->asked));
    lua_pushinteger(L, (lua_Integer)atomic_load(&set->wrong));
    return 3;
}

static const luaL_Reg methods[] = {
    {"all", set_all},         {"close", set_close}, {"events", set_events},
    {"find", set_find},       {"load", set_load},   {"reload", set_reload},
    {"serial", set_serial},   {"start", set_start}, {"stop", set_stop},
    {"version", set_version}, {NULL, NULL},
};

int luaopen_handlers(lua_State *L);

int luaopen_handlers(lua_State *L) {
    luaL_newmetatable(L, SET_TYPE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, set_close);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    lua_pushcfunction(L, open_set);
    lua_setfield(L, -2, "open");
    return 1;
}
