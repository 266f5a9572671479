/* lua_cache.c -- caches as Lua objects. What is made of these in Lua is in cache.lua.
 *
 * A call's trees lie in its `work`. While Lua may run other code (a computation, a
 * finalizer as results are pushed) the work is busy, and a call that comes in between
 * makes one of its own. */
#include "lua_cache.h"

#include <stdlib.h>
#include <string.h>

#include "cache_lua.h"
#include "cairn/cache.h"
#include "lua_chain.h"
#include "lua_context.h"
#include "lua_value.h"
#include "policy_host.h"

/* A place on the stack where no argument is. */
enum { NO_OPTIONS = LUA_MINSTACK };

#define CACHE_TYPE "cairn.Cache"
#define WORK_TYPE "cairn.cache.work"

struct lua_work {
    struct cairn_arena arena;
    struct cairn_reading reading;
    bool busy, has_reading;
};

struct cache_box {
    struct cairn_cache *cache; /* NULL once closed */
    struct chain_ref *chain;   /* retained */
    struct policy_host *policies;
    struct lua_clock *clock;
    const char *members[CAIRN_CHAIN_MAX]; /* names; live as long as the chain */
    unsigned calls;        /* under way: closing waits for none, so it is refused */
    struct lua_work *work; /* owned; apart, for a userdata with user values is not
                              aligned for it */
};

static struct cache_box *self(lua_State *L) {
    struct cache_box *box = cairn_lua_self(L, CACHE_TYPE);
    luaL_argcheck(L, box->cache, 1, "the cache is closed");
    return box;
}

/* After the last allocation before the cache is used. */
static struct cairn_cache *opened(lua_State *L, const struct cache_box *box) {
    luaL_argcheck(L, box->cache, 1, "the cache is closed");
    return box->cache;
}

/* -- Work -------------------------------------------------------------------------- */

static void work_clear(struct lua_work *work) {
    if (work->has_reading)
        cairn_reading_release(&work->reading);
    work->has_reading = false;
    cairn_arena_free(&work->arena);
    cairn_arena_init(&work->arena);
}

static int work_gc(lua_State *L) {
    work_clear(luaL_checkudata(L, 1, WORK_TYPE));
    return 0;
}

/* Pushes one value that must stay during the call. */
static struct lua_work *take_work(lua_State *L, struct cache_box *box) {
    if (!box->work->busy) {
        work_clear(box->work); /* what a call that raised left behind */
        lua_pushnil(L);
        return box->work;
    }
    struct lua_work *work = lua_newuserdatauv(L, sizeof *work, 0);
    work->busy = work->has_reading = false;
    cairn_arena_init(&work->arena);
    luaL_setmetatable(L, WORK_TYPE);
    return work;
}

/* What was read, for Lua. */
static void push_reading(lua_State *L, struct lua_work *work) {
    cairn_lua_push_value(L, &work->reading.value);
    work->busy = false;
    work_clear(work);
}

/* After a call into the engine that read something: what Lua does from here on must not
 * take the work away. */
static void hold_reading(struct lua_work *work) {
    work->has_reading = true;
    work->busy = true;
}

/* -- Arguments --------------------------------------------------------------------- */

