/* workers.c -- `require "spec.workers"`: workers of the engine whose kind does what a
 * request says, in words:
 *
 *     echo                 answers
 *     fail, break, silent  answers that it failed; and ends; ends without an answer
 *     mute                 is over without an answer
 *     wait                 answers after a wake
 *     eager                wakes itself before it waits
 *     turns N              uses so many turns up
 *     sleep MS             answers when a timer fires
 *     slow                 waits for something that cannot be given up: world:let_go()
 *     hold                 keeps its loop until world:let_go()
 *     move GROUP           answers "moved" or "taken"
 *     ask GROUP WORDS      asks that worker and gives its answer on
 *     send GROUP WORDS     sends that to it
 *     start GROUP          starts a worker
 *
 *     world = workers.open{ loops =, most =, clock = true (moved by world:advance(ms))
 * } world:start(group, { timeout =, queue =, replace =, label =, stop = WORDS })
 *                          -> worker, made
 *     world:find, each, counts, advance, close(drain_ms)
 *     world:log()          what was begun and gone on with: "GROUP WORDS" each
 *     world:let_go(), held(n): waits until so many keep their loops
 *     worker:post(words, waits) -> ticket; worker:kill, wake, stop, forward, facts
 *     ticket:await(ms)     -> word of the status, its message; nil: not yet
 *
 * What fails returns nil, message, word. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "workers_kind.h"

int luaopen_spec_workers(lua_State *L);

#define WORLD "spec.World"
#define WORKER "spec.Worker"
#define TICKET "spec.Ticket"

static int push_failure(lua_State *L, enum cairn_status status,
                        const struct cairn_error *error) {
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, cairn_status_word(status));
    return 3;
}

static struct world *check_world(lua_State *L) {
    struct world **box = luaL_checkudata(L, 1, WORLD);
    luaL_argcheck(L, (*box)->workers, 1, "is closed");
    return *box;
}

static struct cairn_worker *check_worker(lua_State *L, int index) {
    return *(struct cairn_worker **)luaL_checkudata(L, index, WORKER);
}

/* A box for what is not there yet. */
static void **push_box(lua_State *L, const char *type) {
    void **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, type);
    return box;
}

static lua_Integer opt_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    lua_Integer value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

static bool has_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    bool has = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return has;
}

static int64_t clock_of(void *clock) {
    return atomic_load(&((struct world *)clock)->now_ms);
}

static int workers_open(lua_State *L) {
    struct cairn_error error;
    luaL_checktype(L, 1, LUA_TTABLE);
    struct cairn_workers_options options = {.scheduler.loops =
                                                (unsigned)opt_field(L, 1, "loops"),
                                            .most = (size_t)opt_field(L, 1, "most")};
    bool clock = has_field(L, 1, "clock");
    void **box = push_box(L, WORLD);
    struct world *world = *box = calloc(1, sizeof *world);
    if (!world)
        return luaL_error(L, "no memory");
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
    if (clock) {
        options.scheduler.now_ms = clock_of;
        options.scheduler.clock = world;
    }
    enum cairn_status status = cairn_workers_open(&options, &world->workers, &error);
    return status ? push_failure(L, status, &error) : 1;
}

