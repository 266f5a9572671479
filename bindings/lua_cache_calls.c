/* lua_cache_calls.c -- what a cache does in one call into the engine.
 *
 * Each is made of three steps: what it is given is collected, `run_...` makes it
 * without Lua, `push_...` says what came of it. In a worker a call that may take long
 * is run away from the loop, while the worker is suspended: then everything that it
 * works with is its own (struct cache_call on the stack), and messages are copied,
 * because others may change the tables meanwhile. */
#include "lua_cache_inner.h"

#include "lua_wait.h"

#define CALL_TYPE "cairn.cache.call"

/* A place on the stack where no argument is. */
enum { NO_OPTIONS = LUA_MINSTACK };

/* What a call is given, and what came of it. Only what the call needs is set. */
struct cache_call {
    struct lua_job job;
    struct cache_ref *ref; /* retained, in one that is away; else NULL */
    struct cairn_cache *cache;
    const struct cairn_context *context;
    struct lua_call *told; /* the circumstances on the stack, and */
    int options;           /* where their options are */
    struct lua_work *work, own;
    struct cairn_parcel *parcels[2]; /* of one that is away */

    struct cairn_slice path, other; /* or bytes, whatever the call has to do with */
    struct cairn_value value;
    struct cairn_value rooms[2];
    struct cairn_party base, request;
    enum cairn_purge_by by;
    unsigned flags;
    bool soft;

    enum cairn_status status;
    struct cairn_error error;
    union {
        struct cairn_id id;
        struct cairn_path target;
        struct cairn_sweep_result swept;
        uint64_t count;
        bool made;
    } result;
};

/* -- Calls ------------------------------------------------------------------------- */

static void let_go(struct cache_call *call) {
    for (size_t i = 0; i < 2; i++) {
        cairn_parcel_release(call->parcels[i]);
        call->parcels[i] = NULL;
    }
    cache_work_clear(&call->own);
    cairn_lua_release_cache(call->ref);
    call->ref = NULL;
}

static int call_gc(lua_State *L) {
    let_go(luaL_checkudata(L, 1, CALL_TYPE));
    return 0;
}

/* Pushes one that is to be made away. */
static struct cache_call *new_call(lua_State *L, struct cache_box *box) {
    struct cache_call *call = lua_newuserdatauv(L, sizeof *call, 0);
    memset(call, 0, sizeof *call);
    cairn_arena_init(&call->own.arena);
    luaL_setmetatable(L, CALL_TYPE);
    (void)opened(L, box);
    call->ref = box->ref;
    cairn_lua_retain_cache(call->ref);
    return call;
}

/* The call that is to be filled: `room`, or one that will be made away. Reads the
 * circumstances at `options`; pushes what must stay. */
static struct cache_call *begin(lua_State *L, struct cache_box *box,
                                struct cache_call *room, int options, bool takes_long) {
    const struct cairn_context *context;
    struct lua_call *told = cairn_lua_call(L, options, box->clock, &context);
    (void)opened(L, box);
    bool is_slow = takes_long || chain_is_far(box->ref->chain, context);
    struct cache_call *call = room;
    if (lua_job_is_away(L, is_slow))
        call = new_call(L, box);
    else
        room->ref = NULL;
    call->context = context;
    call->told = told;
    call->options = options;
    return call;
}

/* For trees: of what it is given, and what it reads. Pushes one value. */
static struct lua_work *work_of(lua_State *L, struct cache_box *box,
                                struct cache_call *call) {
    call->work = call->ref ? &call->own : cache_take_work(L, box);
    if (call->ref)
        lua_pushnil(L);
    return call->work;
}

/* Runs it, then `push`. */
static int make(lua_State *L, const struct cache_box *box, struct cache_call *call,
                void (*run)(struct lua_job *job), lua_KFunction push) {
    call->cache = call->ref ? call->ref->cache : opened(L, box);
    call->job.run = run;
    return lua_job_run(L, &call->job, call->ref != NULL, (lua_KContext)call, push);
}

static struct cache_call *call_of(struct lua_job *job) {
    return (struct cache_call *)job;
}

/* What came of it has been pushed. */
static int over(struct cache_call *call, int results) {
    if (call->ref)
        let_go(call);
    return results;
}

static int refuse(lua_State *L, struct cache_call *call) {
    cairn_lua_explain(L, call->told, call->options);
    return over(call, cairn_lua_fail(L, call->status, &call->error));
}

/* A tree that is to be read while others have their turns: a copy of its own. */
static bool carry(struct cache_call *call, size_t which, struct cairn_value *value) {
    if (!call->ref)
        return true;
    call->status = cairn_parcel_new(value, &call->parcels[which], &call->error);
    if (!call->status)
        *value = call->parcels[which]->value;
    return !call->status;
}

