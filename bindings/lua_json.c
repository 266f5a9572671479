/* lua_json.c -- `cairn.from_json` and `cairn.to_json`. */
#include "lua_structured.h"
#include "lua_value.h"

enum { INDENT_MOST = 16 };

int cairn_lua_from_json(lua_State *L) {
    struct cairn_slice text = cairn_lua_bytes(L, 1, "text");
    struct cairn_arena *arena = cairn_lua_newarena(L);
    struct cairn_value value;
    struct cairn_error error;
    enum cairn_status status = cairn_value_from_json(text, arena, &value, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push_value(L, &value);
    return 1;
}

int cairn_lua_to_json(lua_State *L) {
    unsigned indent = 0;
    struct cairn_error error;
    luaL_checkany(L, 1);
    if (!lua_isnoneornil(L, 2))
        indent = (unsigned)cairn_lua_count(L, 2, "indent", INDENT_MOST);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    struct cairn_bytes *text = cairn_lua_newbytes(L);
    struct cairn_value value = cairn_lua_to_value(L, 1, "value", arena);
    enum cairn_status status = cairn_value_to_json(&value, indent, text, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(text));
    return 1;
}
