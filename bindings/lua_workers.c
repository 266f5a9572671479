/* lua_workers.c -- a set of workers as a Lua object. Its options, and what is made of
 * the functions in here, is in workers.lua. */
#include <pthread.h>
#include <stdlib.h>

#include "lua_asking.h"
#include "lua_leader.h"
#include "lua_value.h"
#include "lua_wait.h"
#include "workers_elect_lua.h"
#include "workers_lua.h"
#include "workers_monitor.h"

/* How this object has them. */
enum tenure {
    NOTHING, /* closed */
    OWNED,   /* made by it, closed by it */
    SHARED,  /* those of the process: closed by the last Lua state */
    INSIDE,  /* of a loop's own state: they outlive it */
};

struct workers_box {
    struct workers_ref *ref;
    enum tenure tenure;
};

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct workers_ref *shared; /* NULL: nobody has them */

struct workers_ref *cairn_lua_checkworkers(lua_State *L, int index) {
    const struct workers_box *box = luaL_checkudata(L, index, WORKERS_TYPE);
    luaL_argcheck(L, box->tenure != NOTHING, index, "the workers are closed");
    return box->ref;
}

static struct workers_box *new_box(lua_State *L) {
    struct workers_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct workers_box){.tenure = NOTHING};
    luaL_setmetatable(L, WORKERS_TYPE);
    return box;
}

/* -- Closing ----------------------------------------------------------------------- */

/* The lock is held until they are closed: who asks for them then gets new ones. */
static void let_go(struct workers_ref *ref) {
    pthread_mutex_lock(&shared_lock);
    if (atomic_fetch_sub(&ref->holders, 1) == 1) {
        workers_close(ref);
        if (shared == ref)
            shared = NULL;
        workers_release(ref);
    }
    pthread_mutex_unlock(&shared_lock);
}

static void close_box(struct workers_box *box) {
    enum tenure tenure = box->tenure;
    box->tenure = NOTHING;
    if (tenure == OWNED) {
        workers_close(box->ref);
        workers_release(box->ref);
    } else if (tenure == SHARED) {
        let_go(box->ref);
    }
}

static int workers_gc(lua_State *L) {
    close_box(luaL_checkudata(L, 1, WORKERS_TYPE));
    return 0;
}

/* Those who close wait for all workers, also for the one that closes. */
static int core_close(lua_State *L) {
    struct workers_box *box = luaL_checkudata(L, 1, WORKERS_TYPE);
    if (cairn_loop_current() && box->tenure != INSIDE)
        return luaL_error(L, "workers are not closed by a worker");
    if (box->tenure != INSIDE)
        close_box(box);
    return 0;
}

/* -- Opening ----------------------------------------------------------------------- */

/* core.open(settings): a set of its own */
static int core_open(lua_State *L) {
    struct cairn_error error;
    lua_settop(L, 1);
    if (cairn_loop_current())
        return luaL_error(L,
                          "a worker opens no workers of its own: cairn.workers() are "
                          "those it belongs to");
    struct workers_box *box = new_box(L);
    enum cairn_status status = workers_open(L, 1, &box->ref, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    box->tenure = OWNED;
    return 1;
}

static enum cairn_status share(lua_State *L, struct workers_box *box,
                               struct cairn_error *error) {
    if (!shared) {
        struct workers_ref *ref;
        enum cairn_status status = workers_open(L, 1, &ref, error);
        if (status)
            return status;
        ref->is_shared = true;
        shared = ref;
    }
    atomic_fetch_add(&shared->holders, 1);
    box->ref = shared;
    box->tenure = SHARED;
    return CAIRN_OK;
}

struct sharing {
    struct workers_box *box;
    enum cairn_status status;
    struct cairn_error error;
};

static int share_protected(lua_State *L) {
    struct sharing *sharing = lua_touserdata(L, 2);
    sharing->status = share(L, sharing->box, &sharing->error);
    return 0;
}

/* core.shared(settings): those of the process; in a loop those it belongs to */
static int core_shared(lua_State *L) {
    struct sharing sharing;
    const struct worker_state *state = worker_state_current();
    lua_settop(L, 1);
    sharing.box = new_box(L);
    if (state) {
        *sharing.box = (struct workers_box){state->ref, INSIDE};
        return 1;
    }
    lua_pushcfunction(L, share_protected);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, &sharing);
    pthread_mutex_lock(&shared_lock);
    int raised = lua_pcall(L, 2, 0, 0);
    pthread_mutex_unlock(&shared_lock);
    if (raised)
        return lua_error(L);
    return sharing.status ? cairn_lua_fail(L, sharing.status, &sharing.error) : 1;
}

/* -- Starting ---------------------------------------------------------------------- */

/* What a worker is filled with: owned here until it is. */
struct filling {
    struct workers_ref *ref;
    struct lua_worker worker;
};

