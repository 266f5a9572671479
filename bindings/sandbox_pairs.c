/* sandbox_pairs.c -- next and pairs in an order that depends on the keys alone.
 *
 * Lua's own order goes by hashes, which are seeded anew in each state, and by
 * addresses: the same facts could give another decision. Here numbers come first,
 * ascending, then strings in byte order, then false and true. Keys that have no order
 * but that of their addresses (tables, functions) are refused.
 *
 * pairs sorts once, when it is called: what is removed during the walk is left out,
 * what is added is not seen. next looks through the whole table at each step; to ask
 * whether a table is empty is what it is for. */
#include "sandbox_limits.h"

enum { ENTRIES_ROOM = 32 };

enum rank { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN };

/* Enough of a key to compare it. Strings are borrowed: the table holds them. */
struct key {
    enum rank rank;
    bool is_integer;
    lua_Integer integer; /* also false and true */
    lua_Number number;
    struct cairn_slice bytes;
    lua_Integer index; /* in the order in which it was found */
};

static void read_key(lua_State *L, int index, struct key *key) {
    *key = (struct key){.rank = RANK_NUMBER};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        key->is_integer = lua_isinteger(L, index);
        key->integer = key->is_integer ? lua_tointeger(L, index) : 0;
        key->number = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        key->rank = RANK_STRING;
        key->bytes.data = lua_tolstring(L, index, &key->bytes.size);
        break;
    case LUA_TBOOLEAN:
        key->rank = RANK_BOOLEAN;
        key->is_integer = true;
        key->integer = lua_toboolean(L, index);
        break;
    default:
        luaL_error(L, "a key that is a %s has no order", luaL_typename(L, index));
    }
}

/* A float among the keys is no whole number that fits an integer, so that only the
 * conversion of an integer next to 2^63 can make it equal to one. */
static int compare_numbers(const struct key *a, const struct key *b) {
    if (a->is_integer && b->is_integer)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return b->is_integer - a->is_integer;
}

static int compare_keys(const struct key *a, const struct key *b) {
    if (a->rank != b->rank)
        return (int)a->rank - (int)b->rank;
    return a->rank == RANK_STRING ? cairn_slice_compare(a->bytes, b->bytes)
                                  : compare_numbers(a, b);
}

/* -- next ------------------------------------------------------------------------- */

/* Leaves the smallest key after the one at index 2 (nil: of all) on the stack, or nil.
 */
static void find_next(lua_State *L) {
    struct key after, best, key;
    bool from_start = lua_isnil(L, 2), found = false;
    if (!from_start)
        read_key(L, 2, &after);
    lua_pushnil(L); /* 3: the best */
    for (lua_pushnil(L); lua_next(L, 1);) {
        lua_pop(L, 1);
        sandbox_charge(L, 1);
        read_key(L, 4, &key);
        if (!from_start && compare_keys(&key, &after) <= 0)
            continue;
        if (found && compare_keys(&key, &best) >= 0)
            continue;
        found = true;
        best = key;
        lua_pushvalue(L, 4);
        lua_replace(L, 3);
    }
}

int sandbox_next(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    sandbox_charge(L, 1);
    sandbox_unprotect_table(L, 1);
    find_next(L);
    if (lua_isnil(L, 3))
        return 1;
    lua_pushvalue(L, 3);
    lua_rawget(L, 1);
    return 2;
}

/* -- pairs ------------------------------------------------------------------------ */

static lua_Integer count_keys(lua_State *L) {
    lua_Integer count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        sandbox_charge(L, 1);
        count++;
    }
    return count;
}

/* Fills keys and the list at the top of the stack; true if they were in order. */
static bool list_keys(lua_State *L, struct key *keys) {
    bool sorted = true;
    lua_Integer at = 0;
    for (lua_pushnil(L); lua_next(L, 1); at++) {
        lua_pop(L, 1);
        read_key(L, -1, &keys[at]);
        keys[at].index = at + 1;
        sorted = sorted && (at == 0 || compare_keys(&keys[at - 1], &keys[at]) < 0);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, at + 1);
    }
    return sorted;
}

/* Lets the key at `at` sink to where none below it is greater. */
static void sink(lua_State *L, struct key *keys, size_t at, size_t count) {
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        sandbox_charge_bytes(L, keys[child].bytes.size);
        if (child + 1 < count && compare_keys(&keys[child], &keys[child + 1]) < 0)
            child++;
        if (compare_keys(&keys[at], &keys[child]) >= 0)
            return;
        struct key lower = keys[child];
        keys[child] = keys[at];
        keys[at] = lower;
    }
}

/* A heap: in place, and never slower than n log n. */
static void sort_keys(lua_State *L, struct key *keys, size_t count) {
    for (size_t at = count / 2; at-- > 0;)
        sink(L, keys, at, count);
    while (count-- > 1) {
        struct key last = keys[0];
        keys[0] = keys[count];
        keys[count] = last;
        sink(L, keys, 0, count);
    }
}

/* Moves the items of the list at the top along the cycles of the permutation. */
static void arrange(lua_State *L, struct key *keys, lua_Integer count) {
    for (lua_Integer start = 1; start <= count; start++) {
        lua_Integer at = start, from = keys[at - 1].index;
        if (from == start || from == 0)
            continue;
        lua_rawgeti(L, -1, start);
        for (; from != start; at = from, from = keys[at - 1].index) {
            lua_rawgeti(L, -2, from);
            lua_rawseti(L, -3, at);
            keys[at - 1].index = 0;
        }
        lua_rawseti(L, -2, at);
        keys[at - 1].index = 0;
    }
}

/* Pushes the list of the keys of the table at index 1. */
static void push_keys(lua_State *L) {
    struct key room[ENTRIES_ROOM], *keys = room;
    lua_Integer count = count_keys(L);
    lua_createtable(L, (int)count, 0);
    if (count > ENTRIES_ROOM) {
        keys = lua_newuserdatauv(L, (size_t)count * sizeof *keys, 0);
        lua_insert(L, -2);
    }
    if (!list_keys(L, keys)) {
        sort_keys(L, keys, (size_t)count);
        arrange(L, keys, count);
    }
    if (count > ENTRIES_ROOM)
        lua_remove(L, -2);
}

/* Upvalues: the table, its keys, how many were given. */
static int next_pair(lua_State *L) {
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
    sandbox_charge(L, 1);
    lua_settop(L, 0);
    do {
        lua_settop(L, 0);
        if (lua_rawgeti(L, lua_upvalueindex(2), ++at) == LUA_TNIL)
            break;
        lua_pushvalue(L, 1);
    } while (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL);
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(3));
    return lua_gettop(L);
}

static int three_results(lua_State *L, int status, lua_KContext unused) {
    (void)L, (void)status, (void)unused;
    return 3;
}

int sandbox_pairs(lua_State *L) {
    luaL_checkany(L, 1);
    sandbox_charge(L, 1);
    lua_settop(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_insert(L, 1);
        lua_callk(L, 1, 3, 0, three_results);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, 1);
    sandbox_unprotect_table(L, 1);
    lua_pushvalue(L, 1);
    push_keys(L);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_pair, 3);
    lua_insert(L, 2);
    lua_pushnil(L);
    return 3;
}
