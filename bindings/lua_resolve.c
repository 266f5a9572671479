/* lua_resolve.c -- cache:resolve: look up, else compute, else store, in the steps of
 * struct cairn_resolution. */
#include "lua_resolve_inner.h"

/* -- Arguments --------------------------------------------------------------------- */

/* A header line, or a list that becomes one. Pushes one value that must stay. */
struct cairn_directives cache_check_directives(lua_State *L, int options,
                                               const char *name) {
    struct cairn_directives directives = {.line = {"", 0}};
    if (!lua_istable(L, options)) {
        lua_pushnil(L);
        return directives;
    }
    int type = cairn_lua_field(L, options, name);
    if (type == LUA_TNIL)
        return directives;
    directives.given = true;
    if (type == LUA_TSTRING) {
        directives.line.data = lua_tolstring(L, -1, &directives.line.size);
        return directives;
    }
    luaL_argcheck(L, type == LUA_TTABLE, options,
                  lua_pushfstring(L, "%s: string or list of strings expected, got %s",
                                  name, lua_typename(L, type)));
    luaL_Buffer buffer;
    int list = lua_gettop(L);
    size_t count = lua_rawlen(L, list);
    luaL_buffinit(L, &buffer);
    for (size_t i = 1; i <= count; i++) {
        if (lua_rawgeti(L, list, (lua_Integer)i) != LUA_TSTRING)
            luaL_error(L, "%s[%d]: string expected, got %s", name, (int)i,
                       luaL_typename(L, -1));
        luaL_addvalue(&buffer);
        luaL_addstring(&buffer, ", ");
    }
    luaL_pushresult(&buffer);
    lua_replace(L, list);
    directives.line.data = lua_tolstring(L, list, &directives.line.size);
    return directives;
}

static const char *const resolve_options[] = {
    "cache_control", "node_cache_control", "timeout",     "scopes", "explain",
    "refresh",       "coalesce",           "max_waiters", NULL};

/* Pushes two values that must stay while it begins. */
static void check_options(lua_State *L, struct cairn_resolve_options *options,
                          struct cairn_directives *node) {
    bool coalesces = true;
    int64_t most = CAIRN_WAITERS_MOST;
    *options = (struct cairn_resolve_options){.refresh = false};
    *node = (struct cairn_directives){.given = false};
    if (lua_isnil(L, OPTIONS))
        return;
    options->request = cache_check_directives(L, OPTIONS, "cache_control");
    *node = cache_check_directives(L, OPTIONS, "node_cache_control");
    options->refresh = flag_of(L, OPTIONS, "refresh");
    cairn_lua_boolean(L, OPTIONS, "coalesce", &coalesces);
    cairn_lua_integer(L, OPTIONS, "max_waiters", &most);
    luaL_argcheck(L, most >= 1, OPTIONS, "options.max_waiters: at least 1");
    options->alone = !coalesces;
    options->waiters_most = (size_t)most;
}

/* -- What is told ------------------------------------------------------------------ */

static const char *const outcomes[] = {[CAIRN_OUTCOME_HIT] = "hit",
                                       [CAIRN_OUTCOME_MISS] = "miss",
                                       [CAIRN_OUTCOME_BYPASS] = "bypass",
                                       [CAIRN_OUTCOME_STALE] = "stale"};

/* Upvalues of `resolve`, from which what it tells is made without hashing names. */
enum {
    UP_CLASS = 1,
    UP_INFO,     /* the metatable of what it tells: makes `cache_status` when asked */
    UP_REMEMBER, /* what to call when something is to be computed afresh */
    UP_CACHE,
    UP_STATUS,
    UP_STORED,
    UP_REVALIDATE,
    UP_STORE,
    UP_AGE,
    UP_FRESH_FOR,
    UP_HASHPATH,
    UP_COALESCED,
    UP_OUTCOMES, /* four of them */
    UP_COUNT = UP_OUTCOMES + 3,
};

static void set_info(lua_State *L, int key) {
    lua_pushvalue(L, lua_upvalueindex(key));
    lua_insert(L, -2);
    lua_rawset(L, -3);
}

static void set_number(lua_State *L, int key, int64_t value) {
    lua_pushvalue(L, lua_upvalueindex(key));
    lua_pushinteger(L, value);
    lua_rawset(L, -3);
}

static void set_flag(lua_State *L, int key, bool value) {
    lua_pushvalue(L, lua_upvalueindex(key));
    lua_pushboolean(L, value);
    lua_rawset(L, -3);
}

static void push_info(lua_State *L, const struct lua_resolving *resolving) {
    const struct cairn_resolved *info = &resolving->info;
    bool answered =
        info->outcome == CAIRN_OUTCOME_HIT || info->outcome == CAIRN_OUTCOME_STALE;
    lua_createtable(L, 0, 8);
    cairn_lua_push(L, info->hashpath.text);
    set_info(L, UP_HASHPATH);
    lua_pushvalue(L, lua_upvalueindex(UP_OUTCOMES + (int)info->outcome));
    set_info(L, UP_CACHE);
    set_number(L, UP_STATUS, info->status);
    set_flag(L, UP_STORED, info->stored);
    set_flag(L, UP_REVALIDATE, info->revalidate);
    if (answered) {
        lua_pushstring(L, resolving->ref->members[info->member]);
        set_info(L, UP_STORE);
        set_number(L, UP_AGE, info->age_ms);
        if (info->fresh_ms != CAIRN_FOREVER)
            set_number(L, UP_FRESH_FOR, info->fresh_ms);
    }
    if (info->coalesced)
        set_flag(L, UP_COALESCED, true);
    lua_pushvalue(L, lua_upvalueindex(UP_INFO));
    lua_setmetatable(L, -2);
}