static int free_filling(lua_State *L) {
    struct filling *filling = lua_touserdata(L, 1);
    handler_release(filling->worker.handler);
    cairn_parcel_release(filling->worker.message);
    cairn_parcel_release(filling->worker.durable);
    filling->worker = (struct lua_worker){.handler = NULL};
    return 0;
}

static struct filling *new_filling(lua_State *L, struct workers_ref *ref) {
    struct filling *filling = lua_newuserdatauv(L, sizeof *filling, 0);
    *filling = (struct filling){.ref = ref};
    if (luaL_newmetatable(L, "cairn.filling")) {
        lua_pushcfunction(L, free_filling);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return filling;
}

static void fill(void *arg, struct cairn_worker *worker) {
    struct filling *filling = arg;
    struct lua_worker *own = cairn_worker_room(worker);
    *own = filling->worker;
    own->worker = worker;
    filling->worker = (struct lua_worker){.handler = NULL};
}

/* The field as a parcel, NULL if it is not there; and its value, as long as the arena
 * is not used again. */
static struct cairn_parcel *parcel_field(lua_State *L, int index, const char *name,
                                         size_t most, struct cairn_parcel **out,
                                         enum cairn_status *status,
                                         struct cairn_error *error) {
    *out = NULL;
    *status = CAIRN_OK;
    if (cairn_lua_field(L, index, name) != LUA_TNIL) {
        struct cairn_arena *arena = cairn_lua_newarena(L);
        int at = lua_gettop(L);
        struct cairn_value value = cairn_lua_to_value(L, at - 1, name, arena);
        *status = cairn_parcel_new(&value, out, error);
        if (!*status && (*out)->size_bytes > most)
            *status =
                cairn_fail(error, CAIRN_LIMIT, "%s: %zu bytes, of %zu that it may have",
                           name, (*out)->size_bytes, most);
        cairn_lua_freearena(L, at);
        lua_remove(L, at);
    }
    lua_pop(L, 1);
    return *out;
}

static int64_t number_or(lua_State *L, int index, const char *name, int64_t preset) {
    cairn_lua_integer(L, index, name, &preset);
    return preset;
}

static void read_bounds(lua_State *L, int index, struct filling *filling) {
    const struct worker_bounds *preset = &filling->ref->bounds;
    struct worker_bounds *bounds = &filling->worker.bounds;
    *bounds = *preset;
    bounds->steps = (uint64_t)number_or(L, index, "steps", (int64_t)preset->steps);
    bounds->memory_bytes =
        (size_t)number_or(L, index, "memory", (int64_t)preset->memory_bytes);
}

static void read_character(lua_State *L, int index, struct lua_worker *worker,
                           bool *replace) {
    struct cairn_slice strategy = {"", 0};
    cairn_lua_boolean(L, index, "static", &worker->is_static);
    cairn_lua_boolean(L, index, "replace", replace);
    cairn_lua_string(L, index, "error_strategy", &strategy);
    worker->strategy = cairn_slice_equal(strategy, cairn_slice_of("ignore"))
                           ? WORKER_IGNORE
                           : WORKER_THROW;
    lua_pop(L, 1);
}

static enum cairn_status fill_from(lua_State *L, int index, struct filling *filling,
                                   struct cairn_error *error) {
    struct lua_worker *worker = &filling->worker;
    struct cairn_slice name = {"", 0};
    enum cairn_status status;
    const size_t most = filling->ref->bounds.message_bytes;
    worker->ref = filling->ref;
    read_bounds(L, index, filling);
    parcel_field(L, index, "message", most, &worker->message, &status, error);
    if (!status)
        parcel_field(L, index, "durable", most, &worker->durable, &status, error);
    if (status)
        return status;
    cairn_lua_string(L, index, "handler", &name);
    status = handlers_find(filling->ref->handlers, name, &worker->handler, error);
    lua_pop(L, 1);
    return status;
}

/* Of one that was there already: whether it has its last turn, in which a request would
 * be refused. Another handler would not understand what it is asked. */
static enum cairn_status look_at_found(struct cairn_worker *worker,
                                       struct cairn_slice label, bool *ends,
                                       struct cairn_error *error) {
    struct cairn_worker_facts facts;
    char room[1024];
    cairn_worker_facts(worker, &facts, room);
    *ends = facts.state == CAIRN_WORKER_ENDS || facts.state == CAIRN_WORKER_ENDED;
    if (cairn_slice_equal(facts.label, label))
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_CONFLICT,
                      "the group '%.*s' has a worker already, of the handler '%.*s'",
                      (int)facts.group.size, facts.group.data, (int)facts.label.size,
                      facts.label.data);
}

/* core.start(workers, spec with a group): a cairn.Worker, whether it was made, and
 * whether it is about to end */
