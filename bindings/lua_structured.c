/* lua_structured.c -- `cairn.parse_structured` and `cairn.serialize_structured`:
 * structured fields as tables.
 *
 * What is read from a table is copied into an arena at once: asking for a field by its
 * name allocates, so a finalizer may change the table between two fields. */
#include "lua_structured.h"
#include "cairn/structured.h"
#include "lua_value.h"

/* In the order of enum cairn_item_type, enum cairn_structured_type. */
static const char *const types[] = {"integer", "decimal", "string",  "token", "bytes",
                                    "boolean", "date",    "display", "list",  NULL};
static const char *const kinds[] = {"item", "list", "dictionary", NULL};

static unsigned check_lax(lua_State *L, int index) {
    if (lua_isnoneornil(L, index))
        return 0;
    luaL_checktype(L, index, LUA_TBOOLEAN);
    return lua_toboolean(L, index) ? CAIRN_STRUCTURED_LAX : 0;
}

/* -- To Lua ----------------------------------------------------------------------- */

static void push_item(lua_State *L, const struct cairn_item *item);

static void push_items(lua_State *L, const struct cairn_item *items, size_t count) {
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_item(L, &items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_parameters(lua_State *L, const struct cairn_item *item) {
    lua_createtable(L, (int)item->parameter_count, 0);
    for (size_t i = 0; i < item->parameter_count; i++) {
        lua_createtable(L, 0, 2);
        cairn_lua_push(L, item->parameters[i].key);
        lua_setfield(L, -2, "key");
        push_item(L, &item->parameters[i].value);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_bare(lua_State *L, const struct cairn_item *item) {
    switch (item->type) {
    case CAIRN_ITEM_INTEGER:
    case CAIRN_ITEM_DATE:
        lua_pushinteger(L, item->as.integer);
        return;
    case CAIRN_ITEM_DECIMAL:
        lua_pushnumber(L, item->as.decimal);
        return;
    case CAIRN_ITEM_BOOLEAN:
        lua_pushboolean(L, item->as.boolean);
        return;
    case CAIRN_ITEM_LIST:
        push_items(L, item->as.items, item->count);
        return;
    default:
        cairn_lua_push(L, item->as.bytes);
    }
}

/* No deeper than the parameters of an item of an inner list of a member. */
static void push_item(lua_State *L, const struct cairn_item *item) {
    luaL_checkstack(L, 8, NULL);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, types[item->type]);
    lua_setfield(L, -2, "type");
    push_bare(L, item);
    lua_setfield(L, -2, "value");
    push_parameters(L, item);
    lua_setfield(L, -2, "parameters");
}

static void push_members(lua_State *L, const struct cairn_member *members, size_t count,
                         bool keyed) {
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        if (keyed) {
            lua_createtable(L, 0, 2);
            cairn_lua_push(L, members[i].key);
            lua_setfield(L, -2, "key");
        }
        push_item(L, &members[i].item);
        if (keyed)
            lua_setfield(L, -2, "item");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

int cairn_lua_parse_structured(lua_State *L) {
    struct cairn_slice text = cairn_lua_bytes(L, 1, "text");
    enum cairn_structured_type kind = luaL_checkoption(L, 2, NULL, kinds);
    unsigned flags = check_lax(L, 3);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    struct cairn_member *members;
    struct cairn_error error;
    size_t count;
    enum cairn_status status =
        cairn_structured_parse(text, kind, flags, arena, &members, &count, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    if (kind == CAIRN_STRUCTURED_ITEM)
        push_item(L, &members->item);
    else
        push_members(L, members, count, kind == CAIRN_STRUCTURED_DICTIONARY);
    return 1;
}

/* -- From Lua --------------------------------------------------------------------- */

struct reading {
    lua_State *L;
    struct cairn_arena *arena;
};

/* What may stand where an item is read. */
enum level { MEMBER, INNER, PARAMETER };

/* Room for the elements of the sequence at the top of the stack. */
static void *room(const struct reading *r, size_t width, size_t *count) {
    lua_State *L = r->L;
    *count = lua_rawlen(L, -1);
    if (*count > CAIRN_STRUCTURED_MAX)
        luaL_error(L, "parsed: a table of more than %d elements", CAIRN_STRUCTURED_MAX);
    void *elements = cairn_arena_take(r->arena, *count * width);
    if (!elements)
        luaL_error(L, "not enough memory");
    return elements;
}

/* The string at the top of the stack. */
static struct cairn_slice copy(const struct reading *r) {
    struct cairn_slice bytes;
    bytes.data = lua_tolstring(r->L, -1, &bytes.size);
    if (!cairn_arena_copy(r->arena, bytes, &bytes))
        luaL_error(r->L, "not enough memory");
    return bytes;
}

/* Raises unless the value at the top is a table with no other names than these. */
static void check_table(lua_State *L, const char *what, const char *const names[]) {
    if (!lua_istable(L, -1))
        luaL_error(L, "parsed: %s is a table, not a %s", what, luaL_typename(L, -1));
    luaL_checkstack(L, 16, NULL);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pop(L, 1);
        const char *const *name = names;
        while (*name && (lua_type(L, -1) != LUA_TSTRING ||
                         strcmp(*name, lua_tostring(L, -1)) != 0))
            name++;
        if (!*name)
            luaL_error(L, "parsed: %s has no field '%s'", what,
                       lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                      : luaL_typename(L, -1));
    }
}

/* Pushes the field of the table at the top, which is of this type. */
static void push_field(lua_State *L, const char *name, int wanted) {
    int type = cairn_lua_field(L, lua_gettop(L), name);
    if (type != wanted)
        luaL_error(L, "parsed: '%s' is a %s, not a %s", name, lua_typename(L, wanted),
                   lua_typename(L, type));
}

static enum cairn_item_type to_type(lua_State *L) {
    push_field(L, "type", LUA_TSTRING);
    for (int i = 0; types[i]; i++) {
        if (strcmp(types[i], lua_tostring(L, -1)) == 0) {
            lua_pop(L, 1);
            return (enum cairn_item_type)i;
        }
    }
    return (enum cairn_item_type)luaL_error(L, "parsed: there is no type of items '%s'",
                                            lua_tostring(L, -1));
}

static void to_item(const struct reading *r, enum level level, struct cairn_item *out);

static struct cairn_item *to_items(const struct reading *r, size_t *count) {
    struct cairn_item *items = room(r, sizeof *items, count);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i + 1);
        to_item(r, INNER, &items[i]);
        lua_pop(r->L, 1);
    }
    return items;
}

static struct cairn_parameter *to_parameters(const struct reading *r, size_t *count) {
    static const char *const names[] = {"key", "value", NULL};
    lua_State *L = r->L;
    struct cairn_parameter *parameters = room(r, sizeof *parameters, count);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        check_table(L, "a parameter", names);
        push_field(L, "key", LUA_TSTRING);
        parameters[i].key = copy(r);
        lua_pop(L, 1);
        push_field(L, "value", LUA_TTABLE);
        to_item(r, PARAMETER, &parameters[i].value);
        lua_pop(L, 2);
    }
    return parameters;
}

static int64_t to_integer(lua_State *L) {
    int is_integer;
    int64_t value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer)
        luaL_error(L, "parsed: a value of this type is a whole number");
    return value;
}

