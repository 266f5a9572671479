/* lua_worker.c -- one worker as a Lua object: ask, send, stop. */
#include "lua_worker.h"

#include "lua_asking.h"

struct worker_box {
    struct cairn_worker *worker; /* NULL once collected */
    struct workers_ref *ref;
    bool retains; /* of the loops' own objects none does: what they are in outlives them
                   */
};

static bool is_inside(const struct workers_ref *ref) {
    const struct worker_state *state = worker_state_current();
    return state && state->ref == ref;
}

void cairn_lua_push_worker(lua_State *L, struct workers_ref *ref,
                           struct cairn_worker *worker) {
    struct worker_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct worker_box){.worker = NULL};
    luaL_setmetatable(L, WORKER_TYPE);
    box->worker = cairn_worker_retain(worker);
    box->ref = ref;
    box->retains = !is_inside(ref);
    if (box->retains)
        workers_retain(ref);
}

static struct worker_box *self(lua_State *L) {
    struct worker_box *box = cairn_lua_self(L, WORKER_TYPE);
    luaL_argcheck(L, box->worker, 1, "the worker was collected");
    return box;
}

struct cairn_worker *cairn_lua_checkworker(lua_State *L, int index) {
    struct worker_box *box = luaL_checkudata(L, index, WORKER_TYPE);
    luaL_argcheck(L, box->worker, index, "the worker was collected");
    return box->worker;
}

static int worker_gc(lua_State *L) {
    struct worker_box *box = luaL_checkudata(L, 1, WORKER_TYPE);
    cairn_worker_release(box->worker);
    box->worker = NULL;
    if (box->retains)
        workers_release(box->ref);
    box->retains = false;
    return 0;
}

/* Its workers may be closed: then there is nobody to ask. */
static bool is_closed(const struct worker_box *box) {
    return atomic_load(&box->ref->is_closed);
}

static int fail_closed(lua_State *L) {
    struct cairn_error error;
    cairn_fail(&error, CAIRN_UNAVAILABLE, "the workers were closed");
    return cairn_lua_fail(L, CAIRN_UNAVAILABLE, &error);
}

static int64_t timeout_of(lua_State *L, int index) {
    static const char *const options[] = {"timeout", NULL};
    int64_t timeout_ms = -1;
    if (!cairn_lua_options(L, index, options))
        return -1;
    cairn_lua_integer(L, index, "timeout", &timeout_ms);
    if (cairn_lua_field(L, index, "timeout") != LUA_TNIL && timeout_ms < 0)
        luaL_argerror(L, index, "options.timeout: must not be negative");
    lua_pop(L, 1);
    return timeout_ms;
}

static void check_request(lua_State *L, int index) {
    luaL_checkany(L, index);
    if (lua_isnil(L, index))
        luaL_argerror(L, index,
                      "request: a message, string, number or boolean expected");
}

static int worker_ask(lua_State *L) {
    const struct worker_box *box = self(L);
    check_request(L, 2);
    lua_settop(L, 3);
    int64_t timeout_ms = timeout_of(L, 3);
    if (is_closed(box))
        return fail_closed(L);
    return lua_ask(L, box->worker, 2, &box->ref->bounds, timeout_ms);
}

static int worker_send(lua_State *L) {
    const struct worker_box *box = self(L);
    check_request(L, 2);
    if (is_closed(box))
        return fail_closed(L);
    return lua_send(L, box->worker, 2, &box->ref->bounds);
}

static int worker_stop(lua_State *L) {
    const struct worker_box *box = self(L);
    lua_settop(L, 2);
    int64_t timeout_ms = timeout_of(L, 2);
    if (is_closed(box)) { /* they have all been stopped */
        lua_pushboolean(L, true);
        return 1;
    }
    return lua_stop(L, box->worker, timeout_ms);
}

static int worker_kill(lua_State *L) {
    const struct worker_box *box = self(L);
    const char *why = luaL_optstring(L, 2, "it was killed");
    if (!is_closed(box))
        cairn_worker_kill(box->worker, CAIRN_LEADER_DIED, why);
    return 0;
}

/* -- What is to be known of it ----------------------------------------------------- */

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

void cairn_lua_push_worker_info(lua_State *L, const struct cairn_worker_facts *facts) {
    lua_createtable(L, 0, 10);
    cairn_lua_push(L, facts->group);
    lua_setfield(L, -2, "group");
    cairn_lua_push(L, facts->label);
    lua_setfield(L, -2, "handler");
    lua_pushstring(L, cairn_worker_state_word(facts->state));
    lua_setfield(L, -2, "state");
    set_integer(L, "thread", facts->loop + 1);
    set_integer(L, "queue", (int64_t)facts->queue);
    set_integer(L, "requests", (int64_t)facts->requests);
    set_integer(L, "failures", (int64_t)facts->failures);
    lua_pushnumber(L, (lua_Number)facts->busy_ns / 1e6);
    lua_setfield(L, -2, "busy");
    set_integer(L, "memory", facts->memory_bytes);
    set_integer(L, "started", facts->started_ms);
}

static int worker_info(lua_State *L) {
    const struct worker_box *box = self(L);
    struct cairn_worker_facts facts;
    char room[1024];
    cairn_worker_facts(box->worker, &facts, room);
    cairn_lua_push_worker_info(L, &facts);
    return 1;
}

/* Methods; else `group`. */
static int worker_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "group") != 0)
        return 1;
    struct worker_box *box = luaL_checkudata(L, 1, WORKER_TYPE);
    struct cairn_worker_facts facts;
    char room[1024];
    cairn_worker_facts(box->worker, &facts, room);
    cairn_lua_push(L, facts.group);
    return 1;
}

static const luaL_Reg methods[] = {
    {"ask", worker_ask},   {"info", worker_info}, {"kill", worker_kill},
    {"send", worker_send}, {"stop", worker_stop}, {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", worker_gc},
    {NULL, NULL},
};

void cairn_lua_init_worker(lua_State *L) {
    int top = lua_gettop(L);
    cairn_lua_class(L, WORKER_TYPE, methods, metamethods);
    lua_settop(L, top);
    luaL_getmetatable(L, WORKER_TYPE);
    lua_getfield(L, -1, "__index");
    lua_pushcclosure(L, worker_index, 1);
    lua_setfield(L, -2, "__index");
    lua_settop(L, top);
}
