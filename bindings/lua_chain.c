/* lua_chain.c -- `cairn.chain`: several stores as one object. */
#include "lua_chain.h"

#include <stdlib.h>

#include "lua_policies.h"

#define HOLD_TYPE "cairn.chain.hold"

/* -- References ------------------------------------------------------------------- */

struct chain_ref *cairn_lua_checkchain(lua_State *L, int index) {
    struct chain_box *box = luaL_checkudata(L, index, CHAIN_TYPE);
    luaL_argcheck(L, box->ref, index, "the chain is closed");
    return box->ref;
}

void cairn_lua_retain_chain(struct chain_ref *ref) {
    atomic_fetch_add_explicit(&ref->users, 1, memory_order_relaxed);
}

void cairn_lua_release_chain(struct chain_ref *ref) {
    if (!ref || atomic_fetch_sub(&ref->users, 1) != 1)
        return;
    cairn_chain_close(ref->chain);
    policy_host_release(ref->policies);
    for (size_t i = 0; i < ref->store_count; i++)
        cairn_lua_release(ref->stores[i]);
    if (ref->whole)
        cairn_lua_release_chain(ref->whole);
    else
        lua_clock_release(ref->clock);
    free(ref);
}

void chain_hold_take(struct chain_hold *hold, struct chain_ref *ref) {
    hold->ref = ref;
    cairn_lua_retain_chain(ref);
}

void chain_hold_drop(struct chain_hold *hold) {
    cairn_view_release(&hold->view);
    lua_listing_free(&hold->listing);
    cairn_lua_release_chain(hold->ref);
    hold->ref = NULL;
}

struct chain_hold *chain_hold_new(lua_State *L) {
    struct chain_hold *hold = lua_newuserdatauv(L, sizeof *hold, 0);
    *hold = (struct chain_hold){.ref = NULL};
    luaL_setmetatable(L, HOLD_TYPE);
    return hold;
}

static int hold_gc(lua_State *L) {
    chain_hold_drop(luaL_checkudata(L, 1, HOLD_TYPE));
    return 0;
}

/* A listing that is away is closed when it is back; its chain stays until it is
 * collected. */
static int hold_close(lua_State *L) {
    struct chain_hold *hold = luaL_checkudata(L, 1, HOLD_TYPE);
    if (!hold->listing.is_away)
        return hold_gc(L);
    lua_listing_close(&hold->listing);
    return 0;
}

static struct chain_box *new_box(lua_State *L) {
    struct chain_box *box = lua_newuserdatauv(L, sizeof *box, CHAIN_USER_VALUES);
    *box = (struct chain_box){.ref = NULL};
    luaL_setmetatable(L, CHAIN_TYPE);
    return box;
}

struct chain_box *chain_new(lua_State *L) {
    struct chain_box *box = new_box(L);
    box->ref = calloc(1, sizeof *box->ref);
    if (!box->ref)
        luaL_error(L, "not enough memory");
    atomic_init(&box->ref->users, 1);
    return box;
}

void cairn_lua_push_chain(lua_State *L, struct chain_ref *ref) {
    struct chain_box *box = new_box(L);
    int at = lua_gettop(L);
    cairn_lua_push_clock(L, ref->clock);
    lua_setiuservalue(L, at, CHAIN_CLOCK);
    box->clock = ref->clock;
    chain_keep_names(L, at, ref);
    box->ref = ref;
    cairn_lua_retain_chain(ref);
}

void chain_take_clock(struct chain_box *box, struct lua_clock *clock) {
    box->clock = box->ref->clock = clock;
    lua_clock_set(clock, &box->ref->context);
}

void chain_note_scopes(struct chain_ref *ref) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    size_t count = cairn_chain_members(ref->chain, NULL, facts, CAIRN_CHAIN_MAX);
    for (size_t i = 0; i < count; i++)
        ref->scopes |= facts[i].scope;
}

void chain_keep_names(lua_State *L, int index, const struct chain_ref *ref) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    size_t count = cairn_chain_members(ref->chain, NULL, facts, CAIRN_CHAIN_MAX);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, facts[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setiuservalue(L, index, CHAIN_NAMES);
}

/* -- Members, as they are given --------------------------------------------------- */

/* What is wrong with the i-th member; raises. */
static void refuse_member(lua_State *L, int members, lua_Integer i, const char *what) {
    luaL_argerror(L, members, lua_pushfstring(L, "members[%I]: %s", i, what));
}

