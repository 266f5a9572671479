/* lua_cache.c -- caches as Lua objects. What is made of these in Lua is in cache.lua.
 *
 * A call's trees lie in its `work`. While Lua may run other code (a computation, a
 * finalizer as results are pushed) the work is busy, and a call that comes in between
 * makes one of its own. */
#include "lua_cache_inner.h"

#include <stdlib.h>
#include <string.h>

#include "cache_lua.h"

#define WORK_TYPE "cairn.cache.work"

/* -- Work -------------------------------------------------------------------------- */

void cache_work_clear(struct lua_work *work) {
    if (work->has_reading)
        cairn_reading_release(&work->reading);
    work->has_reading = false;
    cairn_arena_free(&work->arena);
    cairn_arena_init(&work->arena);
}

static int work_gc(lua_State *L) {
    cache_work_clear(luaL_checkudata(L, 1, WORK_TYPE));
    return 0;
}

/* Pushes one value that must stay during the call. */
struct lua_work *cache_take_work(lua_State *L, struct cache_box *box) {
    if (!box->work->busy) {
        cache_work_clear(box->work); /* what a call that raised left behind */
        lua_pushnil(L);
        return box->work;
    }
    struct lua_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    work->busy = work->has_reading = false;
    cairn_arena_init(&work->arena);
    luaL_setmetatable(L, WORK_TYPE);
    return work;
}

/* -- Arguments --------------------------------------------------------------------- */

/* A message, or bytes where those make sense, too. */
struct cairn_value cache_check_value(lua_State *L, int index, const char *name,
                                     struct lua_work *work) {
    int type = lua_type(L, index);
    if (type != LUA_TTABLE && type != LUA_TSTRING)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "%s: message or string expected, got %s", name,
                                      luaL_typename(L, index)));
    struct cairn_value value = cairn_lua_to_value(L, index, name, &work->arena);
    if (value.type == CAIRN_VALUE_LIST)
        luaL_argerror(L, index, lua_pushfstring(L, "%s: a list is no message", name));
    return value;
}

/* A base or a request: a string is an id (or a path), a table a message. */
struct cairn_party cache_check_party(lua_State *L, int index, const char *name,
                                     struct lua_work *work, struct cairn_value *room) {
    if (lua_type(L, index) == LUA_TSTRING && lua_rawlen(L, index) <= CAIRN_PATH_MAX) {
        struct cairn_party party = {.message = NULL}; /* most are ids: no detours */
        party.id.data = lua_tolstring(L, index, &party.id.size);
        return party;
    }
    *room = cache_check_value(L, index, name, work);
    if (room->type == CAIRN_VALUE_BYTES)
        return (struct cairn_party){.id = room->as.bytes};
    return (struct cairn_party){.message = room};
}

/* -- Asking the cache alone ---------------------------------------------------------
 */

static int cache_id(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_id id;
    lua_settop(L, 2);
    struct lua_work *work = cache_take_work(L, box);
    struct cairn_value value = cache_check_value(L, 2, "message", work);
    struct cairn_cache *cache = opened(L, box);
    enum cairn_status status = value.type == CAIRN_VALUE_BYTES
                                   ? cairn_id_of_bytes(value.as.bytes, &id, &error)
                                   : cairn_cache_id(cache, &value, &id, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_id_slice(&id));
    return 1;
}

static int cache_stats(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_cache_counts counts;
    cairn_cache_counts(box->cache, &counts);
    lua_createtable(L, 0, 14);
#define COUNT(name) set_integer(L, #name, (int64_t)counts.name)
    COUNT(hits);
    COUNT(misses);
    COUNT(bypasses);
    COUNT(stale);
    COUNT(stored);
    COUNT(refused);
    COUNT(purged);
    COUNT(evicted);
    COUNT(computed);
    COUNT(compute_failed);
    COUNT(coalesced);
    COUNT(queued);
    COUNT(lost);
    COUNT(result_bytes);
#undef COUNT
    return 1;
}

/* -- Opening, closing -------------------------------------------------------------- */

struct cache_ref *cairn_lua_checkcache(lua_State *L, int index) {
    struct cache_box *box = luaL_checkudata(L, index, CACHE_TYPE);
    luaL_argcheck(L, box->cache, index, "the cache is closed");
    return box->ref;
}

void cairn_lua_retain_cache(struct cache_ref *ref) {
    atomic_fetch_add_explicit(&ref->users, 1, memory_order_relaxed);
}

