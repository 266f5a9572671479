/* lua_store.c -- stores as Lua objects: made, looked at as a whole, closed. */
#include "lua_store.h"

#include <stdlib.h>

struct store_ref *cairn_lua_checkstore(lua_State *L, int index) {
    struct store_box *box = luaL_checkudata(L, index, STORE_TYPE);
    luaL_argcheck(L, box->ref, index, "the store is closed");
    return box->ref;
}

void cairn_lua_retain(struct store_ref *ref) {
    atomic_fetch_add_explicit(&ref->users, 1, memory_order_relaxed);
}

void cairn_lua_release(struct store_ref *ref) {
    if (!ref || atomic_fetch_sub(&ref->users, 1) != 1)
        return;
    cairn_store_close(ref->store);
    free(ref);
}

struct store_ref *cairn_lua_newstore(lua_State *L) {
    struct store_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct store_box){.ref = NULL};
    luaL_setmetatable(L, STORE_TYPE);
    box->ref = malloc(sizeof *box->ref);
    if (!box->ref)
        luaL_error(L, "not enough memory");
    box->ref->store = NULL;
    atomic_init(&box->ref->users, 1);
    return box->ref;
}

/* -- The whole store -------------------------------------------------------------- */

static void set_time(lua_State *L, const char *name, int64_t ms) {
    if (ms == 0)
        return;
    lua_pushinteger(L, ms);
    lua_setfield(L, -2, name);
}

int cairn_lua_push_stat(lua_State *L, struct cairn_store *store,
                        const struct cairn_entry *entry) {
    struct cairn_error error;
    lua_createtable(L, 0, 8);
    lua_pushstring(L, cairn_lua_kind(entry->kind));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)entry->size);
    lua_setfield(L, -2, "size");
    if (entry->kind == CAIRN_LINK) {
        cairn_lua_push(L, entry->payload);
        lua_setfield(L, -2, "target");
    }
    set_time(L, "created", entry->created_ms);
    set_time(L, "modified", entry->modified_ms);
    set_time(L, "expires", entry->expires_ms);
    lua_pushstring(L, cairn_store_url(store));
    lua_setfield(L, -2, "store");
    if (entry->metadata.size) {
        enum cairn_status status = cairn_lua_push_metadata(L, entry->metadata, &error);
        if (status)
            return cairn_lua_fail(L, status, &error);
        lua_setfield(L, -2, "metadata");
    }
    return 1;
}

static int store_snapshot(lua_State *L) {
    struct store_box *box = store_self(L);
    struct store_ref *frozen = cairn_lua_newstore(L);
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_snapshot(store_opened(L, box)->store, &frozen->store, &error);
    return status ? cairn_lua_fail(L, status, &error) : 1;
}

static int store_stats(lua_State *L) {
    struct cairn_stat stats[32];
    size_t count = cairn_store_stats(store_opened(L, store_self(L))->store, stats, 32);
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count && i < 32; i++) {
        lua_pushinteger(L, (lua_Integer)stats[i].value);
        lua_setfield(L, -2, stats[i].name);
    }
    return 1;
}

static int store_url(lua_State *L) {
    lua_pushstring(L, cairn_store_url(store_opened(L, store_self(L))->store));
    return 1;
}

static int store_close(lua_State *L) {
    struct store_box *box = luaL_checkudata(L, 1, STORE_TYPE);
    cairn_view_release(&box->pinned);
    cairn_lua_release(box->ref);
    box->ref = NULL;
    return 0;
}

static int store_tostring(lua_State *L) {
    struct store_box *box = luaL_checkudata(L, 1, STORE_TYPE);
    lua_pushfstring(L, "cairn.Store (%s)",
                    box->ref ? cairn_store_url(box->ref->store) : "closed");
    return 1;
}

static const luaL_Reg store_methods[] = {
    {"batch", cairn_lua_batch},
    {"close", store_close},
    {"delete", store_delete},
    {"group", store_group},
    {"link", store_link},
    {"list", cairn_lua_list},
    {"pack", store_pack},
    {"range", cairn_lua_range},
    {"read", store_read},
    {"read_at", store_read_at},
    {"reset", store_reset},
    {"resolve", store_resolve},
    {"snapshot", store_snapshot},
    {"stat", store_stat},
    {"stats", store_stats},
    {"sync", store_sync},
    {"transaction", cairn_lua_transaction},
    {"type", store_type},
    {"url", store_url},
    {"write", store_write},
    {"writer", cairn_lua_writer},
    {NULL, NULL},
};

static const luaL_Reg store_metamethods[] = {
    {"__close", store_close},
    {"__gc", store_close},
    {"__tostring", store_tostring},
    {NULL, NULL},
};

void cairn_lua_init_store(lua_State *L) {
    store_init_calls(L);
    cairn_lua_class(L, STORE_TYPE, store_methods, store_metamethods);
}
