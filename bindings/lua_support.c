/* lua_support.c -- checkers, failures, boxes. */
#include "lua_support.h"

#include <string.h>

#define BYTES_TYPE "cairn.bytes"

enum { NESTING_MAX = 64 };

int cairn_lua_fail(lua_State *L, enum cairn_status status,
                   const struct cairn_error *error) {
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, cairn_status_word(status));
    return 3;
}

enum cairn_status cairn_lua_status(const char *word) {
    for (int status = 1; word && status < CAIRN_STATUS_COUNT; status++)
        if (strcmp(word, cairn_status_word((enum cairn_status)status)) == 0)
            return (enum cairn_status)status;
    return CAIRN_UNAVAILABLE;
}

const char *cairn_lua_kind(enum cairn_kind kind) {
    return kind == CAIRN_GROUP ? "composite" : kind == CAIRN_LINK ? "link" : "simple";
}

static int wrong_type(lua_State *L, int index, const char *name, const char *expected) {
    const char *message = lua_pushfstring(L, "%s: %s expected, got %s", name, expected,
                                          luaL_typename(L, index));
    return luaL_argerror(L, index, message);
}

struct cairn_slice cairn_lua_bytes(lua_State *L, int index, const char *name) {
    struct cairn_slice bytes;
    if (lua_type(L, index) != LUA_TSTRING)
        wrong_type(L, index, name, "string");
    bytes.data = lua_tolstring(L, index, &bytes.size);
    return bytes;
}

void cairn_lua_function(lua_State *L, int index, const char *name) {
    if (lua_type(L, index) != LUA_TFUNCTION)
        wrong_type(L, index, name, "function");
}

void cairn_lua_table(lua_State *L, int index, const char *name) {
    if (lua_type(L, index) != LUA_TTABLE)
        wrong_type(L, index, name, "table");
}

int64_t cairn_lua_count(lua_State *L, int index, const char *name, int64_t most) {
    int is_integer = 0;
    lua_Integer value = 0;
    if (lua_type(L, index) == LUA_TNUMBER)
        value = lua_tointegerx(L, index, &is_integer);
    if (!is_integer)
        wrong_type(L, index, name, "integer");
    if (value < 0 || value > most)
        luaL_argerror(
            L, index,
            lua_pushfstring(L, "%s: must be from 0 to %I", name, (LUAI_UACINT)most));
    return value;
}

/* Appends the segments of the list at `list`, each with a '/' before it. */
static void join(lua_State *L, struct cairn_bytes *out, int list, int depth, int index,
                 const char *name) {
    luaL_checkstack(L, 8, "a path nested too deeply");
    if (depth > NESTING_MAX)
        luaL_argerror(L, index, lua_pushfstring(L, "%s: nested too deeply", name));
    if (luaL_getmetafield(L, list, "__len") != LUA_TNIL)
        luaL_argerror(
            L, index,
            lua_pushfstring(L, "%s: a plain list expected, not one with __len", name));
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= count; i++) {
        int type = lua_rawgeti(L, list, i);
        struct cairn_slice segment;
        if (type == LUA_TTABLE) {
            join(L, out, lua_gettop(L), depth + 1, index, name);
        } else if (type == LUA_TSTRING) {
            segment.data = lua_tolstring(L, -1, &segment.size);
            if (!cairn_bytes_append(out, cairn_slice_of("/")) ||
                !cairn_bytes_append(out, segment))
                luaL_error(L, "not enough memory");
        } else {
            luaL_argerror(L, index,
                          lua_pushfstring(L,
                                          "%s: a path's segments are strings, not %s",
                                          name, luaL_typename(L, -1)));
        }
        lua_pop(L, 1);
    }
}

struct cairn_slice cairn_lua_path_in(lua_State *L, int slot, int index,
                                     const char *name) {
    if (lua_type(L, slot) == LUA_TTABLE) {
        struct cairn_bytes *joined = cairn_lua_newbytes(L);
        join(L, joined, slot, 0, index, name);
        cairn_lua_push(L, cairn_bytes_slice(joined));
        cairn_bytes_free(joined);
        lua_replace(L, slot);
        lua_pop(L, 1);
    } else if (lua_type(L, slot) != LUA_TSTRING) {
        luaL_argerror(L, index,
                      lua_pushfstring(L,
                                      "%s: path (a string or a list of strings) "
                                      "expected, got %s",
                                      name, luaL_typename(L, slot)));
    }
    return cairn_lua_bytes(L, slot, name);
}

struct cairn_slice cairn_lua_path(lua_State *L, int index, const char *name) {
    return cairn_lua_path_in(L, index, index, name);
}

static int bytes_gc(lua_State *L) {
    cairn_bytes_free(luaL_checkudata(L, 1, BYTES_TYPE));
    return 0;
}

