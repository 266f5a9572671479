/* sandbox_table.c -- the table library, charged item by item: lengths may come from a
 * script (__len), and so may be as large as numbers are. */
#include "sandbox_limits.h"

#include <limits.h>

/* The length of the table at index 1. */
static lua_Integer check_table(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    sandbox_charge(L, 1);
    return luaL_len(L, 1);
}

/* How many numbers there are from `from` to `to`. */
static uint64_t span(lua_Integer from, lua_Integer to) {
    return from > to ? 0 : (uint64_t)to - (uint64_t)from + 1;
}

/* t[to] = t[from] */
static void move_item(lua_State *L, lua_Integer from, lua_Integer to) {
    sandbox_charge(L, 1);
    lua_geti(L, 1, from);
    lua_seti(L, 1, to);
}

static int table_insert(lua_State *L) {
    lua_Integer end = (lua_Integer)((lua_Unsigned)check_table(L) + 1), at = end;
    if (lua_gettop(L) != 2 && lua_gettop(L) != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    if (lua_gettop(L) == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)end, 2,
                      "position out of bounds");
        for (lua_Integer i = end; i > at; i--)
            move_item(L, i - 1, i);
    }
    lua_seti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L) {
    lua_Integer size = check_table(L), at = luaL_optinteger(L, 2, size);
    if (lua_gettop(L) > 1)
        luaL_argcheck(L, at == size || (lua_Unsigned)at - 1 <= (lua_Unsigned)size, 2,
                      "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < size; at++)
        move_item(L, at + 1, at);
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

/* Backwards where the ranges overlap so that forwards would overwrite what is still to
 * be read. */
static int table_move(lua_State *L) {
    lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    lua_Integer to = luaL_checkinteger(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, target, LUA_TTABLE);
    sandbox_charge(L, 1);
    if (last >= from) {
        luaL_argcheck(L, from > 0 || last < LUA_MAXINTEGER + from, 3,
                      "too many elements to move");
        lua_Integer count = last - from + 1;
        luaL_argcheck(L, to <= LUA_MAXINTEGER - count + 1, 4,
                      "destination wrap around");
        bool forwards = to > last || to <= from ||
                        (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ));
        for (lua_Integer i = 0; i < count; i++) {
            lua_Integer at = forwards ? i : count - 1 - i;
            sandbox_charge(L, 1);
            lua_geti(L, 1, from + at);
            lua_seti(L, target, to + at);
        }
    }
    lua_pushvalue(L, target);
    return 1;
}

static void add_item(lua_State *L, struct sandbox_text *text, lua_Integer i) {
    size_t size;
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'",
                   luaL_typename(L, -1), (LUAI_UACINT)i);
    const char *data = lua_tolstring(L, -1, &size);
    sandbox_text_add(text, data, size);
    lua_pop(L, 1);
}

static int table_concat(lua_State *L) {
    lua_Integer size = check_table(L);
    struct cairn_slice separator;
    separator.data = luaL_optlstring(L, 2, "", &separator.size);
    lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, size);
    struct sandbox_text text;
    sandbox_text_begin(L, &text);
    for (; i <= last; i++) {
        add_item(L, &text, i);
        if (i == last) /* it may be the largest of all integers */
            break;
        sandbox_text_add(&text, separator.data, separator.size);
    }
    sandbox_text_end(&text);
    return 1;
}

static int table_pack(lua_State *L) {
    int count = lua_gettop(L);
    sandbox_charge(L, 1 + (uint64_t)count);
    lua_createtable(L, count, 1);
    lua_insert(L, 1);
    for (int i = count; i > 0; i--)
        lua_rawseti(L, 1, i);
    lua_pushinteger(L, count);
    lua_setfield(L, 1, "n");
    return 1;
}

/* Like the standard one it takes whatever can be indexed. */
static int table_unpack(lua_State *L) {
    lua_Integer i = luaL_optinteger(L, 2, 1);
    lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    uint64_t count = span(i, last);
    if (i > last)
        return 0;
    if (count - 1 >= INT_MAX) /* all integers there are: count is 0 */
        return luaL_error(L, "too many results to unpack");
    sandbox_charge(L, 1);
    if (!lua_checkstack(L, (int)count)) {
        sandbox_check(L);
        return luaL_error(L, "too many results to unpack");
    }
    for (uint64_t at = 0; at < count; at++) {
        sandbox_charge(L, 1);
        lua_geti(L, 1, i + (lua_Integer)at);
    }
    return (int)count;
}

static const luaL_Reg functions[] = {
    {"concat", table_concat}, {"insert", table_insert},
    {"move", table_move},     {"pack", table_pack},
    {"remove", table_remove}, {"sort", sandbox_table_sort},
    {"unpack", table_unpack}, {NULL, NULL},
};

void sandbox_push_table(lua_State *L) {
    luaL_newlib(L, functions);
}
