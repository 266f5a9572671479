/* lua_chain_members.c -- the members of a chain as Lua sees them, and narrower chains
 * of them. */
#include "lua_chain.h"

/* -- Members, as they are --------------------------------------------------------- */

static void set_boolean(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void push_counts(lua_State *L, const struct cairn_member_counts *counts) {
    lua_createtable(L, 0, 8);
    set_integer(L, "asked", counts->asked);
    set_integer(L, "found", counts->found);
    set_integer(L, "missed", counts->missed);
    set_integer(L, "failed", counts->failed);
    set_integer(L, "timed_out", counts->timed_out);
    set_integer(L, "kept_out", counts->kept_out);
    set_integer(L, "promoted", counts->promoted);
    set_integer(L, "written", counts->written);
}

static const char *scope_word(enum cairn_scope scope) {
    return scope == CAIRN_SCOPE_LOCAL    ? "local"
           : scope == CAIRN_SCOPE_REMOTE ? "remote"
                                         : "cluster";
}

/* Pushes a cairn.MemberInfo. The chain is held. */
static void push_info(lua_State *L, struct cairn_chain *chain, size_t i,
                      const struct cairn_member_facts *facts) {
    struct cairn_member_counts counts;
    cairn_chain_counts(chain, i, &counts);
    lua_createtable(L, 0, 12);
    set_string(L, "name", facts->name);
    set_string(L, "url", cairn_store_url(cairn_chain_store(chain, i)));
    set_string(L, "backend", facts->backend);
    set_string(L, "scope", scope_word(facts->scope));
    set_boolean(L, "read", facts->flags & CAIRN_MEMBER_READS);
    set_boolean(L, "write", facts->flags & CAIRN_MEMBER_WRITES);
    set_boolean(L, "tier", facts->flags & CAIRN_MEMBER_TIER);
    set_boolean(L, "failing", facts->flags & CAIRN_MEMBER_FAILING);
    set_integer(L, "failures", facts->failures);
    set_integer(L, "latency_us", (uint64_t)facts->latency_us);
    push_counts(L, &counts);
    lua_setfield(L, -2, "counts");
}

/* Pushes what holds the chain, and fills the facts. */
static size_t hold_members(lua_State *L, struct chain_hold **hold,
                           struct cairn_member_facts facts[CAIRN_CHAIN_MAX]) {
    struct chain_box *box = chain_self(L);
    *hold = chain_hold_new(L);
    struct chain_ref *ref = chain_opened(L, box);
    chain_hold_take(*hold, ref);
    return cairn_chain_members(ref->chain, &ref->context, facts, CAIRN_CHAIN_MAX);
}

int chain_members(lua_State *L) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    struct chain_hold *hold;
    size_t count = hold_members(L, &hold, facts);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_info(L, hold->ref->chain, i, &facts[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    chain_hold_drop(hold);
    return 1;
}

/* -- Narrowing -------------------------------------------------------------------- */

/* Pushes a chain of some members of the one at 1, which is held. Raises without memory,
 * the only way to fail. */
static int narrow(lua_State *L, struct chain_hold *hold, const size_t *members,
                  size_t count) {
    struct cairn_error error;
    struct chain_box *box = chain_new(L);
    int at = lua_gettop(L);
    lua_getiuservalue(L, 1, CHAIN_CLOCK);
    lua_setiuservalue(L, at, CHAIN_CLOCK);
    chain_take_clock(box, hold->ref->clock);
    box->ref->whole = hold->ref;
    cairn_lua_retain_chain(hold->ref);
    if (cairn_chain_narrow(hold->ref->chain, members, count, &box->ref->chain, &error))
        return luaL_error(L, "%s", error.message);
    chain_note_scopes(box->ref);
    chain_keep_names(L, at, box->ref);
    chain_hold_drop(hold);
    return 1;
}

int chain_filter(lua_State *L) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    struct chain_hold *hold;
    size_t members[CAIRN_CHAIN_MAX], kept = 0;
    cairn_lua_function(L, 2, "predicate");
    size_t count = hold_members(L, &hold, facts);
    for (size_t i = 0; i < count; i++) {
        lua_pushvalue(L, 2);
        push_info(L, hold->ref->chain, i, &facts[i]);
        lua_call(L, 1, 1);
        if (lua_toboolean(L, -1))
            members[kept++] = i;
        lua_pop(L, 1);
    }
    return narrow(L, hold, members, kept);
}

enum cairn_scope chain_scope_named(lua_State *L, int slot) {
    static const struct {
        const char *word;
        enum cairn_scope scope;
    } words[] = {{"local", CAIRN_SCOPE_LOCAL},
                 {"remote", CAIRN_SCOPE_REMOTE},
                 {"cluster", CAIRN_SCOPE_CLUSTER}};
    const char *word = lua_type(L, slot) == LUA_TSTRING ? lua_tostring(L, slot) : "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].scope;
    return 0;
}

static enum cairn_scope check_scope(lua_State *L, int slot, int argument) {
    enum cairn_scope scope = chain_scope_named(L, slot);
    if (!scope)
        luaL_argerror(L, argument, "scope: one of local, remote, cluster expected");
    return scope;
}

int chain_scope(lua_State *L) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    struct chain_hold *hold;
    size_t members[CAIRN_CHAIN_MAX], kept = 0;
    unsigned scopes = 0;
    int top = lua_gettop(L);
    luaL_argcheck(L, top > 1, 2, "scope: one of local, remote, cluster expected");
    for (int i = 2; i <= top; i++)
        scopes |= check_scope(L, i, i);
    size_t count = hold_members(L, &hold, facts);
    for (size_t i = 0; i < count; i++)
        if (facts[i].scope & scopes)
            members[kept++] = i;
    return narrow(L, hold, members, kept);
}

/* The score of each scope, by its bit. A list prefers what comes first. */
static void check_scores(lua_State *L, double scores[8]) {
    cairn_lua_table(L, 2, "preference");
    lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, i);
        enum cairn_scope scope = check_scope(L, -1, 2);
        if (scores[scope] == 0)
            scores[scope] = (double)(count - i + 1);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); count == 0 && lua_next(L, 2); lua_pop(L, 1)) {
        enum cairn_scope scope = check_scope(L, -2, 2);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TNUMBER, 2,
                      "preference: scores are numbers");
        scores[scope] = lua_tonumber(L, -1);
        luaL_argcheck(L, scores[scope] == scores[scope], 2,
                      "preference: a score is not a number");
    }
}

/* Insertion keeps the order of equals. */
int chain_sort(lua_State *L) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    struct chain_hold *hold;
    size_t members[CAIRN_CHAIN_MAX];
    double scores[8] = {0};
    lua_settop(L, 2);
    check_scores(L, scores);
    lua_settop(L, 2);
    size_t count = hold_members(L, &hold, facts);
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        while (at > 0 &&
               scores[facts[members[at - 1]].scope] < scores[facts[i].scope]) {
            members[at] = members[at - 1];
            at--;
        }
        members[at] = i;
    }
    return narrow(L, hold, members, count);
}
