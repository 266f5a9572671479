/* policy_facts.c -- from the engine's facts to the table that a script is given. */
#include "policy_facts.h"

#include <lauxlib.h>

#include "policy_directives.h"

enum { TEXT_MAX = 1024 }; /* longer values of messages are not shown */

/* Setters of the table at the top of the stack. Names are literals: Lua knows them by
 * their address and does not hash them again. */

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushstring(L, name);
    lua_pushinteger(L, value);
    lua_rawset(L, -3);
}

static void set_boolean(lua_State *L, const char *name, bool value) {
    lua_pushstring(L, name);
    lua_pushboolean(L, value);
    lua_rawset(L, -3);
}

static void set_text(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, name);
    lua_pushstring(L, text);
    lua_rawset(L, -3);
}

static bool push_slice(lua_State *L, struct cairn_slice bytes) {
    lua_pushlstring(L, bytes.size ? bytes.data : "", bytes.size);
    return true;
}

static bool push_integer(lua_State *L, int64_t value) {
    lua_pushinteger(L, value);
    return true;
}

/* Sizes beyond what Lua counts do not exist. */
static bool push_size(lua_State *L, uint64_t size) {
    return push_integer(L, size > INT64_MAX ? INT64_MAX : (int64_t)size);
}

static bool push_nothing(lua_State *L) {
    lua_pushnil(L);
    return true;
}

static bool named(const char *name, const char *wanted) {
    return name[0] == wanted[0] && strcmp(name, wanted) == 0;
}

/* -- What several have ------------------------------------------------------------- */

/* a - b, at the ends of what there is. */
static int64_t between(int64_t a, int64_t b) {
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return a > b ? INT64_MAX : INT64_MIN;
    return difference;
}

static void set_span(lua_State *L, const char *name, int64_t ms) {
    if (ms != CAIRN_FOREVER)
        set_integer(L, name, ms);
}

static bool push_kept(lua_State *L, const struct cairn_kept *kept, int64_t now_ms) {
    if (!kept)
        return push_nothing(L);
    lua_createtable(L, 0, 8);
    set_integer(L, "age", between(now_ms, kept->created_ms));
    if (kept->fresh_until_ms != CAIRN_FOREVER)
        set_integer(L, "stale_for", between(now_ms, kept->fresh_until_ms));
    set_span(L, "while_revalidate", kept->while_revalidate_ms);
    set_span(L, "if_error", kept->if_error_ms);
    set_boolean(L, "must_revalidate", kept->must_revalidate);
    lua_pushliteral(L, "size");
    push_size(L, kept->size_bytes);
    lua_rawset(L, -3);
    set_integer(L, "cost", kept->cost_ms);
    lua_pushliteral(L, "priority");
    lua_pushnumber(L, kept->priority);
    lua_rawset(L, -3);
    return true;
}

/* The keys whose values are short bytes; {} for what is no message. */
static bool push_texts(lua_State *L, const struct cairn_value *message) {
    lua_newtable(L);
    if (!message || message->type != CAIRN_VALUE_MESSAGE)
        return true;
    for (size_t i = 0; i < message->count; i++) {
        const struct cairn_pair *pair = &message->as.fields[i];
        if (pair->value.type != CAIRN_VALUE_BYTES ||
            pair->value.as.bytes.size > TEXT_MAX)
            continue;
        push_slice(L, pair->key);
        push_slice(L, pair->value.as.bytes);
        lua_rawset(L, -3);
    }
    return true;
}

/* -- Cache control ----------------------------------------------------------------- */

static void push_cache(lua_State *L, const struct cairn_cache_facts *facts) {
    lua_createtable(L, 0, 4);
    set_text(L, "moment", policy_moment_names[facts->moment]);
    policy_directives_set(L, "node", &facts->node);
    policy_directives_set(L, "result", &facts->result);
    policy_directives_set(L, "request", &facts->request);
    if (facts->hashpath_ignored)
        set_text(L, "hashpath", "ignore");
}

static bool push_cache_volatile(lua_State *L, const struct cairn_cache_facts *facts,
                                const char *name) {
    bool storing = facts->moment == CAIRN_AT_STORE;
    if (named(name, "now"))
        return push_integer(L, facts->now_ms);
    if (named(name, "base"))
        return push_slice(L, facts->base);
    if (named(name, "path"))
        return push_slice(L, facts->path);
    if (named(name, "asked"))
        return push_texts(L, facts->asked);
    if (named(name, "answer"))
        return push_texts(L, facts->answer);
    if (named(name, "size"))
        return storing ? push_size(L, facts->size_bytes) : push_nothing(L);
    if (named(name, "cost"))
        return storing ? push_integer(L, facts->cost_ms) : push_nothing(L);
    if (named(name, "kept"))
        return push_kept(L, facts->kept, facts->now_ms);
    if (!named(name, "failure"))
        return false;
    if (facts->moment != CAIRN_AT_ERROR)
        return push_nothing(L);
    lua_pushstring(L, cairn_status_word(facts->failure));
    return true;
}