static int core_start(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct cairn_error error;
    struct cairn_slice group = {"", 0};
    struct cairn_worker *worker;
    bool made = false;
    lua_settop(L, 2);
    struct filling *filling = new_filling(L, ref);
    struct cairn_worker_options options = {
        .kind = &lua_worker_kind,
        .timeout_ms = number_or(L, 2, "timeout", ref->timeout_ms),
        .queue_most = (size_t)number_or(L, 2, "queue", (int64_t)ref->queue_most),
        .fill = fill,
        .arg = filling};
    enum cairn_status status = fill_from(L, 2, filling, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    read_character(L, 2, &filling->worker, &options.replace);
    cairn_lua_string(L, 2, "group", &group);
    options.group = group;
    options.label = handler_name(filling->worker.handler);
    status = cairn_worker_start(ref->workers, &options, &worker, &made, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    bool ends = false;
    if (!made)
        status = look_at_found(worker, options.label, &ends, &error);
    if (!status)
        cairn_lua_push_worker(L, ref, worker);
    cairn_worker_release(worker);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, made);
    lua_pushboolean(L, ends);
    return 3;
}

/* core.find(workers, group) */
static int core_find(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct cairn_slice group = cairn_lua_bytes(L, 2, "group");
    struct cairn_error error;
    struct cairn_worker *worker = cairn_worker_find(ref->workers, group);
    if (!worker) {
        cairn_fail_at(&error, CAIRN_NOT_FOUND, "no worker has the group", group);
        return cairn_lua_fail(L, CAIRN_NOT_FOUND, &error);
    }
    cairn_lua_push_worker(L, ref, worker);
    cairn_worker_release(worker);
    return 1;
}

/* core.forward(workers, from, to) */
static int core_forward(lua_State *L) {
    cairn_lua_checkworkers(L, 1);
    struct cairn_worker *from = cairn_lua_checkworker(L, 2);
    struct cairn_worker *to = cairn_lua_checkworker(L, 3);
    luaL_argcheck(L, from != to, 3, "a worker cannot forward to itself");
    lua_pushinteger(L, (lua_Integer)cairn_worker_forward(from, to));
    return 1;
}

/* core.cache(workers): a cairn.Cache for what they keep in; nil: they have none */
static int core_cache(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    if (ref->cache)
        cairn_lua_push_cache(L, ref->cache);
    else
        lua_pushnil(L);
    return 1;
}

/* core.now(workers): ms since the epoch, on their clock */
static int core_now(lua_State *L) {
    lua_pushinteger(L, workers_now(cairn_lua_checkworkers(L, 1)));
    return 1;
}

/* core.reload(workers) */
static int core_reload(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct cairn_error error;
    enum cairn_status status = handlers_reload(ref->handlers, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg core[] = {
    {"await", lua_leader_await},
    {"cache", core_cache},
    {"now", core_now},
    {"close", core_close},
    {"find", core_find},
    {"forward", core_forward},
    {"handlers", workers_handlers},
    {"join", lua_leader_join},
    {"land", lua_leader_land},
    {"list", workers_list},
    {"monitor", workers_monitor},
    {"monitor_stop", workers_monitor_stop},
    {"notify", lua_leader_notify},
    {"open", core_open},
    {"reload", core_reload},
    {"shared", core_shared},
    {"start", core_start},
    {"stats", workers_stats},
    {NULL, NULL},
};

static const luaL_Reg none[] = {{NULL, NULL}};
static const luaL_Reg metamethods[] = {
    {"__close", workers_gc},
    {"__gc", workers_gc},
    {NULL, NULL},
};

void cairn_lua_init_workers(lua_State *L) {
    int module = lua_gettop(L);
    cairn_lua_class(L, WORKERS_TYPE, none, metamethods);
    lua_settop(L, module);
    cairn_lua_init_worker(L);
    lua_leader_init(L);
    lua_answer_init(L);
    workers_monitor_init(L);
    lua_pushcfunction(L, cairn_lua_sleep);
    lua_setfield(L, module, "sleep");
    if (luaL_loadbufferx(L, (const char *)workers_lua, sizeof workers_lua - 1,
                         "@cairn/workers.lua", "t") != LUA_OK)
        lua_error(L);
    lua_pushvalue(L, module);
    luaL_getmetatable(L, WORKERS_TYPE);
    luaL_newlib(L, core);
    if (luaL_loadbufferx(L, (const char *)workers_elect_lua,
                         sizeof workers_elect_lua - 1, "@cairn/workers_elect.lua",
                         "t") != LUA_OK)
        lua_error(L);
    lua_pushvalue(L, module);
    lua_call(L, 1, 1);
    lua_call(L, 4, 0);
    lua_settop(L, module);
}