void cairn_lua_release_cache(struct cache_ref *ref) {
    if (!ref || atomic_fetch_sub(&ref->users, 1) != 1)
        return;
    cairn_cache_close(ref->cache);
    cairn_lua_release_chain(ref->chain);
    policy_host_release(ref->policies);
    lua_clock_release(ref->clock);
    free(ref);
}

static void release(struct cache_box *box) {
    cache_drop_resolving(box->resolving);
    box->resolving = NULL;
    if (box->work)
        cache_work_clear(box->work);
    free(box->work);
    box->work = NULL;
    box->cache = NULL;
    cairn_lua_release_cache(box->ref);
    box->ref = NULL;
}

static int cache_close(lua_State *L) {
    struct cache_box *box = luaL_checkudata(L, 1, CACHE_TYPE);
    luaL_argcheck(L, box->calls == 0, 1, "the cache is in use by a computation");
    box->cache = NULL;
    if (!box->work ||
        !box->work->busy) /* else the collector does: Lua is being given */
        release(box);     /* what was read, and a finalizer closes it */
    return 0;
}

static int cache_gc(lua_State *L) {
    release(luaL_checkudata(L, 1, CACHE_TYPE));
    return 0;
}

static unsigned scopes_of(lua_State *L, int list) {
    static const struct {
        const char *name;
        enum cairn_scope scope;
    } known[] = {{"local", CAIRN_SCOPE_LOCAL},
                 {"remote", CAIRN_SCOPE_REMOTE},
                 {"cluster", CAIRN_SCOPE_CLUSTER}};
    unsigned scopes = 0;
    for (size_t i = 1; lua_rawgeti(L, list, (lua_Integer)i) != LUA_TNIL; i++) {
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        unsigned scope = 0;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (strcmp(name, known[k].name) == 0)
                scope = known[k].scope;
        if (!scope)
            luaL_error(L, "store_scope: local, remote or cluster expected, got '%s'",
                       name);
        scopes |= scope;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return scopes;
}

/* The settings that cache.lua has checked and filled. */
static void check_settings(lua_State *L, int index, struct cairn_cache_options *out) {
    struct cairn_slice text;
    int64_t number = 0;
    *out = (struct cairn_cache_options){.ids = CAIRN_IDS_SAFE};
    out->node = cache_check_directives(L, index, "cache_control");
    if (cairn_lua_string(L, index, "ids", &text) &&
        cairn_slice_equal(text, cairn_slice_of("reference")))
        out->ids = CAIRN_IDS_REFERENCE;
    if (cairn_lua_string(L, index, "hashpath", &text)) {
        out->hashpath_ignored = cairn_slice_equal(text, cairn_slice_of("ignore"));
        if (!out->hashpath_ignored)
            (void)cairn_hashpath_algorithm_of(text, &out->hashpath, NULL);
    }
    cairn_lua_boolean(L, index, "no_heuristics", &out->no_heuristics);
    cairn_lua_integer(L, index, "budget", &number);
    out->budget_bytes = (uint64_t)number;
    number = 0;
    cairn_lua_integer(L, index, "queue", &number);
    out->queue_bytes = (size_t)number;
    if (cairn_lua_field(L, index, "scopes") == LUA_TTABLE)
        out->lookup_scopes = scopes_of(L, lua_gettop(L));
}

static void name_members(struct cache_ref *ref) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    size_t count = cairn_chain_members(ref->chain->chain, NULL, facts, CAIRN_CHAIN_MAX);
    for (size_t i = 0; i < count && i < CAIRN_CHAIN_MAX; i++)
        ref->members[i] = facts[i].name;
}

/* Pushes an object without a cache. */
static struct cache_box *new_box(lua_State *L) {
    struct cache_box *box = lua_newuserdatauv(L, sizeof *box, CACHE_USER_VALUES);
    *box = (struct cache_box){.cache = NULL};
    luaL_setmetatable(L, CACHE_TYPE);
    box->work = calloc(1, sizeof *box->work);
    if (!box->work)
        luaL_error(L, "not enough memory");
    return box;
}

/* The object has taken the reference over. */
static void be_opened(struct cache_box *box, struct cache_ref *ref) {
    box->ref = ref;
    box->cache = ref->cache;
    box->clock = ref->clock;
    box->members = ref->members;
}

/* What a cache is made of, kept by the object from the first on. */
static struct cache_ref *collect(lua_State *L, struct cache_box *box, int chain,
                                 int policies, int clock) {
    struct cache_ref *ref = box->ref = calloc(1, sizeof *ref);
    if (!ref)
        luaL_error(L, "not enough memory");
    atomic_init(&ref->users, 1);
    ref->clock = cairn_lua_toclock(L, clock, "clock");
    ref->chain = cairn_lua_checkchain(L, chain);
    cairn_lua_retain_chain(ref->chain);
    if (!lua_isnil(L, policies)) {
        ref->policies = cairn_lua_checkpolicies(L, policies);
        policy_host_retain(ref->policies);
    }
    name_members(ref);
    return ref;
}