/* -- Chain ------------------------------------------------------------------------- */

static void push_member(lua_State *L, const struct cairn_member_facts *member) {
    lua_createtable(L, 0, 8);
    set_text(L, "name", member->name);
    set_text(L, "backend", member->backend);
    set_text(L, "scope", policy_scope_name(member->scope));
    set_boolean(L, "read", member->flags & CAIRN_MEMBER_READS);
    set_boolean(L, "write", member->flags & CAIRN_MEMBER_WRITES);
    set_boolean(L, "tier", member->flags & CAIRN_MEMBER_TIER);
    set_boolean(L, "failing", member->flags & CAIRN_MEMBER_FAILING);
}

static void push_chain(lua_State *L, const struct cairn_chain_facts *facts) {
    lua_createtable(L, 0, 4);
    set_text(L, "action", policy_action_names[facts->action]);
    set_text(L, "operation", facts->operation ? facts->operation : "");
    lua_pushliteral(L, "stores");
    lua_createtable(L, (int)facts->count, 0);
    for (size_t i = 0; i < facts->count; i++) {
        push_member(L, &facts->members[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawset(L, -3);
}

static bool push_health(lua_State *L, const struct cairn_chain_facts *facts) {
    lua_createtable(L, 0, (int)facts->count);
    for (size_t i = 0; i < facts->count; i++) {
        const struct cairn_member_facts *member = &facts->members[i];
        lua_pushstring(L, member->name);
        lua_createtable(L, 0, 2);
        set_integer(L, "failures", member->failures);
        lua_pushliteral(L, "latency");
        lua_pushnumber(L, (double)member->latency_us / 1000);
        lua_rawset(L, -3);
        lua_rawset(L, -3);
    }
    return true;
}

static bool push_chain_volatile(lua_State *L, const struct cairn_chain_facts *facts,
                                const char *name) {
    if (named(name, "path"))
        return push_slice(L, facts->path);
    if (named(name, "size"))
        return push_size(L, facts->size_bytes);
    if (named(name, "now"))
        return push_integer(L, facts->now_ms);
    return named(name, "health") && push_health(L, facts);
}

/* -- Eviction ---------------------------------------------------------------------- */

static bool push_tags(lua_State *L, struct cairn_slice tags) {
    size_t at = 0;
    lua_newtable(L);
    for (lua_Integer i = 1; at < tags.size; i++) {
        size_t size = strnlen(tags.data + at, tags.size - at);
        lua_pushlstring(L, tags.data + at, size);
        lua_rawseti(L, -2, i);
        at += size + 1;
    }
    return true;
}

static bool push_eviction_volatile(lua_State *L,
                                   const struct cairn_eviction_facts *facts,
                                   const char *name) {
    if (named(name, "now"))
        return push_integer(L, facts->now_ms);
    if (named(name, "used"))
        return push_size(L, facts->used_bytes);
    if (named(name, "budget"))
        return push_size(L, facts->budget_bytes);
    if (named(name, "base"))
        return push_slice(L, facts->base);
    if (named(name, "path"))
        return push_slice(L, facts->path);
    if (named(name, "kept"))
        return push_kept(L, facts->kept, facts->now_ms);
    if (named(name, "idle"))
        return facts->idle_ms < 0 ? push_nothing(L) : push_integer(L, facts->idle_ms);
    if (named(name, "hits"))
        return push_size(L, facts->hits);
    return named(name, "tags") && push_tags(L, facts->tags);
}

/* -- All --------------------------------------------------------------------------- */

void policy_facts_push(lua_State *L, const struct policy_ask *ask) {
    switch (ask->question) {
    case POLICY_CACHE_CONTROL:
        push_cache(L, ask->facts.cache);
        break;
    case POLICY_CHAIN:
        push_chain(L, ask->facts.chain);
        break;
    default:
        lua_newtable(L);
    }
}

/* A script that asks for a plain fact that is not given comes here, too. */
static bool is_plain(const char *name) {
    return named(name, "node") || named(name, "result") || named(name, "request") ||
           named(name, "hashpath");
}

bool policy_facts_push_volatile(lua_State *L, const struct policy_ask *ask,
                                const char *name) {
    if (is_plain(name))
        return false;
    switch (ask->question) {
    case POLICY_CACHE_CONTROL:
        return push_cache_volatile(L, ask->facts.cache, name);
    case POLICY_CHAIN:
        return push_chain_volatile(L, ask->facts.chain, name);
    default:
        return push_eviction_volatile(L, ask->facts.eviction, name);
    }
}