/* Calls UP_REMEMBER with the arguments, and what is told, on top of the stack. */
static void remember(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(UP_REMEMBER));
    lua_pushvalue(L, CACHE);
    lua_pushvalue(L, -3);
    for (int argument = BASE; argument <= OPTIONS; argument++)
        lua_pushvalue(L, argument);
    lua_call(L, 6, 0);
}

/* An error that the computation raised goes on, others are told. */
static int fail(lua_State *L, struct lua_resolving *resolving) {
    if (resolving->raised) {
        lua_settop(L, RESULT);
        resolving_put_back(L, resolving);
        return lua_error(L);
    }
    cairn_lua_fail(L, resolving->status, &resolving->error);
    push_info(L, resolving);
    resolving_put_back(L, resolving);
    return 4;
}

/* The last step is done. While what came of it is pushed Lua may run finalizers, which
 * must not take away what it is pushed from. */
int resolve_finish(lua_State *L, struct lua_resolving *resolving) {
    struct cairn_resolved *info = &resolving->info;
    bool answers = resolving->computed && info->outcome != CAIRN_OUTCOME_STALE;
    resolving->work.busy = true;
    resolving->work.has_reading = !resolving->status;
    cairn_lua_explain(L, resolving->call, OPTIONS);
    if (resolving->status)
        return fail(L, resolving);
    if (answers)
        lua_settop(L, RESULT);
    else
        cairn_lua_push_value(L, &resolving->work.reading.value);
    bool revalidates = info->revalidate &= !lua_isnil(L, COMPUTE);
    push_info(L, resolving);
    resolving_put_back(L, resolving);
    if (revalidates)
        remember(L);
    return 2;
}

/* -- The call ---------------------------------------------------------------------- */

static void begin(struct lua_resolving *resolving) {
    resolving->status = cairn_resolution_begin(
        resolving->resolution, resolving->context, &resolving->base,
        &resolving->request, resolving->computes, &resolving->options,
        &resolving->work.reading, &resolving->info, &resolving->step,
        &resolving->error);
}

static int begun(lua_State *L, int status, lua_KContext context) {
    struct lua_resolving *resolving = (struct lua_resolving *)context;
    (void)status;
    resolving->is_away = false;
    if (resolving->step == CAIRN_STEP_COMPUTE)
        return resolve_compute(L, resolving);
    return resolving->step == CAIRN_STEP_WAIT ? resolve_wait(L, resolving)
                                              : resolve_finish(L, resolving);
}

static bool copy_parties(struct lua_resolving *resolving) {
    struct cairn_party *parties[] = {&resolving->base, &resolving->request};
    for (size_t i = 0; i < 2; i++) {
        if (!parties[i]->message)
            continue;
        if (!resolve_copy(resolving, i, parties[i]->message))
            return false;
        parties[i]->message = &resolving->parcels[i]->value;
    }
    return true;
}

static int begin_away(lua_State *L, struct lua_resolving *resolving) {
    resolving_take_along(L, resolving);
    if (copy_parties(resolving))
        return resolve_go_away(L, resolving, begin, begun);
    return cairn_lua_fail(L, resolving->status, &resolving->error);
}

/* Reads the arguments, which have no place but the stack: whoever waited may find them
 * changed. Between a cache's own `resolving` being taken and the beginning Lua must not
 * run. */
static int start(lua_State *L, struct lua_resolving *resolving, struct lua_call *call,
                 const struct cairn_context *context) {
    struct cache_box *box = lua_touserdata(L, CACHE);
    struct cairn_resolve_options options;
    struct cairn_directives node;
    lua_settop(L, CALL);
    check_options(L, &options, &node);
    luaL_checkstack(L, 8, "resolve");
    (void)opened(L, box);
    if (resolving)
        resolving_clear(resolving);
    else
        resolving = resolving_take(L, box);
    resolving->call = call;
    resolving->context = context;
    resolving->options = options;
    resolving->node = node;
    resolving->options.node = node.given ? &resolving->node : NULL;
    resolving->computes = !lua_isnil(L, COMPUTE);
    resolving->raised = resolving->computed = false;
    resolving->base =
        cache_check_party(L, BASE, "base", &resolving->work, &resolving->rooms[0]);
    resolving->request = cache_check_party(L, REQUEST, "request", &resolving->work,
                                           &resolving->rooms[1]);
    if (resolve_is_far(L, resolving))
        return begin_away(L, resolving);
    begin(resolving);
    return begun(L, LUA_OK, (lua_KContext)resolving);
}

int resolve_start_again(lua_State *L, struct lua_resolving *resolving) {
    return start(L, lua_isnil(L, GUARD) ? NULL : resolving, resolving->call,
                 resolving->context);
}

static int cache_resolve(lua_State *L) {
    const struct cairn_context *context;
    struct cache_box *box = self(L);
    lua_settop(L, OPTIONS);
    if (!lua_isnil(L, COMPUTE))
        cairn_lua_function(L, COMPUTE, "compute");
    cairn_lua_options(L, OPTIONS, resolve_options);
    lua_pushnil(L);
    struct lua_call *call = cairn_lua_call(L, OPTIONS, box->clock, &context);
    return start(L, NULL, call, context);
}

int cache_push_resolve(lua_State *L) {
    static const char *const names[] = {"cache",      "status",   "stored",
                                        "revalidate", "store",    "age",
                                        "fresh_for",  "hashpath", "coalesced"};
    lua_settop(L, 2);
    luaL_getmetatable(L, CACHE_TYPE);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        lua_pushstring(L, names[i]);
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        lua_pushstring(L, outcomes[i]);
    lua_pushcclosure(L, cache_resolve, UP_COUNT);
    return 1;
}
