/* worker_core.c -- what worker.lua needs of the engine: each function is about the
 * worker that has its turn. */
#include "lua_worker.h"

#include "lua_value.h"
#include "lua_wait.h"

enum { VERSION_SHOWN = 12 };

static struct cairn_worker *current(void) {
    return worker_state_current()->current;
}

static struct lua_worker *own_room(void) {
    return cairn_worker_room(current());
}

/* -- The handler ------------------------------------------------------------------- */

/* core.handler(): its name, and the serial of its newest version */
static int core_handler(lua_State *L) {
    const struct lua_worker *own = own_room();
    cairn_lua_push(L, handler_name(own->handler));
    lua_pushinteger(L, (lua_Integer)handler_serial(own->handler));
    return 2;
}

static int free_version(lua_State *L) {
    struct handler_version **version = lua_touserdata(L, 1);
    handler_version_release(*version);
    *version = NULL;
    return 0;
}

/* Pushes a box that releases the version. */
static struct handler_version *hold_current(lua_State *L, struct handler *handler) {
    struct handler_version **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, "cairn.handler_version")) {
        lua_pushcfunction(L, free_version);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *box = handler_current(handler);
    return *box;
}

/* core.load(): module, the characters that name its version, its serial; or nil, why */
static int core_load(lua_State *L) {
    const struct lua_worker *own = own_room();
    struct cairn_error error;
    char name[256];
    struct cairn_slice called = handler_name(own->handler);
    size_t size = called.size < sizeof name ? called.size : sizeof name - 1;
    memcpy(name, called.data, size);
    name[size] = '\0';
    const struct handler_version *version = hold_current(L, own->handler);
    if (handler_load(L, version, name, &error)) {
        lua_pushnil(L);
        lua_pushstring(L, error.message);
        return 2;
    }
    lua_pushlstring(L, version->hash, VERSION_SHOWN);
    lua_pushinteger(L, (lua_Integer)version->serial);
    return 3;
}

/* core.updated(serial or nil): what it has been updated to; nil: as far as there is. */
static int core_updated(lua_State *L) {
    struct lua_worker *own = own_room();
    own->serial = lua_isinteger(L, 1) ? (uint64_t)lua_tointeger(L, 1)
                                      : handler_serial(own->handler);
    return 0;
}

/* core.report(event, version, message) */
static int core_report(lua_State *L) {
    const struct lua_worker *own = own_room();
    workers_report(own->ref, luaL_checkstring(L, 1), handler_name(own->handler).data,
                   luaL_optstring(L, 2, ""), luaL_checkstring(L, 3));
    return 0;
}

/* -- The worker -------------------------------------------------------------------- */

/* core.message(): what it was started with, which is kept no longer. */
static int core_message(lua_State *L) {
    const struct lua_worker *own = own_room();
    if (own->message)
        cairn_lua_push_value(L, &own->message->value);
    else
        lua_newtable(L);
    return 1;
}

static int core_begun(lua_State *L) {
    struct lua_worker *own = own_room();
    (void)L;
    own->has_begun = true;
    cairn_parcel_release(own->message);
    own->message = NULL;
    return 0;
}

static int core_durable(lua_State *L) {
    const struct lua_worker *own = own_room();
    if (own->durable)
        cairn_lua_push_value(L, &own->durable->value);
    else
        lua_pushnil(L);
    return 1;
}

static int core_group(lua_State *L) {
    struct cairn_worker_facts facts;
    char room[1024];
    cairn_worker_facts(current(), &facts, room);
    cairn_lua_push(L, facts.group);
    return 1;
}

static int core_worker(lua_State *L) {
    struct cairn_worker *worker = current();
    cairn_lua_push_worker(L, own_room()->ref, worker);
    return 1;
}

static int core_ignores(lua_State *L) {
    lua_pushboolean(L, own_room()->strategy == WORKER_IGNORE);
    return 1;
}

static int core_static(lua_State *L) {
    lua_pushboolean(L, own_room()->is_static);
    return 1;
}

/* core.move(group): where another worker has that, it is found by no name, only by
 * those who know it. */
static int core_move(lua_State *L) {
    struct cairn_error error;
    bool moved;
    struct cairn_slice group = cairn_lua_bytes(L, 1, "group");
    enum cairn_status status = cairn_worker_move(current(), group, &moved, &error);
    return status ? luaL_error(L, "%s", error.message) : 0;
}

/* core.heavy(): nil, or the bytes it may hold, when those by which the heap has grown
 * in its turns are more. */
static int core_heavy(lua_State *L) {
    const struct lua_worker *own = own_room();
    int64_t bytes = own->bytes + own->account.bytes;
    if (bytes <= 0 || (uint64_t)bytes <= own->bounds.memory_bytes)
        return 0;
    lua_pushinteger(L, (lua_Integer)own->bounds.memory_bytes);
    return 1;
}