/* core.open(chain, policies or nil, clock or nil, settings) */
static int core_open(lua_State *L) {
    struct cairn_cache_options options;
    struct cairn_error error;
    lua_settop(L, 4);
    check_settings(L, 4, &options);
    struct cache_box *box = new_box(L);
    int at = lua_gettop(L);
    lua_newtable(L);
    lua_setiuservalue(L, at, CACHE_OWN);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, at, CACHE_CLOCK);
    struct cache_ref *ref = collect(L, box, 1, 2, 3);
    enum cairn_status status = cairn_cache_open(
        ref->chain->chain, ref->policies ? policy_host_policy(ref->policies) : NULL,
        &options, &ref->cache, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    be_opened(box, ref);
    return 1;
}

/* Pushes the table that cache.lua fills where a cache is opened. */
static void push_own(lua_State *L, const struct cache_ref *ref) {
    lua_createtable(L, 0, 4);
    cairn_lua_push_chain(L, ref->chain);
    lua_setfield(L, -2, "chain");
    if (ref->policies)
        cairn_lua_push_policies(L, ref->policies);
    else
        lua_pushboolean(L, false);
    lua_setfield(L, -2, "policies");
    lua_newtable(L);
    lua_setfield(L, -2, "pending");
    lua_newtable(L);
    lua_setfield(L, -2, "waiting");
}

void cairn_lua_push_cache(lua_State *L, struct cache_ref *ref) {
    luaL_checkstack(L, 8, "a cache");
    struct cache_box *box = new_box(L);
    int at = lua_gettop(L);
    push_own(L, ref);
    lua_setiuservalue(L, at, CACHE_OWN);
    cairn_lua_push_clock(L, ref->clock);
    lua_setiuservalue(L, at, CACHE_CLOCK);
    cairn_lua_retain_cache(ref);
    be_opened(box, ref);
}

/* core.own(cache): the table that belongs to it. */
static int core_own(lua_State *L) {
    luaL_checkudata(L, 1, CACHE_TYPE);
    lua_getiuservalue(L, 1, CACHE_OWN);
    return 1;
}

static const luaL_Reg methods[] = {
    {"close", cache_close},
    {"delete", cache_delete},
    {"flush", cache_flush},
    {"id", cache_id},
    {"link", cache_link},
    {"purge", cache_purge},
    {"read", cache_read},
    {"read_resolved", cache_read_resolved},
    {"stats", cache_stats},
    {"sweep", cache_sweep},
    {"trim", cache_trim},
    {"write", cache_write},
    {"write_binary", cache_write_binary},
    {"write_hashpath", cache_write_hashpath},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__close", cache_close},
    {"__gc", cache_gc},
    {NULL, NULL},
};

/* Methods; else `chain` and `policies`, which belong to the object. */
static int cache_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "chain") != 0 && strcmp(name, "policies") != 0)
        return 1;
    luaL_checkudata(L, 1, CACHE_TYPE);
    lua_getiuservalue(L, 1, CACHE_OWN);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static const luaL_Reg core[] = {
    {"open", core_open},
    {"own", core_own},
    {"resolve", cache_push_resolve},
    {NULL, NULL},
};

/* Runs cache.lua with the module, the class and what only C can do. */
static void run_lua_part(lua_State *L, int module) {
    if (luaL_loadbufferx(L, (const char *)cache_lua, sizeof cache_lua - 1,
                         "@cairn/cache.lua", "t") != LUA_OK)
        lua_error(L);
    lua_pushvalue(L, module);
    luaL_getmetatable(L, CACHE_TYPE);
    luaL_newlib(L, core);
    lua_call(L, 3, 0);
}

void cairn_lua_init_cache(lua_State *L) {
    int module = lua_gettop(L);
    cairn_lua_class(L, CACHE_TYPE, methods, metamethods);
    if (luaL_newmetatable(L, WORK_TYPE)) {
        lua_pushcfunction(L, work_gc);
        lua_setfield(L, -2, "__gc");
    }
    cache_init_calls(L);
    cache_init_resolve(L);
    lua_settop(L, module);
    run_lua_part(L, module);
    luaL_getmetatable(L, CACHE_TYPE);
    lua_getfield(L, -1, "__index");
    lua_pushcclosure(L, cache_index, 1);
    lua_setfield(L, -2, "__index");
    lua_settop(L, module);
}
