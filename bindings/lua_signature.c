/* lua_signature.c -- `cairn.signature_base`: what an HTTP message signature signs. */
#include "cairn/signature_base.h"
#include "lua_structured.h"
#include "lua_value.h"

/* The string at the top of the stack, as long as the arena lives: the table it is from
 * may change whenever Lua allocates. */
static struct cairn_slice copy(lua_State *L, struct cairn_arena *arena) {
    struct cairn_slice bytes;
    bytes.data = lua_tolstring(L, -1, &bytes.size);
    if (!cairn_arena_copy(arena, bytes, &bytes))
        luaL_error(L, "not enough memory");
    return bytes;
}

/* message[name]; {NULL, 0} if it is not there. */
static struct cairn_slice to_string(lua_State *L, struct cairn_arena *arena,
                                    const char *name) {
    struct cairn_slice bytes = {NULL, 0};
    int type = cairn_lua_field(L, 1, name);
    if (type == LUA_TSTRING)
        bytes = copy(L, arena);
    else if (type != LUA_TNIL)
        luaL_error(L, "message.%s: string expected, got %s", name,
                   lua_typename(L, type));
    lua_pop(L, 1);
    return bytes;
}

static int to_status(lua_State *L) {
    int is_integer = 0;
    lua_Integer status = 0;
    int type = cairn_lua_field(L, 1, "status");
    if (type == LUA_TNUMBER)
        status = lua_tointegerx(L, -1, &is_integer);
    if (type != LUA_TNIL && (!is_integer || status < 100 || status > 999))
        luaL_error(L, "message.status: an integer from 100 to 999 expected");
    lua_pop(L, 1);
    return (int)status;
}

/* Element `i`, a string, of the pair at the top of the stack. */
static struct cairn_slice to_half(lua_State *L, struct cairn_arena *arena, int i) {
    if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
        luaL_error(L, "message.fields: a field is a list of name and value, strings");
    struct cairn_slice bytes = copy(L, arena);
    lua_pop(L, 1);
    return bytes;
}

static void to_fields(lua_State *L, struct cairn_arena *arena,
                      struct cairn_http_message *out) {
    if (cairn_lua_field(L, 1, "fields") != LUA_TTABLE)
        luaL_error(L, "message.fields: table expected, got %s", luaL_typename(L, -1));
    size_t count = lua_rawlen(L, -1);
    if (count > CAIRN_STRUCTURED_MAX)
        luaL_error(L, "message.fields: more than %d fields", CAIRN_STRUCTURED_MAX);
    struct cairn_http_field *fields = cairn_arena_take(arena, count * sizeof *fields);
    if (!fields)
        luaL_error(L, "not enough memory");
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TTABLE)
            luaL_error(L, "message.fields[%d]: table expected, got %s", (int)i + 1,
                       luaL_typename(L, -1));
        fields[i].name = to_half(L, arena, 1);
        fields[i].value = to_half(L, arena, 2);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    out->fields = fields;
    out->count = count;
}

static void check_names(lua_State *L) {
    static const char *const known[] = {"authority", "fields",     "method",
                                        "path",      "query",      "scheme",
                                        "status",    "target_uri", NULL};
    for (lua_pushnil(L); lua_next(L, 1);) {
        lua_pop(L, 1);
        const char *const *name = known;
        bool is_string = lua_type(L, -1) == LUA_TSTRING;
        while (*name && !(is_string && strcmp(*name, lua_tostring(L, -1)) == 0))
            name++;
        if (!*name)
            luaL_error(L, "message: there is no '%s'",
                       is_string ? lua_tostring(L, -1) : luaL_typename(L, -1));
    }
}

static void to_message(lua_State *L, struct cairn_arena *arena,
                       struct cairn_http_message *out) {
    check_names(L);
    *out = (struct cairn_http_message){
        .method = to_string(L, arena, "method"),
        .target_uri = to_string(L, arena, "target_uri"),
        .authority = to_string(L, arena, "authority"),
        .scheme = to_string(L, arena, "scheme"),
        .path = to_string(L, arena, "path"),
        .query = to_string(L, arena, "query"),
        .status = to_status(L),
    };
    to_fields(L, arena, out);
}

int cairn_lua_signature_base(lua_State *L) {
    struct cairn_http_message message;
    struct cairn_member *input;
    struct cairn_error error;
    size_t count;
    cairn_lua_table(L, 1, "message");
    struct cairn_slice text = cairn_lua_bytes(L, 2, "input");
    lua_settop(L, 2);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    struct cairn_bytes *base = cairn_lua_newbytes(L);
    to_message(L, arena, &message);
    enum cairn_status status = cairn_structured_parse(text, CAIRN_STRUCTURED_LIST, 0,
                                                      arena, &input, &count, &error);
    if (!status && count != 1)
        status = cairn_fail(&error, CAIRN_INVALID_ARGUMENT,
                            "signature base: the input is one list of components");
    if (!status)
        status = cairn_signature_base(&message, &input->item, base, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(base));
    return 1;
}