/* core.weighed(bytes): what it holds indeed. */
static int core_weighed(lua_State *L) {
    struct lua_worker *own = own_room();
    own->bytes = luaL_checkinteger(L, 1);
    own->account.bytes = 0;
    return 0;
}

static int renewed(lua_State *L, int status, lua_KContext context) {
    (void)L, (void)status, (void)context;
    return 0;
}

/* core.renew(): what comes has the bounds of a request of its own; others have their
 * turns in between. */
static int core_renew(lua_State *L) {
    own_room()->is_renewed = true;
    cairn_worker_wake(current());
    return sandbox_suspend(L, 0, renewed);
}

/* core.exceed(message): ends it. */
static int core_exceed(lua_State *L) {
    own_room()->gave_up = CAIRN_LEADER_DIED;
    lua_settop(L, 1);
    return lua_error(L);
}

/* core.give_up(message, code): ends it; who waits for this request is told the code. */
static int core_give_up(lua_State *L) {
    struct lua_worker *own = own_room();
    own->gave_up = cairn_lua_status(luaL_optstring(L, 2, NULL));
    lua_settop(L, 1);
    return lua_error(L);
}

/* -- Answers ----------------------------------------------------------------------- */

static void answer_with(const struct cairn_landing *landing) {
    if (cairn_worker_request(current()))
        cairn_worker_answer(current(), landing);
}

/* core.answer(value): nothing is copied where nobody waits. */
static int core_answer(lua_State *L) {
    const struct cairn_request *request = cairn_worker_request(current());
    struct cairn_landing landing = {.status = CAIRN_OK};
    struct cairn_arena *arena = &worker_state_current()->arena;
    lua_settop(L, 1);
    if (request && request->waits && !lua_isnil(L, 1)) {
        cairn_arena_free(arena);
        cairn_arena_init(arena);
        struct cairn_value value =
            cairn_lua_to_value(L, 1, "what handle returned", arena);
        landing.status = cairn_parcel_new(&value, &landing.parcel, &landing.error);
    }
    answer_with(&landing);
    cairn_parcel_release(landing.parcel);
    return 0;
}

/* core.refuse(message, code or nil) */
static int core_refuse(lua_State *L) {
    struct cairn_landing landing;
    const char *word = luaL_optstring(L, 2, "unavailable");
    landing.parcel = NULL;
    landing.detail = 0;
    landing.status = cairn_fail(&landing.error, cairn_lua_status(word), "%s",
                                luaL_checkstring(L, 1));
    answer_with(&landing);
    return 0;
}

/* -- Reminders --------------------------------------------------------------------- */

static void forget(struct cairn_request *request, const struct cairn_landing *landing) {
    struct lua_worker *own =
        (struct lua_worker *)((char *)request - offsetof(struct lua_worker, reminder));
    (void)landing;
    own->is_reminded = false;
}

static void remind(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct lua_worker *own =
        (struct lua_worker *)((char *)timer - offsetof(struct lua_worker, timer));
    (void)loop;
    own->reminder = (struct cairn_request){.is_quiet = true, .answered = forget};
    if (cairn_worker_post(own->worker, &own->reminder, NULL))
        own->is_reminded = false; /* no room, or it ends: it is closed in order then */
}

/* core.remind(ms): serves nil then, unless that is to come already. */
static int core_remind(lua_State *L) {
    struct lua_worker *own = own_room();
    struct cairn_loop *loop = cairn_loop_current();
    struct cairn_error error;
    int64_t ms = cairn_lua_count(L, 1, "ms", INT32_MAX);
    if (own->is_reminded)
        return 0;
    own->timer.fire = remind;
    own->is_reminded =
        !cairn_loop_set_timer(loop, &own->timer, cairn_loop_now_ms(loop) + ms, &error);
    return own->is_reminded ? 0 : luaL_error(L, "%s", error.message);
}

/* core.now(): ms since the epoch, on the workers' clock */
static int core_now(lua_State *L) {
    lua_pushinteger(L, workers_now(own_room()->ref));
    return 1;
}

void worker_push_core(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"answer", core_answer},   {"begun", core_begun},
        {"durable", core_durable}, {"exceed", core_exceed},
        {"give_up", core_give_up}, {"group", core_group},
        {"handler", core_handler}, {"heavy", core_heavy},
        {"ignores", core_ignores}, {"load", core_load},
        {"message", core_message}, {"move", core_move},
        {"now", core_now},         {"refuse", core_refuse},
        {"remind", core_remind},   {"renew", core_renew},
        {"report", core_report},   {"static", core_static},
        {"updated", core_updated}, {"weighed", core_weighed},
        {"worker", core_worker},   {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
