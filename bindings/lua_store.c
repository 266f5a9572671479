/* lua_store.c -- stores as Lua objects: reading, changing one thing, closing. */
#include "lua_store.h"

#include <stdlib.h>

#define STORE_TYPE "cairn.Store"
#define STAT_TYPE "cairn.stat"

/* The most that read_at gives at once. */
#define PIECE_MAX ((int64_t)1 << 31)

/* `pinned` is what a read holds while Lua copies it: if that runs out of memory, the
 * next call or the collector lets go. So a read needs no box of its own.
 *
 * A finalizer may use the same store and so let go of `pinned`, but not too early:
 * lua_pushlstring copies first and only then runs a step of the collector, with the
 * finalizers; and the emergency collection of an allocation that fails runs none. What
 * pushes more than one thing of a view needs a box of its own, see stat_box. */
struct store_box {
    struct store_ref *ref; /* NULL once closed */
    struct cairn_view pinned;
};

static void unpin(struct store_box *box) {
    cairn_view_release(&box->pinned);
}

static struct store_box *self(lua_State *L) {
    return cairn_lua_self(L, STORE_TYPE);
}

/* Raises if it is closed: after the last allocation before the store is used. */
static struct cairn_store *opened(lua_State *L, const struct store_box *box) {
    luaL_argcheck(L, box->ref, 1, "the store is closed");
    return box->ref->store;
}

struct store_ref *cairn_lua_checkstore(lua_State *L, int index) {
    struct store_box *box = luaL_checkudata(L, index, STORE_TYPE);
    luaL_argcheck(L, box->ref, index, "the store is closed");
    return box->ref;
}

void cairn_lua_retain(struct store_ref *ref) {
    ref->users++;
}

void cairn_lua_release(struct store_ref *ref) {
    if (!ref || --ref->users)
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
    *box->ref = (struct store_ref){NULL, 1};
    return box->ref;
}

/* -- Reading ---------------------------------------------------------------------- */

