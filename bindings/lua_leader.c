/* lua_leader.c -- computations that callers lead: find_or_register, await, notify. */
#include "lua_leader.h"

#include "lua_asking.h"
#include "lua_value.h"

#define LEADER_TYPE "cairn.Leader"

/* Somebody who leads has the first, somebody who waits does not. */
struct leader_box {
    struct lua_lead lead;
    struct cairn_flight *flight; /* retained; NULL once closed */
    bool leads;
};

static struct leader_box *self(lua_State *L, int index) {
    struct leader_box *box = luaL_checkudata(L, index, LEADER_TYPE);
    luaL_argcheck(L, box->flight, index, "the leader was closed");
    return box;
}

static void abandon(struct lua_lead *lead, const char *why) {
    struct leader_box *box = (struct leader_box *)lead;
    box->leads = false;
    cairn_flight_abandon(box->flight, why);
}

static void close_box(struct leader_box *box) {
    if (box->leads)
        abandon(&box->lead, "who computed went away without a result");
    lua_lead_end(&box->lead);
    cairn_flight_release(box->flight);
    box->flight = NULL;
}

static int leader_close(lua_State *L) {
    struct leader_box *box = luaL_checkudata(L, 1, LEADER_TYPE);
    if (box->flight)
        close_box(box);
    return 0;
}

static int leader_index(lua_State *L) {
    const struct leader_box *box = luaL_checkudata(L, 1, LEADER_TYPE);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (box->flight && strcmp(name, "group") == 0)
        cairn_lua_push(L, cairn_flight_name(box->flight));
    else
        lua_pushnil(L);
    return 1;
}

/* -- Registering ------------------------------------------------------------------- */

/* The worker that has the group is who to wait for. */
static bool push_found(lua_State *L, struct workers_ref *ref,
                       struct cairn_slice group) {
    struct cairn_worker *worker = cairn_worker_find(ref->workers, group);
    if (!worker)
        return false;
    lua_pushliteral(L, "wait");
    cairn_lua_push_worker(L, ref, worker);
    cairn_worker_release(worker);
    return true;
}

int lua_leader_join(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct cairn_slice group = cairn_lua_bytes(L, 2, "group");
    struct cairn_error error;
    enum cairn_role role;
    if (push_found(L, ref, group))
        return 2;
    struct leader_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct leader_box){.leads = false};
    luaL_setmetatable(L, LEADER_TYPE);
    enum cairn_status status =
        cairn_flights_join(cairn_workers_flights(ref->workers), group,
                           cairn_actor_self(), &role, &box->flight, &error);
    if (status == CAIRN_INFINITE_RECURSION) {
        lua_pushstring(L, cairn_status_word(status));
        lua_pushvalue(L, 2);
        return 2;
    }
    if (status)
        return cairn_lua_fail(L, status, &error);
    box->leads = role == CAIRN_LEADS;
    if (box->leads) {
        box->lead.abandon = abandon;
        lua_lead_begin(&box->lead);
    }
    lua_pushstring(L, box->leads ? "leader" : "wait");
    lua_insert(L, -2);
    return 2;
}

int lua_leader_await(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    lua_settop(L, 5);
    size_t most = (size_t)luaL_optinteger(L, 5, 0);
    int64_t timeout_ms = luaL_optinteger(L, 4, -1);
    if (luaL_testudata(L, 2, WORKER_TYPE))
        return lua_ask(L, cairn_lua_checkworker(L, 2), 3, &ref->bounds, timeout_ms);
    return lua_await(L, self(L, 2)->flight, most, timeout_ms);
}

/* -- Telling ----------------------------------------------------------------------- */

/* The result at 3; or nil, and message and code at 4 and 5. */
static enum cairn_status read_landing(lua_State *L, struct cairn_landing *landing,
                                      struct cairn_error *error) {
    *landing = (struct cairn_landing){.status = CAIRN_OK};
    if (lua_isnil(L, 3)) {
        const char *message = luaL_optstring(L, 4, "the leader gave no result");
        landing->status =
            cairn_fail(&landing->error, cairn_lua_status(luaL_optstring(L, 5, NULL)),
                       "%s", message);
        return CAIRN_OK;
    }
    struct cairn_arena *arena = cairn_lua_newarena(L);
    struct cairn_value value = cairn_lua_to_value(L, 3, "result", arena);
    enum cairn_status status = cairn_parcel_new(&value, &landing->parcel, error);
    cairn_lua_freearena(L, lua_gettop(L));
    return status;
}

static int tell(lua_State *L, bool lands) {
    struct cairn_landing landing;
    struct cairn_error error;
    cairn_lua_checkworkers(L, 1);
    lua_settop(L, 5);
    struct leader_box *box = self(L, 2);
    luaL_argcheck(L, box->leads, 2, "only who leads has a result to tell");
    enum cairn_status status = read_landing(L, &landing, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    box = self(L, 2);
    size_t waiters = cairn_flight_waiters(box->flight);
    if (lands) {
        box->leads = false;
        lua_lead_end(&box->lead);
        cairn_flight_land(box->flight, &landing);
    } else {
        cairn_flight_notify(box->flight, &landing);
    }
    cairn_parcel_release(landing.parcel);
    lua_pushinteger(L, (lua_Integer)waiters);
    return 1;
}

int lua_leader_notify(lua_State *L) {
    return tell(L, false);
}

int lua_leader_land(lua_State *L) {
    return tell(L, true);
}

void lua_leader_init(lua_State *L) {
    static const luaL_Reg metamethods[] = {
        {"__close", leader_close},
        {"__gc", leader_close},
        {"__index", leader_index},
        {NULL, NULL},
    };
    if (luaL_newmetatable(L, LEADER_TYPE))
        luaL_setfuncs(L, metamethods, 0);
    lua_pop(L, 1);
}
