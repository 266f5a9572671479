/* lua_path.c -- `cairn.normalize` and `cairn.segments`. */
#include "lua_store.h"

int cairn_lua_normalize(lua_State *L) {
    struct cairn_path path;
    struct cairn_error error;
    enum cairn_status status =
        cairn_path_normalize(cairn_lua_path(L, 1, "path"), &path, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, path.text);
    return 1;
}

int cairn_lua_segments(lua_State *L) {
    struct cairn_path path;
    struct cairn_error error;
    enum cairn_status status =
        cairn_path_normalize(cairn_lua_path(L, 1, "path"), &path, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    struct cairn_slice segment;
    size_t at = 0;
    lua_newtable(L);
    for (lua_Integer i = 1; cairn_path_next(path.text, &at, &segment); i++) {
        cairn_lua_push(L, segment);
        lua_rawseti(L, -2, i);
    }
    return 1;
}
