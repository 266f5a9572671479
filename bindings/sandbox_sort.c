/* sandbox_sort.c -- table.sort: merging, so that equal items stay in their order and a
 * comparison that lies costs no more than one that does not.
 *
 * The items are sorted in two lists of our own and written back at the end: a
 * comparison that fails, or changes the table, leaves it as it was. (The standard one
 * sorts in place, and may complain of an "invalid order function".) */
#include "sandbox_limits.h"

#include <limits.h>

/* Where things lie on the stack; the arguments are 1 and 2. */
enum { FROM = 3, TO = 4 };

struct sort {
    lua_State *L;
    int from, to; /* the lists: FROM and TO, or the other way round */
    bool by_function;
};

/* Comparing strings takes as long as the shorter is. */
static void charge_comparison(lua_State *L) {
    uint64_t steps = 1;
    if (lua_type(L, -1) == LUA_TSTRING)
        steps += lua_rawlen(L, -1) / 16;
    sandbox_charge(L, steps);
}

/* Whether the item on top is less than the one below. */
static bool is_less(struct sort *sort) {
    lua_State *L = sort->L;
    charge_comparison(L);
    if (!sort->by_function)
        return lua_compare(L, -1, -2, LUA_OPLT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    lua_call(L, 2, 1);
    bool less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
}

/* Both runs have items: their first ones lie on the stack, the left below. */
static void merge_both(struct sort *sort, lua_Integer *left, lua_Integer middle,
                       lua_Integer *right, lua_Integer end, lua_Integer *out) {
    lua_State *L = sort->L;
    lua_rawgeti(L, sort->from, *left);
    lua_rawgeti(L, sort->from, *right);
    while (*left < middle && *right < end) {
        if (is_less(sort)) {
            lua_rawseti(L, sort->to, (*out)++);
            lua_rawgeti(L, sort->from, ++*right);
        } else {
            lua_insert(L, -2);
            lua_rawseti(L, sort->to, (*out)++);
            lua_rawgeti(L, sort->from, ++*left);
            lua_insert(L, -2);
        }
    }
    lua_pop(L, 2);
}

static void copy_run(struct sort *sort, lua_Integer from, lua_Integer end,
                     lua_Integer out) {
    for (; from < end; from++) {
        sandbox_charge(sort->L, 1);
        lua_rawgeti(sort->L, sort->from, from);
        lua_rawseti(sort->L, sort->to, out++);
    }
}

static void merge(struct sort *sort, lua_Integer left, lua_Integer middle,
                  lua_Integer end) {
    lua_Integer right = middle, out = left;
    if (middle < end)
        merge_both(sort, &left, middle, &right, end, &out);
    copy_run(sort, left, middle, out);
    copy_run(sort, right, end, out + middle - left);
}

static lua_Integer smaller(lua_Integer a, lua_Integer b) {
    return a < b ? a : b;
}

static void sort_lists(struct sort *sort, lua_Integer count) {
    for (lua_Integer run = 1; run < count; run *= 2) {
        for (lua_Integer at = 1; at <= count; at += 2 * run)
            merge(sort, at, smaller(at + run, count + 1),
                  smaller(at + 2 * run, count + 1));
        int from = sort->from;
        sort->from = sort->to;
        sort->to = from;
    }
}

int sandbox_table_sort(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    sandbox_charge(L, 1);
    lua_Integer count = luaL_len(L, 1);
    if (count < 2)
        return 0;
    luaL_argcheck(L, count < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    sandbox_need(L, 2 * (size_t)count * sizeof(void *));
    lua_createtable(L, (int)count, 0);
    lua_createtable(L, (int)count, 0);
    struct sort sort = {L, FROM, TO, !lua_isnil(L, 2)};
    for (lua_Integer i = 1; i <= count; i++) {
        sandbox_charge(L, 1);
        lua_geti(L, 1, i);
        lua_rawseti(L, FROM, i);
    }
    sort_lists(&sort, count);
    for (lua_Integer i = 1; i <= count; i++) {
        sandbox_charge(L, 1);
        lua_rawgeti(L, sort.from, i);
        lua_seti(L, 1, i);
    }
    return 0;
}