/* -- Pushing ----------------------------------------------------------------------- */

static int push_true(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_pushboolean(L, true);
    return over(call, 1);
}

static int push_count(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_pushinteger(L, (lua_Integer)call->result.count);
    return over(call, 1);
}

static int push_id(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    cairn_lua_explain(L, call->told, call->options);
    cairn_lua_push(L, cairn_id_slice(&call->result.id));
    return over(call, 1);
}

static int push_read(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    cairn_lua_explain(L, call->told, call->options);
    push_reading(L, call->work);
    return over(call, 1);
}

/* -- Writing ----------------------------------------------------------------------- */

static const char *const write_options[] = {"sync", "timeout", "scopes", "explain",
                                            NULL};

static unsigned write_flags(lua_State *L, int options) {
    cairn_lua_options(L, options, write_options);
    return flag_of(L, options, "sync") ? CAIRN_STORE_SYNC : 0;
}

static void run_write(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_write(call->cache, call->context, &call->value,
                                     call->flags, &call->result.id, &call->error);
}

int cache_write(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 3);
    unsigned flags = write_flags(L, 3);
    struct cache_call *call = begin(L, box, &room, 3, flags);
    struct lua_work *work = work_of(L, box, call);
    cairn_lua_table(L, 2, "message");
    call->value = cache_check_value(L, 2, "message", work);
    call->flags = flags;
    if (!carry(call, 0, &call->value))
        return refuse(L, call);
    return make(L, box, call, run_write, push_id);
}

static void run_write_binary(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status =
        cairn_cache_write_binary(call->cache, call->context, call->path, call->flags,
                                 &call->result.id, &call->error);
}

static int push_data(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    cairn_lua_explain(L, call->told, call->options);
    lua_pushfstring(L, "data/%s", call->result.id.text);
    return over(call, 1);
}

int cache_write_binary(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 3);
    unsigned flags = write_flags(L, 3);
    struct cache_call *call = begin(L, box, &room, 3, flags);
    call->path = cairn_lua_bytes(L, 2, "bytes");
    call->flags = flags;
    return make(L, box, call, run_write_binary, push_data);
}

static void run_write_hashpath(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status =
        cairn_cache_write_hashpath(call->cache, call->context, call->path, &call->value,
                                   &call->result.target, &call->error);
}

static int push_target(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    cairn_lua_push(L, call->result.target.text);
    return over(call, 1);
}

int cache_write_hashpath(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 3);
    struct cairn_slice hashpath = cairn_lua_path(L, 2, "hashpath");
    struct cache_call *call = begin(L, box, &room, NO_OPTIONS, false);
    struct lua_work *work = work_of(L, box, call);
    call->path = hashpath;
    call->value = cache_check_value(L, 3, "value", work);
    if (!carry(call, 0, &call->value))
        return refuse(L, call);
    return make(L, box, call, run_write_hashpath, push_target);
}

static void run_link(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_link(call->cache, call->context, call->path, call->other,
                                    &call->result.made, &call->error);
}

static int push_made(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_pushboolean(L, true);
    lua_pushboolean(L, call->result.made);
    return over(call, 2);
}

int cache_link(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 3);
    struct cairn_slice existing = cairn_lua_path(L, 2, "existing");
    struct cairn_slice path = cairn_lua_path(L, 3, "new");
    struct cache_call *call = begin(L, box, &room, NO_OPTIONS, false);
    call->path = existing;
    call->other = path;
    return make(L, box, call, run_link, push_made);
}

static void run_delete(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status =
        cairn_cache_delete(call->cache, call->context, call->path, &call->error);
}

int cache_delete(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 2);
    struct cairn_slice id = cairn_lua_bytes(L, 2, "id");
    struct cache_call *call = begin(L, box, &room, NO_OPTIONS, false);
    call->path = id;
    return make(L, box, call, run_delete, push_true);
}

/* -- Reading ----------------------------------------------------------------------- */

static const char *const read_options[] = {"verify", "stored",  "timeout",
                                           "scopes", "explain", NULL};

static unsigned read_flags(lua_State *L, int options) {
    cairn_lua_options(L, options, read_options);
    return (flag_of(L, options, "verify") ? CAIRN_READ_VERIFY : 0) |
           (flag_of(L, options, "stored") ? CAIRN_READ_STORED : 0);
}

static void run_read(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_read(call->cache, call->context, call->path, call->flags,
                                    &call->work->reading, &call->error);
    if (!call->status)
        hold_reading(call->work);
}