/* A message, or bytes where those make sense, too. */
static struct cairn_value check_value(lua_State *L, int index, const char *name,
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

static struct cairn_value check_message(lua_State *L, int index, const char *name,
                                        struct lua_work *work) {
    cairn_lua_table(L, index, name);
    return check_value(L, index, name, work);
}

/* A base or a request: a string is an id (or a path), a table a message. */
static struct cairn_party check_party(lua_State *L, int index, const char *name,
                                      struct lua_work *work, struct cairn_value *room) {
    *room = check_value(L, index, name, work);
    if (room->type == CAIRN_VALUE_BYTES)
        return (struct cairn_party){.id = room->as.bytes};
    return (struct cairn_party){.message = room};
}

static bool flag_of(lua_State *L, int options, const char *name) {
    bool set = false;
    if (lua_istable(L, options))
        cairn_lua_boolean(L, options, name, &set);
    return set;
}

static int fail(lua_State *L, struct lua_call *call, int options,
                enum cairn_status status, const struct cairn_error *error) {
    cairn_lua_explain(L, call, options);
    return cairn_lua_fail(L, status, error);
}

static int push_id(lua_State *L, struct lua_call *call, int options,
                   enum cairn_status status, const struct cairn_id *id,
                   const struct cairn_error *error) {
    if (status)
        return fail(L, call, options, status, error);
    cairn_lua_explain(L, call, options);
    cairn_lua_push(L, cairn_id_slice(id));
    return 1;
}

/* -- Messages ---------------------------------------------------------------------- */

static const char *const write_options[] = {"sync", "timeout", "scopes", "explain",
                                            NULL};
static const char *const read_options[] = {"verify", "stored",  "timeout",
                                           "scopes", "explain", NULL};

static int cache_write(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_id id;
    const struct cairn_context *context;
    lua_settop(L, 3);
    cairn_lua_options(L, 3, write_options);
    unsigned flags = flag_of(L, 3, "sync") ? CAIRN_STORE_SYNC : 0;
    struct lua_work *work = take_work(L, box);
    struct lua_call *call = cairn_lua_call(L, 3, box->clock, &context);
    struct cairn_value message = check_message(L, 2, "message", work);
    enum cairn_status status =
        cairn_cache_write(opened(L, box), context, &message, flags, &id, &error);
    return push_id(L, call, 3, status, &id, &error);
}

static int cache_write_binary(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_id id;
    const struct cairn_context *context;
    lua_settop(L, 3);
    cairn_lua_options(L, 3, write_options);
    unsigned flags = flag_of(L, 3, "sync") ? CAIRN_STORE_SYNC : 0;
    struct lua_call *call = cairn_lua_call(L, 3, box->clock, &context);
    struct cairn_slice bytes = cairn_lua_bytes(L, 2, "bytes");
    enum cairn_status status =
        cairn_cache_write_binary(opened(L, box), context, bytes, flags, &id, &error);
    if (status)
        return fail(L, call, 3, status, &error);
    cairn_lua_explain(L, call, 3);
    lua_pushfstring(L, "data/%s", id.text);
    return 1;
}

static int cache_write_hashpath(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_path target;
    const struct cairn_context *context;
    lua_settop(L, 3);
    struct cairn_slice hashpath = cairn_lua_path(L, 2, "hashpath");
    struct lua_work *work = take_work(L, box);
    cairn_lua_call(L, NO_OPTIONS, box->clock, &context);
    struct cairn_value value = check_value(L, 3, "value", work);
    enum cairn_status status = cairn_cache_write_hashpath(
        opened(L, box), context, hashpath, &value, &target, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, target.text);
    return 1;
}

static unsigned read_flags(lua_State *L, int options) {
    cairn_lua_options(L, options, read_options);
    return (flag_of(L, options, "verify") ? CAIRN_READ_VERIFY : 0) |
           (flag_of(L, options, "stored") ? CAIRN_READ_STORED : 0);
}

static int cache_read(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    const struct cairn_context *context;
    lua_settop(L, 3);
    unsigned flags = read_flags(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct lua_work *work = take_work(L, box);
    struct lua_call *call = cairn_lua_call(L, 3, box->clock, &context);
    enum cairn_status status =
        cairn_cache_read(opened(L, box), context, path, flags, &work->reading, &error);
    if (status)
        return fail(L, call, 3, status, &error);
    hold_reading(work);
    cairn_lua_explain(L, call, 3);
    push_reading(L, work);
    return 1;
}

static int cache_read_resolved(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    const struct cairn_context *context;
    struct cairn_value base_room, request_room;
    lua_settop(L, 4);
    read_flags(L, 4);
    struct lua_work *work = take_work(L, box);
    struct lua_call *call = cairn_lua_call(L, 4, box->clock, &context);
    struct cairn_party base = check_party(L, 2, "base", work, &base_room);
    struct cairn_party request = check_party(L, 3, "request", work, &request_room);
    enum cairn_status status =
        cairn_cache_read_resolved(opened(L, box), context, &base, &request,
                                  read_flags(L, 4), &work->reading, &error);
    if (status)
        return fail(L, call, 4, status, &error);
    hold_reading(work);
    cairn_lua_explain(L, call, 4);
    push_reading(L, work);
    return 1;
}

static int cache_link(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    const struct cairn_context *context;
    bool made;
    lua_settop(L, 3);
    struct cairn_slice existing = cairn_lua_path(L, 2, "existing");
    struct cairn_slice path = cairn_lua_path(L, 3, "new");
    cairn_lua_call(L, NO_OPTIONS, box->clock, &context);
    enum cairn_status status =
        cairn_cache_link(opened(L, box), context, existing, path, &made, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    lua_pushboolean(L, made);
    return 2;
}

static int cache_id(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_id id;
    lua_settop(L, 2);
    struct lua_work *work = take_work(L, box);
    struct cairn_value value = check_value(L, 2, "message", work);
    struct cairn_cache *cache = opened(L, box);
    enum cairn_status status = value.type == CAIRN_VALUE_BYTES
                                   ? cairn_id_of_bytes(value.as.bytes, &id, &error)
                                   : cairn_cache_id(cache, &value, &id, &error);
    return push_id(L, NULL, NO_OPTIONS, status, &id, &error);
}

static int cache_delete(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    const struct cairn_context *context;
    struct cairn_slice id = cairn_lua_bytes(L, 2, "id");
    cairn_lua_call(L, NO_OPTIONS, box->clock, &context);
    enum cairn_status status = cairn_cache_delete(opened(L, box), context, id, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* -- Resolving --------------------------------------------------------------------- */

struct computation {
    lua_State *L;
    int function; /* its place on the stack */
    struct lua_work *work;
    bool raised; /* the error is on the stack */
    bool done;   /* the value that was computed is on the stack */
};

static void push_party(lua_State *L, const struct cairn_party *party) {
    if (party->message)
        cairn_lua_push_value(L, party->message);
    else
        cairn_lua_push(L, party->id);
}

struct computing {
    const struct cairn_party *base, *request;
    struct cairn_reading *result;
};

/* Runs protected: function, computing. Returns what the function returned, after having
 * made a tree of it. */
static int compute_protected(lua_State *L) {
    struct computing *computing = lua_touserdata(L, 2);
    lua_settop(L, 1);
    push_party(L, computing->base);
    push_party(L, computing->request);
    lua_call(L, 2, 3);
    int type = lua_type(L, 1);
    if (type == LUA_TNIL)
        return 3;
    if (type != LUA_TTABLE && type != LUA_TSTRING)
        return luaL_error(L, "compute: returned a %s; a message or a string expected",
                          luaL_typename(L, 1));
    computing->result->value =
        cairn_lua_to_value(L, 1, "what compute returned", &computing->result->arena);
    lua_settop(L, 1);
    return 1;
}

static enum cairn_status status_of(const char *word) {
    for (int status = 1; word && status < CAIRN_STATUS_COUNT; status++)
        if (strcmp(word, cairn_status_word((enum cairn_status)status)) == 0)
            return (enum cairn_status)status;
    return CAIRN_UNAVAILABLE;
}

/* nil, message, code: what the function says of its failure. */
static enum cairn_status refused(lua_State *L, struct cairn_error *error) {
    const char *message = lua_isstring(L, -2) ? lua_tostring(L, -2) : NULL;
    const char *word = lua_isstring(L, -1) ? lua_tostring(L, -1) : NULL;
    enum cairn_status status =
        cairn_fail(error, status_of(word), "%s",
                   message ? message : "the computation gave nothing, and no reason");
    lua_pop(L, 3);
    return status;
}

static enum cairn_status compute(void *arg, const struct cairn_party *base,
                                 const struct cairn_party *request,
                                 struct cairn_reading *result,
                                 struct cairn_error *error) {
    struct computation *computation = arg;
    lua_State *L = computation->L;
    struct computing computing = {base, request, result};
    bool was_busy = computation->work->busy;
    computation->work->busy = true;
    int top = lua_gettop(L);
    lua_pushcfunction(L, compute_protected);
    lua_pushvalue(L, computation->function);
    lua_pushlightuserdata(L, &computing);
    int failed = lua_pcall(L, 2, LUA_MULTRET, 0);
    computation->work->busy = was_busy;
    if (failed) { /* raised again by resolve, unless something stale helps */
        computation->raised = true;
        return cairn_fail(error, CAIRN_UNAVAILABLE, "the computation raised an error");
    }
    if (lua_gettop(L) - top == 3)
        return refused(L, error);
    computation->done = true;
    return CAIRN_OK;
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

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

static void push_info(lua_State *L, const struct cache_box *box,
                      const struct cairn_resolved *info) {
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
        lua_pushstring(L, box->members[info->member]);
        set_info(L, UP_STORE);
        set_number(L, UP_AGE, info->age_ms);
        if (info->fresh_ms != CAIRN_FOREVER)
            set_number(L, UP_FRESH_FOR, info->fresh_ms);
    }
    lua_pushvalue(L, lua_upvalueindex(UP_INFO));
    lua_setmetatable(L, -2);
}

/* Directives in the field of an options table: a header line, or a list that becomes
 * one. Pushes one value that must stay. */
static struct cairn_directives check_directives(lua_State *L, int options,
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

static const char *const resolve_options[] = {"cache_control",
                                              "node_cache_control",
                                              "timeout",
                                              "scopes",
                                              "explain",
                                              "refresh",
                                              NULL};

/* After the call: an error that the computation raised goes on, others are told. */
static int resolve_failed(lua_State *L, struct cache_box *box,
                          const struct computation *computation,
                          const struct cairn_resolved *info, enum cairn_status status,
                          const struct cairn_error *error) {
    if (computation->raised)
        return lua_error(L);
    cairn_lua_fail(L, status, error);
    push_info(L, box, info);
    return 4;
}

/* Calls UP_REMEMBER with the arguments, and what is told, on top of the stack. */
static void remember(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(UP_REMEMBER));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -3);
    for (int argument = 2; argument <= 5; argument++)
        lua_pushvalue(L, argument);
    lua_call(L, 6, 0);
}

static int cache_resolve(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_resolved info;
    const struct cairn_context *context;
    struct cairn_value base_room, request_room;
    struct cairn_resolve_options options = {.refresh = false};
    lua_settop(L, 5);
    if (!lua_isnil(L, 4))
        cairn_lua_function(L, 4, "compute");
    bool has_options = cairn_lua_options(L, 5, resolve_options);
    struct lua_work *work = take_work(L, box);
    struct lua_call *call = cairn_lua_call(L, 5, box->clock, &context);
    struct cairn_directives node = {.given = false};
    if (has_options) {
        options.request = check_directives(L, 5, "cache_control");
        node = check_directives(L, 5, "node_cache_control");
        options.node = node.given ? &node : NULL;
        options.refresh = flag_of(L, 5, "refresh");
    }
    struct cairn_party base = check_party(L, 2, "base", work, &base_room);
    struct cairn_party request = check_party(L, 3, "request", work, &request_room);
    struct computation computation = {.L = L, .function = 4, .work = work};
    luaL_checkstack(L, 8, "resolve");

    struct cairn_cache *cache = opened(L, box);
    box->calls++;
    enum cairn_status status = cairn_cache_resolve(
        cache, context, &base, &request, lua_isnil(L, 4) ? NULL : compute, &computation,
        has_options ? &options : NULL, &work->reading, &info, &error);
    box->calls--;
    if (!status)
        hold_reading(work);
    cairn_lua_explain(L, call, 5);
    if (status)
        return resolve_failed(L, box, &computation, &info, status, &error);
    bool computed = computation.done && info.outcome != CAIRN_OUTCOME_STALE;
    if (computed) { /* what was computed is on top already */
        work->busy = false;
        work_clear(work);
    } else {
        push_reading(L, work);
    }
    info.revalidate &= !lua_isnil(L, 4);
    push_info(L, box, &info);
    if (info.revalidate)
        remember(L);
    return 2;
}

/* -- Taking away ------------------------------------------------------------------- */

static const char *const purge_fields[] = {"path", "prefix", "tag", "soft", NULL};

static int cache_purge(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_slice what = {"", 0};
    const struct cairn_context *context;
    uint64_t count;
    int by = -1;
    cairn_lua_table(L, 2, "what");
    cairn_lua_options(L, 2, purge_fields);
    lua_settop(L, 2);
    for (int i = 0; i < 3; i++) {
        struct cairn_slice text;
        if (!cairn_lua_string(L, 2, purge_fields[i], &text))
            continue;
        luaL_argcheck(L, by < 0, 2, "what: one of path, prefix, tag expected");
        by = i;
        what = text;
    }
    luaL_argcheck(L, by >= 0, 2, "what: one of path, prefix, tag expected");
    bool soft = flag_of(L, 2, "soft");
    cairn_lua_call(L, NO_OPTIONS, box->clock, &context);
    enum cairn_status status = cairn_cache_purge(
        opened(L, box), context, (enum cairn_purge_by)by, what, soft, &count, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static int cache_sweep(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    struct cairn_sweep_result result;
    const struct cairn_context *context;
    lua_settop(L, 1);
    cairn_lua_call(L, NO_OPTIONS, box->clock, &context);
    enum cairn_status status =
        cairn_cache_sweep(opened(L, box), context, &result, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_createtable(L, 0, 3);
    set_integer(L, "kept", (int64_t)result.kept);
    set_integer(L, "removed", (int64_t)result.removed);
    set_integer(L, "removed_bytes", (int64_t)result.removed_bytes);
    return 1;
}

static int cache_trim(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    const struct cairn_context *context;
    uint64_t evicted;
    int64_t budget = cairn_lua_count(L, 2, "budget", INT64_MAX);
    cairn_lua_call(L, NO_OPTIONS, box->clock, &context);
    enum cairn_status status =
        cairn_cache_trim(opened(L, box), context, (uint64_t)budget, &evicted, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushinteger(L, (lua_Integer)evicted);
    return 1;
}

static int cache_flush(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_error error;
    uint64_t lost;
    enum cairn_status status = cairn_cache_flush(box->cache, &lost, &error);
    if (status) {
        cairn_lua_fail(L, status, &error);
        lua_pushinteger(L, (lua_Integer)lost);
        return 4;
    }
    lua_pushboolean(L, true);
    return 1;
}

static int cache_stats(lua_State *L) {
    struct cache_box *box = self(L);
    struct cairn_cache_counts counts;
    cairn_cache_counts(box->cache, &counts);
    lua_createtable(L, 0, 13);
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
    COUNT(queued);
    COUNT(lost);
    COUNT(result_bytes);
#undef COUNT
    return 1;
}

/* -- Opening, closing -------------------------------------------------------------- */

static void release(struct cache_box *box) {
    if (box->work)
        work_clear(box->work);
    free(box->work);
    box->work = NULL;
    cairn_cache_close(box->cache);
    box->cache = NULL;
    cairn_lua_release_chain(box->chain);
    box->chain = NULL;
    policy_host_release(box->policies);
    box->policies = NULL;
    lua_clock_release(box->clock);
    box->clock = NULL;
}

static int cache_close(lua_State *L) {
    struct cache_box *box = luaL_checkudata(L, 1, CACHE_TYPE);
    luaL_argcheck(L, box->calls == 0, 1, "the cache is in use by a computation");
    release(box);
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
    out->node = check_directives(L, index, "cache_control");
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

static void name_members(struct cache_box *box) {
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    size_t count = cairn_chain_members(box->chain->chain, NULL, facts, CAIRN_CHAIN_MAX);
    for (size_t i = 0; i < count && i < CAIRN_CHAIN_MAX; i++)
        box->members[i] = facts[i].name;
}

/* core.open(chain, policies or nil, clock or nil, settings) */
static int core_open(lua_State *L) {
    struct cairn_cache_options options;
    struct cairn_error error;
    lua_settop(L, 4);
    check_settings(L, 4, &options);
    struct cache_box *box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = (struct cache_box){.cache = NULL};
    luaL_setmetatable(L, CACHE_TYPE);
    box->work = calloc(1, sizeof *box->work);
    if (!box->work)
        return luaL_error(L, "not enough memory");
    box->clock = cairn_lua_toclock(L, 3, "clock");
    box->chain = cairn_lua_checkchain(L, 1);
    cairn_lua_retain_chain(box->chain);
    if (!lua_isnil(L, 2)) {
        box->policies = cairn_lua_checkpolicies(L, 2);
        policy_host_retain(box->policies);
    }
    name_members(box);
    enum cairn_status status = cairn_cache_open(
        box->chain->chain, box->policies ? policy_host_policy(box->policies) : NULL,
        &options, &box->cache, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_newtable(L); /* what belongs to it in Lua */
    lua_setiuservalue(L, -2, 1);
    return 1;
}

/* core.own(cache): the table that belongs to it. */
static int core_own(lua_State *L) {
    luaL_checkudata(L, 1, CACHE_TYPE);
    lua_getiuservalue(L, 1, 1);
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

/* core.resolve(remember, info class): the method. */
static int core_resolve(lua_State *L) {
    static const char *const names[] = {"cache", "status", "stored",    "revalidate",
                                        "store", "age",    "fresh_for", "hashpath"};
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

/* Methods; else `chain` and `policies`, which belong to the object. */
static int cache_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "chain") != 0 && strcmp(name, "policies") != 0)
        return 1;
    luaL_checkudata(L, 1, CACHE_TYPE);
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static const luaL_Reg core[] = {
    {"open", core_open},
    {"own", core_own},
    {"resolve", core_resolve},
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
    lua_settop(L, module);
    run_lua_part(L, module);
    luaL_getmetatable(L, CACHE_TYPE);
    lua_getfield(L, -1, "__index");
    lua_pushcclosure(L, cache_index, 1);
    lua_setfield(L, -2, "__index");
    lua_settop(L, module);
}