static bool member_flag(lua_State *L, int members, lua_Integer i, const char *name,
                        bool preset) {
    int type = cairn_lua_field(L, lua_gettop(L), name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        refuse_member(L, members, i,
                      lua_pushfstring(L, "%s: boolean expected, got %s", name,
                                      luaL_typename(L, -1)));
    bool value = type == LUA_TNIL ? preset : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static unsigned member_flags(lua_State *L, int members, lua_Integer i) {
    unsigned flags = 0;
    if (member_flag(L, members, i, "read", true))
        flags |= CAIRN_MEMBER_READS;
    if (member_flag(L, members, i, "write", true))
        flags |= CAIRN_MEMBER_WRITES;
    if (!flags)
        refuse_member(L, members, i, "may be neither read nor written");
    if (member_flag(L, members, i, "tier", false))
        flags |= CAIRN_MEMBER_TIER;
    return flags;
}

static void check_keys(lua_State *L, int members, lua_Integer i) {
    static const char *const known[] = {"store", "name",  "read", "write",
                                        "tier",  "scope", NULL};
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        size_t at = 0;
        while (known[at] && strcmp(known[at], key) != 0)
            at++;
        if (!known[at])
            refuse_member(L, members, i,
                          lua_pushfstring(L, "there is no option '%s'", key));
    }
}

/* The name, kept by the caller's table; NULL: the backend's. */
static const char *member_name(lua_State *L, int members, lua_Integer i, int anchors) {
    int type = cairn_lua_field(L, lua_gettop(L), "name");
    const char *name = NULL;
    if (type == LUA_TSTRING) {
        size_t size;
        name = lua_tolstring(L, -1, &size);
        if (size == 0 || strlen(name) != size)
            refuse_member(L, members, i, "name: empty, or with a NUL in it");
        lua_pushvalue(L, -1);
        lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
    } else if (type != LUA_TNIL) {
        refuse_member(
            L, members, i,
            lua_pushfstring(L, "name: string expected, got %s", luaL_typename(L, -1)));
    }
    lua_pop(L, 1);
    return name;
}

/* 0: the backend's. */
static enum cairn_scope member_scope(lua_State *L, int members, lua_Integer i) {
    int type = cairn_lua_field(L, lua_gettop(L), "scope");
    enum cairn_scope scope = chain_scope_named(L, -1);
    if (type != LUA_TNIL && !scope)
        refuse_member(L, members, i, "scope: one of local, remote, cluster expected");
    lua_pop(L, 1);
    return scope;
}

/* The value on top of the stack is a store, or says where one is; its place is taken by
 * the store. False: it could not be opened; nil, message, code are on top. */
static bool open_store(lua_State *L, int members, lua_Integer i) {
    int type = lua_type(L, -1);
    if (type == LUA_TUSERDATA)
        return true; /* which it is, is checked when it is taken */
    if (type != LUA_TSTRING && type != LUA_TTABLE)
        refuse_member(L, members, i,
                      lua_pushfstring(L, "store, URL or table expected, got %s",
                                      luaL_typename(L, -1)));
    int top = lua_gettop(L);
    lua_pushcfunction(L, cairn_lua_open);
    lua_insert(L, top);
    lua_call(L, 1, LUA_MULTRET);
    return lua_gettop(L) == top;
}

/* Reads the i-th member into `out` and takes its store into the chain's keeping. As
 * open_store: false, and nil, message, code. */
static bool take_member(lua_State *L, int members, lua_Integer i, int anchors,
                        struct chain_ref *ref, struct cairn_chain_member *out) {
    *out = (struct cairn_chain_member){.name = NULL};
    int top = lua_gettop(L);
    if (lua_rawgeti(L, members, i) == LUA_TTABLE) {
        check_keys(L, members, i);
        out->flags = member_flags(L, members, i);
        out->scope = member_scope(L, members, i);
        out->name = member_name(L, members, i, anchors);
        if (cairn_lua_field(L, lua_gettop(L), "store") == LUA_TNIL)
            refuse_member(L, members, i, "no store is named");
    }
    if (!open_store(L, members, i))
        return false;
    if (!luaL_testudata(L, -1, "cairn.Store"))
        refuse_member(L, members, i, "store: a cairn.Store expected");
    struct store_ref *store = cairn_lua_checkstore(L, lua_gettop(L));
    cairn_lua_retain(store);
    ref->stores[ref->store_count++] = store;
    out->store = store->store;
    lua_settop(L, top);
    return true;
}

/* -- Opening ---------------------------------------------------------------------- */

/* cairn.chain's own, whose options are argument 2. */
static void check_policies(lua_State *L, int index) {
    bool none =
        lua_isnil(L, index) || (lua_isboolean(L, index) && !lua_toboolean(L, index));
    if (!none && !luaL_testudata(L, index, POLICIES_TYPE))
        luaL_argerror(L, 2,
                      lua_pushfstring(L,
                                      "options.policies: cairn.Policies or false "
                                      "expected, got %s",
                                      luaL_typename(L, index)));
}

/* The host that decides, for the value at `index`; retained by the chain. False: the
 * default policies could not be had, nil, message, code are on top. */
static bool take_policies(lua_State *L, int index, struct chain_ref *ref) {
    int top = lua_gettop(L);
    if (lua_isboolean(L, index) && !lua_toboolean(L, index))
        return true;
    if (lua_isnil(L, index)) {
        lua_pushcfunction(L, cairn_lua_policies);
        lua_call(L, 0, LUA_MULTRET);
        if (lua_isnil(L, top + 1))
            return false;
        index = top + 1;
    }
    ref->policies = cairn_lua_checkpolicies(L, index);
    policy_host_retain(ref->policies);
    lua_settop(L, top);
    return true;
}

int cairn_lua_open_chain(lua_State *L, int members, int policies, int clock) {
    struct cairn_chain_member given[CAIRN_CHAIN_MAX];
    struct cairn_error error;
    luaL_checkstack(L, 24, NULL);
    cairn_lua_table(L, members, "members");
    lua_Integer count = (lua_Integer)lua_rawlen(L, members);
    if (count == 0 || count > CAIRN_CHAIN_MAX)
        luaL_argerror(L, members,
                      lua_pushfstring(L, "members: 1 to %d expected, got %I",
                                      CAIRN_CHAIN_MAX, count));
    lua_newtable(L); /* keeps the names */
    int anchors = lua_gettop(L);
    struct chain_box *box = chain_new(L);
    int at = lua_gettop(L);
    chain_take_clock(box, cairn_lua_toclock(L, clock, "clock"));
    lua_pushvalue(L, clock);
    lua_setiuservalue(L, at, CHAIN_CLOCK);
    for (lua_Integer i = 1; i <= count; i++)
        if (!take_member(L, members, i, anchors, box->ref, &given[i - 1]))
            return 3;
    if (!take_policies(L, policies, box->ref))
        return 3;
    struct chain_ref *ref = box->ref;
    enum cairn_status status = cairn_chain_open(
        given, (size_t)count, ref->policies ? policy_host_policy(ref->policies) : NULL,
        &ref->chain, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    chain_note_scopes(ref);
    chain_keep_names(L, at, ref);
    lua_settop(L, at);
    return 1;
}

int cairn_lua_chain(lua_State *L) {
    static const char *const known[] = {"policies", "clock", NULL};
    lua_settop(L, 2);
    cairn_lua_table(L, 1, "members");
    if (cairn_lua_options(L, 2, known)) {
        cairn_lua_field(L, 2, "policies");
        check_policies(L, 3);
        cairn_lua_field(L, 2, "clock");
    } else {
        lua_settop(L, 4);
    }
    return cairn_lua_open_chain(L, 1, 3, 4);
}

/* -- The class -------------------------------------------------------------------- */

static int chain_close(lua_State *L) {
    struct chain_box *box = luaL_checkudata(L, 1, CHAIN_TYPE);
    cairn_view_release(&box->pinned);
    cairn_lua_release_chain(box->ref);
    box->ref = NULL;
    return 0;
}

static int chain_tostring(lua_State *L) {
    struct chain_box *box = luaL_checkudata(L, 1, CHAIN_TYPE);
    luaL_Buffer text;
    if (!box->ref) {
        lua_pushliteral(L, "cairn.Chain (closed)");
        return 1;
    }
    lua_getiuservalue(L, 1, CHAIN_NAMES);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    luaL_buffinit(L, &text);
    luaL_addstring(&text, "cairn.Chain (");
    for (lua_Integer i = 1; i <= count; i++) {
        luaL_addstring(&text, i > 1 ? ", " : "");
        lua_getiuservalue(L, 1, CHAIN_NAMES);
        lua_rawgeti(L, -1, i);
        lua_remove(L, -2);
        luaL_addvalue(&text);
    }
    luaL_addchar(&text, ')');
    luaL_pushresult(&text);
    return 1;
}

static const luaL_Reg chain_methods[] = {
    {"close", chain_close},
    {"delete", chain_delete},
    {"filter", chain_filter},
    {"group", chain_group},
    {"link", chain_link},
    {"list", chain_list},
    {"members", chain_members},
    {"read", chain_read},
    {"reset", chain_reset},
    {"resolve", chain_resolve},
    {"scope", chain_scope},
    {"sort", chain_sort},
    {"stat", chain_stat},
    {"sync", chain_sync},
    {"type", chain_type},
    {"write", chain_write},
    {NULL, NULL},
};

static const luaL_Reg chain_metamethods[] = {
    {"__close", chain_close},
    {"__gc", chain_close},
    {"__tostring", chain_tostring},
    {NULL, NULL},
};

static const luaL_Reg hold_methods[] = {{NULL, NULL}};

static const luaL_Reg hold_metamethods[] = {
    {"__close", hold_close},
    {"__gc", hold_gc},
    {NULL, NULL},
};

void cairn_lua_init_chain(lua_State *L) {
    chain_init_calls(L);
    cairn_lua_class(L, HOLD_TYPE, hold_methods, hold_metamethods);
    cairn_lua_class(L, CHAIN_TYPE, chain_methods, chain_metamethods);
}
