/* lua_list.c -- listings as iterators: store:list and store:range. */
#include "lua_store.h"

#define LIST_TYPE "cairn.List"

struct list_box {
    struct store_ref *ref;
    struct cairn_list *list; /* NULL once closed */
    bool values;
};

static int list_close(lua_State *L) {
    struct list_box *box = luaL_checkudata(L, 1, LIST_TYPE);
    cairn_list_close(box->list);
    cairn_lua_release(box->ref);
    *box = (struct list_box){0};
    return 0;
}

/* Pushes name, value and kind. The value is copied before anything can run (see struct
 * store_box); then a finalizer may move the listing on, and the item is gone. */
static int push_with_value(lua_State *L, const struct cairn_list_item *item) {
    char name[CAIRN_PATH_MAX];
    struct cairn_slice kept = {name, item->name.size};
    enum cairn_kind kind = item->kind;
    if (kept.size > sizeof name)
        return luaL_error(L, "a name longer than any path");
    memcpy(name, item->name.data, kept.size);
    if (kind == CAIRN_GROUP)
        lua_pushboolean(L, false);
    else
        cairn_lua_push(L, item->value);
    cairn_lua_push(L, kept);
    lua_insert(L, -2);
    lua_pushstring(L, cairn_lua_kind(kind));
    return 3;
}

/* The iterator; its box is upvalue 1. A failure raises: an end would be taken for all.
 */
static int list_next(lua_State *L) {
    struct list_box *box = luaL_checkudata(L, lua_upvalueindex(1), LIST_TYPE);
    struct cairn_list_item item;
    struct cairn_error error;
    if (!box->list)
        return 0;
    enum cairn_status status = cairn_list_next(box->list, &item, &error);
    if (status == CAIRN_NOT_FOUND) {
        cairn_list_close(box->list);
        box->list = NULL;
        return 0;
    }
    if (status)
        return luaL_error(L, "%s (%s)", error.message, cairn_status_word(status));
    if (box->values)
        return push_with_value(L, &item);
    cairn_lua_push(L, item.name);
    lua_pushstring(L, cairn_lua_kind(item.kind));
    return 2;
}

/* Answers iterator, nil, nil, and the box, which a generic for closes. */
static int open_list(lua_State *L, struct cairn_slice path,
                     const struct cairn_list_options *options) {
    struct list_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    struct cairn_error error;
    *box = (struct list_box){.values = options->values};
    luaL_setmetatable(L, LIST_TYPE);
    struct store_ref *ref = cairn_lua_checkstore(L, 1);
    enum cairn_status status =
        cairn_list_open(ref->store, NULL, path, options, &box->list, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    box->ref = ref;
    cairn_lua_retain(ref);
    int at = lua_gettop(L);
    lua_pushvalue(L, at);
    lua_pushcclosure(L, list_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

int cairn_lua_list(lua_State *L) {
    static const char *const known[] = {"from", "to", NULL};
    struct cairn_list_options options = {0};
    (void)cairn_lua_checkstore(L, 1);
    lua_settop(L, 3);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "");
        lua_replace(L, 2);
    }
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    if (cairn_lua_options(L, 3, known)) {
        cairn_lua_string(L, 3, "from", &options.from);
        cairn_lua_string(L, 3, "to", &options.to);
    }
    return open_list(L, path, &options);
}

int cairn_lua_range(lua_State *L) {
    struct cairn_list_options options = {.values = true};
    (void)cairn_lua_checkstore(L, 1);
    lua_settop(L, 4);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    if (!lua_isnil(L, 3))
        options.from = cairn_lua_bytes(L, 3, "from");
    if (!lua_isnil(L, 4))
        options.to = cairn_lua_bytes(L, 4, "to");
    return open_list(L, path, &options);
}

static const luaL_Reg list_methods[] = {{NULL, NULL}};

static const luaL_Reg list_metamethods[] = {
    {"__close", list_close},
    {"__gc", list_close},
    {NULL, NULL},
};

void cairn_lua_init_list(lua_State *L) {
    cairn_lua_class(L, LIST_TYPE, list_methods, list_metamethods);
}
