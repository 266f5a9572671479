/* lua_operation.c -- one change, parsed from the arguments of the method that makes it.
 */
#include "lua_store.h"

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

void cairn_lua_carry(struct lua_operation *to, const struct lua_operation *from) {
    *to = *from;
    if (from->operation.if_equal)
        to->operation.if_equal = &to->expected;
}

void cairn_lua_parse(lua_State *L, enum cairn_operation_kind kind, int first,
                     struct lua_operation *out) {
    parse(L, kind, first, false, out);
}

void cairn_lua_parse_call(lua_State *L, enum cairn_operation_kind kind, int first,
                          struct lua_operation *out) {
    parse(L, kind, first, true, out);
}