struct cairn_bytes *cairn_lua_newbytes(lua_State *L) {
    struct cairn_bytes *bytes = lua_newuserdatauv(L, sizeof *bytes, 0);
    *bytes = (struct cairn_bytes){0};
    if (luaL_newmetatable(L, BYTES_TYPE)) {
        lua_pushcfunction(L, bytes_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return bytes;
}

/* -- Options ---------------------------------------------------------------------- */

int cairn_lua_field(lua_State *L, int table, const char *name) {
    lua_pushstring(L, name);
    return lua_rawget(L, table);
}

bool cairn_lua_options(lua_State *L, int index, const char *const known[]) {
    if (lua_isnoneornil(L, index))
        return false;
    if (lua_type(L, index) != LUA_TTABLE)
        wrong_type(L, index, "options", "table");
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, index,
                          lua_pushfstring(L, "options: names are strings, not %s",
                                          luaL_typename(L, -1)));
        const char *key = lua_tostring(L, -1);
        const char *const *name = known;
        while (*name && strcmp(*name, key) != 0)
            name++;
        if (!*name)
            luaL_argerror(L, index,
                          lua_pushfstring(L, "options: there is no option '%s'", key));
    }
    return true;
}

static int wrong_option(lua_State *L, int index, const char *name, const char *wanted) {
    return luaL_argerror(L, index,
                         lua_pushfstring(L, "options.%s: %s expected, got %s", name,
                                         wanted, luaL_typename(L, -1)));
}

void cairn_lua_boolean(lua_State *L, int index, const char *name, bool *out) {
    int type = cairn_lua_field(L, index, name);
    if (type == LUA_TBOOLEAN)
        *out = lua_toboolean(L, -1);
    else if (type != LUA_TNIL)
        wrong_option(L, index, name, "boolean");
    lua_pop(L, 1);
}

void cairn_lua_integer(lua_State *L, int index, const char *name, int64_t *out) {
    int type = cairn_lua_field(L, index, name), is_integer = 0;
    if (type == LUA_TNUMBER)
        *out = lua_tointegerx(L, -1, &is_integer);
    if (type != LUA_TNIL && !is_integer)
        wrong_option(L, index, name, "integer");
    lua_pop(L, 1);
}

bool cairn_lua_string(lua_State *L, int index, const char *name,
                      struct cairn_slice *out) {
    int type = cairn_lua_field(L, index, name);
    if (type == LUA_TNIL)
        return false;
    if (type != LUA_TSTRING)
        wrong_option(L, index, name, "string");
    out->data = lua_tolstring(L, -1, &out->size);
    return true;
}

/* -- Metadata --------------------------------------------------------------------- */

static void to_field(lua_State *L, struct cairn_field *out) {
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "metadata: keys are strings, not %s", luaL_typename(L, -2));
    out->key.data = lua_tolstring(L, -2, &out->key.size);
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        out->type = CAIRN_FIELD_STRING;
        out->value.string.data = lua_tolstring(L, -1, &out->value.string.size);
        break;
    case LUA_TBOOLEAN:
        out->type = CAIRN_FIELD_BOOLEAN;
        out->value.boolean = lua_toboolean(L, -1);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1)) {
            out->type = CAIRN_FIELD_INTEGER;
            out->value.integer = lua_tointeger(L, -1);
        } else {
            out->type = CAIRN_FIELD_NUMBER;
            out->value.number = lua_tonumber(L, -1);
        }
        break;
    default:
        luaL_error(L, "metadata: '%s' is a %s; it holds strings, numbers and booleans",
                   out->key.data, luaL_typename(L, -1));
    }
}

struct cairn_slice cairn_lua_to_metadata(lua_State *L, int index) {
    struct cairn_error error;
    size_t count = 0, at = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        count++;
    struct cairn_field *fields = lua_newuserdatauv(L, count * sizeof *fields + 1, 0);
    struct cairn_bytes *encoded = cairn_lua_newbytes(L);
    /* From here to the encoding nothing allocates: the table keeps the strings. */
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (at == count)
            luaL_error(L, "metadata: the table grew while it was read");
        to_field(L, &fields[at++]);
    }
    if (cairn_metadata_encode(fields, at, encoded, &error))
        luaL_error(L, "%s", error.message);
    cairn_lua_push(L, cairn_bytes_slice(encoded));
    lua_replace(L, -3);
    lua_pop(L, 1);
    struct cairn_slice bytes;
    bytes.data = lua_tolstring(L, -1, &bytes.size);
    return bytes;
}

enum cairn_status cairn_lua_push_metadata(lua_State *L, struct cairn_slice metadata,
                                          struct cairn_error *error) {
    struct cairn_metadata_walk walk;
    struct cairn_field field;
    enum cairn_status status = cairn_metadata_open(metadata, &walk, error);
    lua_newtable(L);
    while (!status && !(status = cairn_metadata_next(&walk, &field, error))) {
        cairn_lua_push(L, field.key);
        switch (field.type) {
        case CAIRN_FIELD_STRING:
            cairn_lua_push(L, field.value.string);
            break;
        case CAIRN_FIELD_INTEGER:
            lua_pushinteger(L, field.value.integer);
            break;
        case CAIRN_FIELD_NUMBER:
            lua_pushnumber(L, field.value.number);
            break;
        case CAIRN_FIELD_BOOLEAN:
            lua_pushboolean(L, field.value.boolean);
        }
        lua_rawset(L, -3);
    }
    if (status == CAIRN_NOT_FOUND)
        return CAIRN_OK;
    lua_pop(L, 1);
    return status;
}

void cairn_lua_class(lua_State *L, const char *name, const luaL_Reg *methods,
                     const luaL_Reg *metamethods) {
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, metamethods, 0);
    lua_newtable(L);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