/* The value of an item whose type is known. */
static void to_value(const struct reading *r, enum level level,
                     struct cairn_item *out) {
    lua_State *L = r->L;
    switch (out->type) {
    case CAIRN_ITEM_INTEGER:
    case CAIRN_ITEM_DATE:
        push_field(L, "value", LUA_TNUMBER);
        out->as.integer = to_integer(L);
        break;
    case CAIRN_ITEM_DECIMAL:
        push_field(L, "value", LUA_TNUMBER);
        out->as.decimal = lua_tonumber(L, -1);
        break;
    case CAIRN_ITEM_BOOLEAN:
        push_field(L, "value", LUA_TBOOLEAN);
        out->as.boolean = lua_toboolean(L, -1);
        break;
    case CAIRN_ITEM_LIST:
        if (level != MEMBER)
            luaL_error(L, "parsed: an inner list stands only in a list or dictionary");
        push_field(L, "value", LUA_TTABLE);
        out->as.items = to_items(r, &out->count);
        break;
    default:
        push_field(L, "value", LUA_TSTRING);
        out->as.bytes = copy(r);
    }
    lua_pop(L, 1);
}

/* The item at the top of the stack. */
static void to_item(const struct reading *r, enum level level, struct cairn_item *out) {
    static const char *const names[] = {"parameters", "type", "value", NULL};
    lua_State *L = r->L;
    check_table(L, "an item", names);
    *out = (struct cairn_item){.type = to_type(L)};
    to_value(r, level, out);
    if (cairn_lua_field(L, lua_gettop(L), "parameters") != LUA_TNIL) {
        if (!lua_istable(L, -1))
            luaL_error(L, "parsed: 'parameters' is a table, not a %s",
                       luaL_typename(L, -1));
        if (level == PARAMETER && lua_rawlen(L, -1))
            luaL_error(L, "parsed: a parameter has no parameters of its own");
        if (level != PARAMETER)
            out->parameters = to_parameters(r, &out->parameter_count);
    }
    lua_pop(L, 1);
}

static struct cairn_member *to_members(const struct reading *r, bool keyed,
                                       size_t *count) {
    static const char *const names[] = {"item", "key", NULL};
    lua_State *L = r->L;
    struct cairn_member *members = room(r, sizeof *members, count);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        members[i].key = (struct cairn_slice){"", 0};
        if (keyed) {
            check_table(L, "a member", names);
            push_field(L, "key", LUA_TSTRING);
            members[i].key = copy(r);
            lua_pop(L, 1);
            push_field(L, "item", LUA_TTABLE);
        }
        to_item(r, MEMBER, &members[i].item);
        lua_pop(L, keyed ? 2 : 1);
    }
    return members;
}

int cairn_lua_serialize_structured(lua_State *L) {
    struct cairn_member single = {.key = {"", 0}}, *members = &single;
    struct cairn_error error;
    size_t count = 1;
    cairn_lua_table(L, 1, "parsed");
    enum cairn_structured_type kind = luaL_checkoption(L, 2, NULL, kinds);
    unsigned flags = check_lax(L, 3);
    struct reading reading = {L, cairn_lua_newarena(L)};
    struct cairn_bytes *text = cairn_lua_newbytes(L);
    lua_pushvalue(L, 1);
    if (kind == CAIRN_STRUCTURED_ITEM)
        to_item(&reading, INNER, &single.item);
    else
        members = to_members(&reading, kind == CAIRN_STRUCTURED_DICTIONARY, &count);
    enum cairn_status status =
        cairn_structured_serialize(members, count, kind, flags, text, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(text));
    return 1;
}