static void set_gate(struct world *world, bool open) {
    pthread_mutex_lock(&world->lock);
    world->gate = open;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

/* Returns how many rooms were not freed. */
static int world_close(lua_State *L) {
    struct world *world = check_world(L);
    lua_Integer drain_ms = luaL_checkinteger(L, 2);
    struct cairn_workers *workers = world->workers;
    world->workers = NULL;
    cairn_workers_close(workers, drain_ms);
    lua_pushinteger(L, atomic_load(&world->alive));
    return 1;
}

static int world_gc(lua_State *L) {
    struct world **box = luaL_checkudata(L, 1, WORLD);
    if (!*box)
        return 0;
    set_gate(*box, true);
    cairn_workers_close((*box)->workers, 0);
    pthread_cond_destroy(&(*box)->changed);
    pthread_mutex_destroy(&(*box)->lock);
    free(*box);
    *box = NULL;
    return 0;
}

static int world_start(lua_State *L) {
    struct world *world = check_world(L);
    struct cairn_worker_options options = {.kind = &kind, .fill = fill};
    struct cairn_error error;
    bool made;
    options.group.data = luaL_checklstring(L, 2, &options.group.size);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    options.timeout_ms = opt_field(L, 3, "timeout");
    options.queue_most = (size_t)opt_field(L, 3, "queue");
    options.replace = has_field(L, 3, "replace");
    lua_getfield(L, 3, "label");
    options.label.data = luaL_optlstring(L, -1, "", &options.label.size);
    lua_getfield(L, 3, "stop");
    struct filling filling = {world, luaL_optstring(L, -1, "")};
    options.arg = &filling;
    struct cairn_worker **box = (void *)push_box(L, WORKER);
    enum cairn_status status =
        cairn_worker_start(world->workers, &options, box, &made, &error);
    if (status)
        return push_failure(L, status, &error);
    lua_pushboolean(L, made);
    return 2;
}

static int world_find(lua_State *L) {
    struct world *world = check_world(L);
    struct cairn_slice group;
    group.data = luaL_checklstring(L, 2, &group.size);
    struct cairn_worker **box = (void *)push_box(L, WORKER);
    *box = cairn_worker_find(world->workers, group);
    return *box != NULL;
}

static int world_advance(lua_State *L) {
    struct world *world = check_world(L);
    atomic_fetch_add(&world->now_ms, luaL_checkinteger(L, 2));
    cairn_scheduler_tick(cairn_workers_scheduler(world->workers));
    return 0;
}

static int world_let_go(lua_State *L) {
    set_gate(check_world(L), !lua_isboolean(L, 2) || lua_toboolean(L, 2));
    return 0;
}

static int world_held(lua_State *L) {
    struct world *world = check_world(L);
    int wanted = (int)luaL_checkinteger(L, 2), failed = 0;
    struct timespec until = in_ms(20000);
    pthread_mutex_lock(&world->lock);
    while (world->held != wanted && !failed)
        failed = pthread_cond_timedwait(&world->changed, &world->lock, &until);
    pthread_mutex_unlock(&world->lock);
    lua_pushboolean(L, !failed);
    return 1;
}

/* Of a world that is closed, too. */
static int world_log(lua_State *L) {
    struct world *world = *(struct world **)luaL_checkudata(L, 1, WORLD);
    pthread_mutex_lock(&world->lock);
    int count = world->count;
    pthread_mutex_unlock(&world->lock);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) { /* what is written stays as it is */
        lua_pushstring(L, world->log[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static int world_counts(lua_State *L) {
    struct cairn_workers_counts counts;
    cairn_workers_counts(check_world(L)->workers, &counts);
    lua_newtable(L);
    set_integer(L, "workers", (lua_Integer)counts.workers);
    set_integer(L, "started", (lua_Integer)counts.started);
    set_integer(L, "posted", (lua_Integer)counts.posted);
    set_integer(L, "answered", (lua_Integer)counts.answered);
    set_integer(L, "failed", (lua_Integer)counts.failed);
    set_integer(L, "full", (lua_Integer)counts.refused_full);
    set_integer(L, "rings", (lua_Integer)counts.rings);
    set_integer(L, "forwarded", (lua_Integer)counts.forwarded);
    for (int i = 0; i < CAIRN_END_COUNT; i++)
        set_integer(L, cairn_end_word(i), (lua_Integer)counts.ended[i]);
    return 1;
}

static void push_facts(lua_State *L, const struct cairn_worker_facts *facts) {
    lua_newtable(L);
    lua_pushlstring(L, facts->group.data, facts->group.size);
    lua_setfield(L, -2, "group");
    lua_pushlstring(L, facts->label.data, facts->label.size);
    lua_setfield(L, -2, "label");
    lua_pushstring(L, cairn_worker_state_word(facts->state));
    lua_setfield(L, -2, "state");
    set_integer(L, "loop", facts->loop);
    set_integer(L, "queue", (lua_Integer)facts->queue);
    set_integer(L, "requests", (lua_Integer)facts->requests);
    set_integer(L, "failures", (lua_Integer)facts->failures);
    set_integer(L, "busy_ns", (lua_Integer)facts->busy_ns);
    set_integer(L, "started_ms", facts->started_ms);
    set_integer(L, "actor", (lua_Integer)facts->actor);
}

struct seen {
    size_t count;
    struct cairn_worker_facts facts[64];
    char groups[64][64], labels[64][64];
};

/* Lua may raise, which it must not while a stripe is locked. */
static void see(void *arg, const struct cairn_worker_facts *facts) {
    struct seen *seen = arg;
    size_t i = seen->count;
    if (i == 64 || facts->group.size > 64 || facts->label.size > 64)
        return;
    seen->facts[i] = *facts;
    memcpy(seen->groups[i], facts->group.data, facts->group.size);
    seen->facts[i].group.data = seen->groups[i];
    memcpy(seen->labels[i], facts->label.data, facts->label.size);
    seen->facts[i].label.data = seen->labels[i];
    seen->count++;
}

static int world_each(lua_State *L) {
    struct world *world = check_world(L);
    struct cairn_slice prefix;
    struct seen seen = {0};
    prefix.data = luaL_optlstring(L, 2, "", &prefix.size);
    cairn_workers_each(world->workers, prefix, see, &seen);
    lua_newtable(L);
    for (size_t i = 0; i < seen.count; i++) {
        push_facts(L, &seen.facts[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int worker_gc(lua_State *L) {
    struct cairn_worker **box = luaL_checkudata(L, 1, WORKER);
    cairn_worker_release(*box);
    *box = NULL;
    return 0;
}

static int worker_post(lua_State *L) {
    struct cairn_worker *worker = check_worker(L, 1);
    struct cairn_error error;
    struct ask **box = (void *)push_box(L, TICKET);
    *box = ask_new(luaL_checkstring(L, 2), lua_toboolean(L, 3));
    if (!*box)
        return luaL_error(L, "no memory");
    enum cairn_status status = cairn_worker_post(worker, &(*box)->request, &error);
    if (!status)
        return 1;
    ask_release(*box);
    return push_failure(L, status, &error);
}

static int worker_stop(lua_State *L) {
    struct cairn_worker *worker = check_worker(L, 1);
    struct ask **box = (void *)push_box(L, TICKET);
    *box = ask_new("", false);
    if (!*box)
        return luaL_error(L, "no memory");
    cairn_worker_stop(worker, &(*box)->ending);
    return 1;
}

static int worker_kill(lua_State *L) {
    cairn_worker_kill(check_worker(L, 1), CAIRN_LIMIT, luaL_checkstring(L, 2));
    return 0;
}

static int worker_wake(lua_State *L) {
    cairn_worker_wake(check_worker(L, 1));
    return 0;
}

static int worker_forward(lua_State *L) {
    size_t count = cairn_worker_forward(check_worker(L, 1), check_worker(L, 2));
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static int worker_facts(lua_State *L) {
    struct cairn_worker_facts facts;
    char room[1024];
    cairn_worker_facts(check_worker(L, 1), &facts, room);
    push_facts(L, &facts);
    return 1;
}

static struct ask *check_ticket(lua_State *L) {
    return *(struct ask **)luaL_checkudata(L, 1, TICKET);
}

/* Word, message, what the landing says besides, how often it was told. */
static int ticket_await(lua_State *L) {
    struct ask *ask = check_ticket(L);
    struct timespec until = in_ms(luaL_optinteger(L, 2, 20000));
    int failed = 0;
    pthread_mutex_lock(&ask->lock);
    while (!ask->times && !failed)
        failed = pthread_cond_timedwait(&ask->changed, &ask->lock, &until);
    int times = ask->times;
    pthread_mutex_unlock(&ask->lock);
    if (!times)
        return 0;
    lua_pushstring(L, cairn_status_word(ask->status));
    lua_pushstring(L, ask->message);
    lua_pushstring(L, cairn_status_word(ask->detail));
    lua_pushinteger(L, times);
    return 4;
}

static int ticket_gc(lua_State *L) {
    struct ask **box = luaL_checkudata(L, 1, TICKET);
    if (*box) {
        cairn_edge_erase(&(*box)->request.edge);
        ask_release(*box);
    }
    *box = NULL;
    return 0;
}

static const luaL_Reg world_methods[] = {
    {"__gc", world_gc},     {"advance", world_advance},
    {"close", world_close}, {"counts", world_counts},
    {"each", world_each},   {"find", world_find},
    {"held", world_held},   {"let_go", world_let_go},
    {"log", world_log},     {"start", world_start},
    {NULL, NULL},
};

static const luaL_Reg worker_methods[] = {
    {"__gc", worker_gc},         {"facts", worker_facts},
    {"forward", worker_forward}, {"kill", worker_kill},
    {"post", worker_post},       {"stop", worker_stop},
    {"wake", worker_wake},       {NULL, NULL},
};

static const luaL_Reg ticket_methods[] = {
    {"__gc", ticket_gc}, {"await", ticket_await}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"open", workers_open}, {NULL, NULL}};

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods) {
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

int luaopen_spec_workers(lua_State *L) {
    make_class(L, WORLD, world_methods);
    make_class(L, WORKER, worker_methods);
    make_class(L, TICKET, ticket_methods);
    luaL_newlib(L, functions);
    return 1;
}