int cache_read(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 3);
    unsigned flags = read_flags(L, 3);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    struct cache_call *call = begin(L, box, &room, 3, false);
    (void)work_of(L, box, call);
    call->path = path;
    call->flags = flags;
    return make(L, box, call, run_read, push_read);
}

static void run_read_resolved(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_read_resolved(call->cache, call->context, &call->base,
                                             &call->request, call->flags,
                                             &call->work->reading, &call->error);
    if (!call->status)
        hold_reading(call->work);
}

/* The tree of a party is its room's. */
static bool carry_party(struct cache_call *call, size_t which,
                        const struct cairn_party *party) {
    return !party->message || carry(call, which, &call->rooms[which]);
}

int cache_read_resolved(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 4);
    unsigned flags = read_flags(L, 4);
    struct cache_call *call = begin(L, box, &room, 4, false);
    struct lua_work *work = work_of(L, box, call);
    call->flags = flags;
    call->base = cache_check_party(L, 2, "base", work, &call->rooms[0]);
    call->request = cache_check_party(L, 3, "request", work, &call->rooms[1]);
    if (!carry_party(call, 0, &call->base) || !carry_party(call, 1, &call->request))
        return refuse(L, call);
    return make(L, box, call, run_read_resolved, push_read);
}

/* -- Taking away ------------------------------------------------------------------- */

static const char *const purge_fields[] = {"path", "prefix", "tag", "soft", NULL};

/* Which results, by the table at `index`; what is pushed stays. */
static enum cairn_purge_by check_purge(lua_State *L, int index,
                                       struct cairn_slice *what) {
    int by = -1;
    for (int i = 0; i < 3; i++) {
        struct cairn_slice text;
        if (!cairn_lua_string(L, index, purge_fields[i], &text))
            continue;
        luaL_argcheck(L, by < 0, index, "what: one of path, prefix, tag expected");
        by = i;
        *what = text;
    }
    luaL_argcheck(L, by >= 0, index, "what: one of path, prefix, tag expected");
    return (enum cairn_purge_by)by;
}

static void run_purge(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_purge(call->cache, call->context, call->by, call->path,
                                     call->soft, &call->result.count, &call->error);
}

int cache_purge(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    struct cairn_slice what;
    cairn_lua_table(L, 2, "what");
    cairn_lua_options(L, 2, purge_fields);
    lua_settop(L, 2);
    enum cairn_purge_by by = check_purge(L, 2, &what);
    bool soft = flag_of(L, 2, "soft");
    struct cache_call *call = begin(L, box, &room, NO_OPTIONS, by != CAIRN_PURGE_PATH);
    call->by = by;
    call->path = what;
    call->soft = soft;
    return make(L, box, call, run_purge, push_count);
}

static void run_sweep(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_sweep(call->cache, call->context, &call->result.swept,
                                     &call->error);
}

static int push_swept(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    (void)status;
    if (call->status)
        return refuse(L, call);
    lua_createtable(L, 0, 3);
    set_integer(L, "kept", (int64_t)call->result.swept.kept);
    set_integer(L, "removed", (int64_t)call->result.swept.removed);
    set_integer(L, "removed_bytes", (int64_t)call->result.swept.removed_bytes);
    return over(call, 1);
}

int cache_sweep(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 1);
    return make(L, box, begin(L, box, &room, NO_OPTIONS, true), run_sweep, push_swept);
}

static void run_trim(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    uint64_t budget = call->result.count;
    call->status = cairn_cache_trim(call->cache, call->context, budget,
                                    &call->result.count, &call->error);
}

int cache_trim(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 2);
    int64_t budget = cairn_lua_count(L, 2, "budget", INT64_MAX);
    struct cache_call *call = begin(L, box, &room, NO_OPTIONS, true);
    call->result.count = (uint64_t)budget;
    return make(L, box, call, run_trim, push_count);
}

static void run_flush(struct lua_job *job) {
    struct cache_call *call = call_of(job);
    call->status = cairn_cache_flush(call->cache, &call->result.count, &call->error);
}

static int push_flushed(lua_State *L, int status, lua_KContext context) {
    struct cache_call *call = (struct cache_call *)context;
    if (!call->status)
        return push_true(L, status, context);
    cairn_lua_fail(L, call->status, &call->error);
    lua_pushinteger(L, (lua_Integer)call->result.count);
    return over(call, 4);
}

int cache_flush(lua_State *L) {
    struct cache_box *box = self(L);
    struct cache_call room;
    lua_settop(L, 1);
    return make(L, box, begin(L, box, &room, NO_OPTIONS, true), run_flush,
                push_flushed);
}

void cache_init_calls(lua_State *L) {
    if (luaL_newmetatable(L, CALL_TYPE)) {
        lua_pushcfunction(L, call_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
}
