/* workers_seen.c -- workers as they are seen from Lua: lists, counters, handlers. */
#include <stdlib.h>
#include <string.h>

#include "lua_worker.h"
#include "workers_rows.h"

/* -- Lists ------------------------------------------------------------------------- */

/* Collected under the stripes' locks, in C memory; Lua comes after. */
static void take(void *arg, const struct cairn_worker_facts *facts) {
    (void)workers_rows_add(arg, facts);
}

static int free_rows(lua_State *L) {
    workers_rows_free(lua_touserdata(L, 1));
    return 0;
}

static struct workers_rows *new_rows(lua_State *L) {
    struct workers_rows *rows = lua_newuserdatauv(L, sizeof *rows, 0);
    *rows = (struct workers_rows){.items = NULL};
    if (luaL_newmetatable(L, "cairn.workers.rows")) {
        lua_pushcfunction(L, free_rows);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return rows;
}

int workers_list(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    lua_settop(L, 2);
    struct cairn_slice prefix = {"", 0};
    if (!lua_isnil(L, 2))
        prefix = cairn_lua_bytes(L, 2, "prefix");
    struct workers_rows *rows = new_rows(L);
    cairn_workers_each(ref->workers, prefix, take, rows);
    if (rows->is_short)
        return luaL_error(L, "not enough memory");
    lua_createtable(L, (int)rows->count, 0);
    for (size_t i = 0; i < rows->count; i++) {
        cairn_lua_push_worker_info(L, &rows->items[i].facts);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* -- Counters ---------------------------------------------------------------------- */

static void count(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void count_flight(void *arg, struct cairn_slice name, size_t waiters,
                         int64_t since_ms) {
    (void)name, (void)waiters, (void)since_ms;
    ++*(uint64_t *)arg;
}

int workers_stats(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct cairn_workers_counts counts;
    uint64_t flights = 0;
    cairn_workers_counts(ref->workers, &counts);
    cairn_flights_each(cairn_workers_flights(ref->workers), count_flight, &flights);
    lua_createtable(L, 0, 16);
    count(L, "workers", counts.workers);
    count(L, "started", counts.started);
    for (int end = 0; end < CAIRN_END_COUNT; end++)
        count(L, cairn_end_word((enum cairn_end)end), counts.ended[end]);
    count(L, "posted", counts.posted);
    count(L, "answered", counts.answered);
    count(L, "failed", counts.failed);
    count(L, "full", counts.refused_full);
    count(L, "rings", counts.rings);
    count(L, "forwarded", counts.forwarded);
    count(L, "waiting", flights);
    return 1;
}

/* -- Handlers ---------------------------------------------------------------------- */

/* Called while the handlers' lock is held: what Lua could raise is not made here. */
struct seen {
    char *name, *file, *version, *problem;
    uint64_t reloads;
};

struct seen_list {
    struct seen *items;
    size_t count;
    bool is_short;
};

static int free_seen(lua_State *L) {
    struct seen_list *list = lua_touserdata(L, 1);
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].file);
        free(list->items[i].version);
        free(list->items[i].problem);
    }
    free(list->items);
    *list = (struct seen_list){.items = NULL};
    return 0;
}

static void see(void *arg, const char *name, const char *file, const char *version,
                uint64_t reloads, const char *problem) {
    struct seen_list *list = arg;
    struct seen *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items) {
        list->is_short = true;
        return;
    }
    list->items = items;
    struct seen *seen = &items[list->count++];
    *seen = (struct seen){strdup(name), strdup(file), strdup(version),
                          problem ? strdup(problem) : NULL, reloads};
    list->is_short |=
        !seen->name || !seen->file || !seen->version || (problem && !seen->problem);
}

static void push_seen(lua_State *L, const struct seen *seen) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, seen->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, seen->file);
    lua_setfield(L, -2, "file");
    lua_pushlstring(L, seen->version, strnlen(seen->version, 12));
    lua_setfield(L, -2, "version");
    count(L, "reloads", seen->reloads);
    lua_pushstring(L, seen->problem); /* nil for NULL */
    lua_setfield(L, -2, "problem");
}

int workers_handlers(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct seen_list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (struct seen_list){.items = NULL};
    if (luaL_newmetatable(L, "cairn.workers.seen")) {
        lua_pushcfunction(L, free_seen);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    handlers_each(ref->handlers, see, list);
    if (list->is_short)
        return luaL_error(L, "not enough memory");
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        push_seen(L, &list->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