static int store_read(lua_State *L) {
    struct store_box *box = self(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct cairn_store *store = opened(L, box);
    struct cairn_error error;
    unpin(box);
    enum cairn_status status =
        cairn_store_read(store, NULL, path, &box->pinned, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, box->pinned.entry.payload);
    unpin(box);
    return 1;
}

static int store_read_at(lua_State *L) {
    struct store_box *box = self(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    int64_t offset = cairn_lua_count(L, 3, "offset", INT64_MAX);
    int64_t size = cairn_lua_count(L, 4, "size", PIECE_MAX);
    struct cairn_error error;
    luaL_Buffer buffer;
    size_t got;
    char *room = luaL_buffinitsize(L, &buffer, (size_t)size);
    enum cairn_status status = cairn_store_read_at(
        opened(L, box), NULL, path, (uint64_t)offset, room, (size_t)size, &got, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    luaL_pushresultsize(&buffer, got);
    return 1;
}

static int store_type(lua_State *L) {
    struct store_box *box = self(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct cairn_error error;
    enum cairn_kind kind;
    enum cairn_status status =
        cairn_store_type(opened(L, box), NULL, path, &kind, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushstring(L, cairn_lua_kind(kind));
    return 1;
}

static int store_resolve(lua_State *L) {
    struct store_box *box = self(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct cairn_error error;
    struct cairn_path resolved;
    enum cairn_status status =
        cairn_store_resolve(opened(L, box), NULL, path, &resolved, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, resolved.text);
    return 1;
}

/* What one call of stat holds: the view, and the store, which a finalizer may close. */
struct stat_box {
    struct store_ref *ref;
    struct cairn_view view;
};

static void let_go(struct stat_box *box) {
    cairn_view_release(&box->view);
    cairn_lua_release(box->ref);
    box->ref = NULL;
}

static int stat_gc(lua_State *L) {
    let_go(luaL_checkudata(L, 1, STAT_TYPE));
    return 0;
}

static struct stat_box *new_stat(lua_State *L) {
    struct stat_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct stat_box){.ref = NULL};
    luaL_setmetatable(L, STAT_TYPE);
    return box;
}

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

static int store_stat(lua_State *L) {
    struct store_box *box = self(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct stat_box *held = new_stat(L);
    struct cairn_store *store = opened(L, box);
    struct cairn_error error;
    enum cairn_status status = cairn_store_stat(store, NULL, path, &held->view, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    held->ref = box->ref;
    cairn_lua_retain(held->ref);
    int results = cairn_lua_push_stat(L, store, &held->view.entry);
    let_go(held);
    return results;
}

/* -- Changing one thing ----------------------------------------------------------- */

#define CALL_OPTIONS "timeout", "scopes", "explain"

/* `in_call`: those of a call may be among them. */
static void parse_write_options(lua_State *L, int index, bool in_call,
                                struct lua_operation *out) {
    static const char *const known[] = {"metadata",  "compress", "sync", "expires",
                                        "if_absent", "if_equal", NULL};
    static const char *const all[] = {"metadata",  "compress", "sync",       "expires",
                                      "if_absent", "if_equal", CALL_OPTIONS, NULL};
    struct cairn_operation *operation = &out->operation;
    if (!cairn_lua_options(L, index, in_call ? all : known))
        return;
    cairn_lua_boolean(L, index, "compress", &operation->compress);
    cairn_lua_boolean(L, index, "sync", &out->sync);
    cairn_lua_boolean(L, index, "if_absent", &operation->if_absent);
    cairn_lua_integer(L, index, "expires", &operation->expires_ms);
    if (cairn_lua_string(L, index, "if_equal", &out->expected))
        operation->if_equal = &out->expected;
    int type = cairn_lua_field(L, index, "metadata");
    if (type == LUA_TTABLE)
        operation->metadata = cairn_lua_to_metadata(L, lua_gettop(L));
    else if (type != LUA_TNIL)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "options.metadata: table expected, got %s",
                                      luaL_typename(L, -1)));
}

static void parse_link_options(lua_State *L, int index, bool in_call,
                               struct lua_operation *out) {
    static const char *const known[] = {"expires", "sync", NULL};
    static const char *const all[] = {"expires", "sync", CALL_OPTIONS, NULL};
    if (!cairn_lua_options(L, index, in_call ? all : known))
        return;
    cairn_lua_integer(L, index, "expires", &out->operation.expires_ms);
    cairn_lua_boolean(L, index, "sync", &out->sync);
}

/* The child whose value is on top of the stack: a string, or { link = path }. What it
 * points at is appended to the anchors, whatever becomes of the caller's table. */
static void parse_child(lua_State *L, int anchors, int index,
                        struct cairn_pack_child *out) {
    int value = lua_gettop(L);
    if (lua_type(L, value) == LUA_TSTRING) {
        out->entry.kind = CAIRN_RAW;
    } else if (lua_type(L, value) == LUA_TTABLE) {
        struct cairn_path target;
        struct cairn_error error;
        out->entry.kind = CAIRN_LINK;
        cairn_lua_field(L, value, "link");
        struct cairn_slice given =
            cairn_lua_path_in(L, value + 1, index, "children: link");
        if (cairn_path_normalize(given, &target, &error))
            luaL_argerror(L, index, lua_pushfstring(L, "children: %s", error.message));
        cairn_lua_push(L, target.text);
        lua_replace(L, value);
        lua_settop(L, value);
    } else {
        luaL_argerror(L, index,
                      lua_pushfstring(L,
                                      "children: a string or { link = path } "
                                      "expected, got %s",
                                      luaL_typename(L, value)));
    }
    out->entry.payload.data = lua_tolstring(L, value, &out->entry.payload.size);
    out->entry.size = out->entry.payload.size;
    lua_pushvalue(L, value);
    lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
}

static void parse_children(lua_State *L, int index, struct cairn_operation *operation) {
    cairn_lua_table(L, index, "children");
    size_t count = 0, at = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        count++;
    struct cairn_pack_child *children =
        lua_newuserdatauv(L, count * sizeof *children + 1, 0);
    lua_newtable(L);
    int anchors = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (at == count)
            luaL_argerror(L, index, "children: the table grew while it was read");
        children[at] = (struct cairn_pack_child){0};
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_argerror(L, index, "children: names are strings");
        children[at].name.data = lua_tolstring(L, -2, &children[at].name.size);
        parse_child(L, anchors, index, &children[at]);
        lua_pushvalue(L, -2);
        lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
        at++;
    }
    operation->children = children;
    operation->child_count = at;
}

static void parse(lua_State *L, enum cairn_operation_kind kind, int first, bool in_call,
                  struct lua_operation *out) {
    struct cairn_operation *operation = &out->operation;
    *out = (struct lua_operation){.operation = {.kind = kind}};
    luaL_checkstack(L, 16, NULL);
    lua_settop(L, first + 2);
    switch (kind) {
    case CAIRN_WRITE:
        operation->path = cairn_lua_path(L, first, "path");
        operation->value = cairn_lua_bytes(L, first + 1, "value");
        parse_write_options(L, first + 2, in_call, out);
        break;
    case CAIRN_MAKE_LINK:
        operation->value = cairn_lua_path(L, first, "existing");
        operation->path = cairn_lua_path(L, first + 1, "new");
        parse_link_options(L, first + 2, in_call, out);
        break;
    case CAIRN_MAKE_PACK:
        operation->path = cairn_lua_path(L, first, "path");
        parse_children(L, first + 1, operation);
        break;
    default:
        operation->path = cairn_lua_path(L, first, "path");
    }
}

void cairn_lua_parse(lua_State *L, enum cairn_operation_kind kind, int first,
                     struct lua_operation *out) {
    parse(L, kind, first, false, out);
}

void cairn_lua_parse_call(lua_State *L, enum cairn_operation_kind kind, int first,
                          struct lua_operation *out) {
    parse(L, kind, first, true, out);
}

/* Parses, applies, answers true. */
static int apply(lua_State *L, enum cairn_operation_kind kind,
                 struct lua_operation *parsed) {
    struct store_box *box = self(L);
    struct cairn_error error;
    cairn_lua_parse(L, kind, 2, parsed);
    enum cairn_status status =
        cairn_store_apply(opened(L, box), NULL, &parsed->operation, 1,
                          parsed->sync ? CAIRN_STORE_SYNC : 0, NULL, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

static int store_write(lua_State *L) {
    struct lua_operation parsed;
    return apply(L, CAIRN_WRITE, &parsed);
}

static int store_group(lua_State *L) {
    struct lua_operation parsed;
    return apply(L, CAIRN_MAKE_GROUP, &parsed);
}

static int store_pack(lua_State *L) {
    struct lua_operation parsed;
    return apply(L, CAIRN_MAKE_PACK, &parsed);
}

static int store_link(lua_State *L) {
    struct lua_operation parsed;
    int results = apply(L, CAIRN_MAKE_LINK, &parsed);
    if (results == 1) {
        lua_pushboolean(L, parsed.operation.changed);
        results = 2;
    }
    return results;
}

static int answer(lua_State *L, enum cairn_status status,
                  const struct cairn_error *error) {
    if (status)
        return cairn_lua_fail(L, status, error);
    lua_pushboolean(L, true);
    return 1;
}

static int store_delete(lua_State *L) {
    static const char *const known[] = {"recursive", NULL};
    struct store_box *box = self(L);
    struct lua_operation parsed;
    struct cairn_error error;
    bool recursive = false;
    if (cairn_lua_options(L, 3, known))
        cairn_lua_boolean(L, 3, "recursive", &recursive);
    if (!recursive)
        return apply(L, CAIRN_DELETE, &parsed);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    return answer(L, cairn_store_delete_tree(opened(L, box), NULL, path, &error),
                  &error);
}

/* -- The whole store -------------------------------------------------------------- */

static int store_reset(lua_State *L) {
    struct cairn_error error;
    return answer(L, cairn_store_reset(opened(L, self(L)), NULL, &error), &error);
}

static int store_sync(lua_State *L) {
    struct cairn_error error;
    return answer(L, cairn_store_sync(opened(L, self(L)), NULL, &error), &error);
}

static int store_snapshot(lua_State *L) {
    struct store_box *box = self(L);
    struct store_ref *frozen = cairn_lua_newstore(L);
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_snapshot(opened(L, box), &frozen->store, &error);
    return status ? cairn_lua_fail(L, status, &error) : 1;
}

static int store_stats(lua_State *L) {
    struct cairn_stat stats[32];
    size_t count = cairn_store_stats(opened(L, self(L)), stats, 32);
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count && i < 32; i++) {
        lua_pushinteger(L, (lua_Integer)stats[i].value);
        lua_setfield(L, -2, stats[i].name);
    }
    return 1;
}

static int store_url(lua_State *L) {
    lua_pushstring(L, cairn_store_url(opened(L, self(L))));
    return 1;
}

static int store_close(lua_State *L) {
    struct store_box *box = luaL_checkudata(L, 1, STORE_TYPE);
    unpin(box);
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

static const luaL_Reg stat_methods[] = {{NULL, NULL}};

static const luaL_Reg stat_metamethods[] = {
    {"__gc", stat_gc},
    {NULL, NULL},
};

void cairn_lua_init_store(lua_State *L) {
    cairn_lua_class(L, STAT_TYPE, stat_methods, stat_metamethods);
    cairn_lua_class(L, STORE_TYPE, store_methods, store_metamethods);
}
