/* flights.c -- `require`d by flight_spec.lua: flights as objects, one step at a time.
 *
 *     flights.open()                     flights:join(name, actor) -> role, flight
 *     flights:each()                     { { name, waiters, since_ms }, ... }
 *     flight:wait(actor, most)           a waiter
 *     waiter:told()                      { { code, message, value, detail, turn }, ...
 * } waiter:leave() flight:land(code, value, detail)   `value` an integer; true if it
 * lands just now flight:notify(code, value, detail) flight:abandon(why)
 * flight:release() flight:land_after(ms, code, value) by another thread flight:await{
 * ms=, cancel_after=, actor=, most= }   what a waiter is told */
#include <stdlib.h>
#include <string.h>

#include "flights.h"

#define FLIGHTS_TYPE "spec.flights"
#define FLIGHT_TYPE "spec.flight"
#define WAITER_TYPE "spec.waiter"

enum { TOLD_MOST = 4 };

struct told {
    struct cairn_waiter waiter; /* first */
    struct cairn_flight *flight;
    struct cairn_landing landings[TOLD_MOST];
    long turns[TOLD_MOST];
    int count;
};

static atomic_long turn; /* numbers all that is told */

/* -- Landings ---------------------------------------------------------------------- */

static enum cairn_status check_code(lua_State *L, int index) {
    const char *word = luaL_checkstring(L, index);
    for (int status = 0; status < CAIRN_STATUS_COUNT; status++)
        if (strcmp(cairn_status_word(status), word) == 0)
            return status;
    return luaL_error(L, "there is no status '%s'", word);
}

/* Code, value and detail from `index` on; its parcel is to be released. */
static void check_landing(lua_State *L, int index, struct cairn_landing *out) {
    *out = (struct cairn_landing){.status = check_code(L, index)};
    out->detail = (unsigned)luaL_optinteger(L, index + 2, 0);
    struct cairn_value value = {.type = CAIRN_VALUE_INTEGER,
                                .as.integer = luaL_optinteger(L, index + 1, 0)};
    if (out->status)
        cairn_fail(&out->error, out->status, "failed as told");
    else if (!lua_isnoneornil(L, index + 1) &&
             cairn_parcel_new(&value, &out->parcel, NULL))
        luaL_error(L, "no memory");
}

static void push_landing(lua_State *L, const struct cairn_landing *landing) {
    lua_newtable(L);
    lua_pushstring(L, cairn_status_word(landing->status));
    lua_setfield(L, -2, "code");
    if (landing->status) {
        lua_pushstring(L, landing->error.message);
        lua_setfield(L, -2, "message");
    }
    if (landing->parcel)
        set_count(L, "value", landing->parcel->value.as.integer);
    set_count(L, "detail", landing->detail);
}

/* -- Waiters ----------------------------------------------------------------------- */

static void landed(struct cairn_waiter *waiter, const struct cairn_landing *landing) {
    struct told *told = (struct told *)waiter;
    if (told->count < TOLD_MOST) {
        told->turns[told->count] = turn++;
        told->landings[told->count] = *landing;
        cairn_parcel_retain(landing->parcel);
    }
    told->count++;
}

static struct told *check_waiter(lua_State *L) {
    return luaL_checkudata(L, 1, WAITER_TYPE);
}

static int waiter_told(lua_State *L) {
    struct told *told = check_waiter(L);
    lua_newtable(L);
    for (int i = 0; i < told->count && i < TOLD_MOST; i++) {
        push_landing(L, &told->landings[i]);
        set_count(L, "turn", told->turns[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int waiter_leave(lua_State *L) {
    struct told *told = check_waiter(L);
    lua_pushboolean(L, cairn_flight_leave(told->flight, &told->waiter));
    return 1;
}

static int waiter_gc(lua_State *L) {
    struct told *told = check_waiter(L);
    if (told->flight)
        cairn_flight_leave(told->flight, &told->waiter);
    for (int i = 0; i < told->count && i < TOLD_MOST; i++)
        cairn_parcel_release(told->landings[i].parcel);
    cairn_flight_release(told->flight);
    told->flight = NULL;
    told->count = 0;
    return 0;
}

/* -- Flights, one by one ----------------------------------------------------------- */

static struct cairn_flight *check_flight(lua_State *L) {
    struct cairn_flight **box = luaL_checkudata(L, 1, FLIGHT_TYPE);
    luaL_argcheck(L, *box, 1, "released");
    return *box;
}

static int flight_release(lua_State *L) {
    struct cairn_flight **box = luaL_checkudata(L, 1, FLIGHT_TYPE);
    struct cairn_flight *flight = *box;
    *box = NULL;
    cairn_flight_release(flight);
    return 0;
}

static int flight_wait(lua_State *L) {
    struct cairn_flight *flight = check_flight(L);
    cairn_actor actor = (cairn_actor)luaL_optinteger(L, 2, 0);
    size_t most = (size_t)luaL_optinteger(L, 3, 0);
    struct told *told = lua_newuserdatauv(L, sizeof *told, 0);
    struct cairn_error error;
    memset(told, 0, sizeof *told);
    told->waiter.landed = landed;
    told->flight = cairn_flight_retain(flight);
    luaL_setmetatable(L, WAITER_TYPE);
    enum cairn_status status =
        cairn_flight_wait(flight, &told->waiter, actor, most, &error);
    return status ? push_outcome(L, status, &error) : 1;
}

static int flight_land(lua_State *L) {
    struct cairn_flight *flight = check_flight(L);
    struct cairn_landing landing;
    check_landing(L, 2, &landing);
    lua_pushboolean(L, cairn_flight_land(flight, &landing));
    cairn_parcel_release(landing.parcel);
    return 1;
}

static int flight_notify(lua_State *L) {
    struct cairn_flight *flight = check_flight(L);
    struct cairn_landing landing;
    check_landing(L, 2, &landing);
    cairn_flight_notify(flight, &landing);
    cairn_parcel_release(landing.parcel);
    return 0;
}

static int flight_abandon(lua_State *L) {
    cairn_flight_abandon(check_flight(L), luaL_checkstring(L, 2));
    return 0;
}

static int flight_facts(lua_State *L) {
    struct cairn_flight *flight = check_flight(L);
    struct cairn_slice name = cairn_flight_name(flight);
    lua_newtable(L);
    lua_pushlstring(L, name.data, name.size);
    lua_setfield(L, -2, "name");
    set_count(L, "leader", (long long)cairn_flight_leader(flight));
    set_count(L, "waiters", (long long)cairn_flight_waiters(flight));
    return 1;
}

/* -- Awaiting ---------------------------------------------------------------------- */

/* What another thread does after a while. */
struct later {
    long ms;
    struct cairn_flight *flight; /* lands, or */
    struct cairn_landing landing;
    atomic_bool *cancelled; /* is set */
};

static void *do_later(void *argument) {
    struct later *later = argument;
    sleep_ms(later->ms);
    if (later->flight)
        cairn_flight_land(later->flight, &later->landing);
    if (later->cancelled)
        atomic_store(later->cancelled, true);
    cairn_parcel_release(later->landing.parcel);
    cairn_flight_release(later->flight);
    free(later);
    return NULL;
}

static void start_later(lua_State *L, const struct later *given) {
    pthread_t thread;
    struct later *later = malloc(sizeof *later);
    if (!later)
        luaL_error(L, "no memory");
    *later = *given;
    pthread_create(&thread, NULL, do_later, later);
    pthread_detach(thread);
}

static int flight_land_after(lua_State *L) {
    struct later later = {.flight = check_flight(L), .ms = luaL_checkinteger(L, 2)};
    check_landing(L, 3, &later.landing);
    cairn_flight_retain(later.flight);
    start_later(L, &later);
    return 0;
}

static lua_Integer option(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    lua_Integer value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

static int flight_await(lua_State *L) {
    static atomic_bool cancelled; /* one spec at a time */
    struct cairn_flight *flight = check_flight(L);
    struct cairn_context context = {.scopes = 0};
    struct cairn_landing landing;
    struct cairn_error error;
    luaL_checktype(L, 2, LUA_TTABLE);
    if (option(L, "ms"))
        context.deadline_ms = cairn_context_now(NULL) + option(L, "ms");
    if (option(L, "cancel_after")) {
        struct later later = {.ms = option(L, "cancel_after"), .cancelled = &cancelled};
        atomic_store(&cancelled, false);
        context.cancelled = &cancelled;
        start_later(L, &later);
    }
    enum cairn_status status =
        cairn_flight_await(flight, &context, (cairn_actor)option(L, "actor"),
                           (size_t)option(L, "most"), &landing, &error);
    if (status)
        return push_outcome(L, status, &error);
    push_landing(L, &landing);
    cairn_parcel_release(landing.parcel);
    return 1;
}

/* -- All of them ------------------------------------------------------------------- */

static struct cairn_flights *check_flights(lua_State *L) {
    struct cairn_flights **box = luaL_checkudata(L, 1, FLIGHTS_TYPE);
    luaL_argcheck(L, *box, 1, "closed");
    return *box;
}

static int flights_close(lua_State *L) {
    struct cairn_flights **box = luaL_checkudata(L, 1, FLIGHTS_TYPE);
    cairn_flights_close(*box);
    *box = NULL;
    return 0;
}

static int flights_open(lua_State *L) {
    struct cairn_flights **box = lua_newuserdatauv(L, sizeof *box, 0);
    struct cairn_error error;
    *box = NULL;
    luaL_setmetatable(L, FLIGHTS_TYPE);
    enum cairn_status status = cairn_flights_open(box, &error);
    return status ? push_outcome(L, status, &error) : 1;
}

static int flights_join(lua_State *L) {
    struct cairn_flights *flights = check_flights(L);
    struct cairn_slice name;
    name.data = luaL_checklstring(L, 2, &name.size);
    cairn_actor actor = (cairn_actor)luaL_optinteger(L, 3, 0);
    enum cairn_role role;
    struct cairn_error error;
    struct cairn_flight **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, FLIGHT_TYPE);
    enum cairn_status status =
        cairn_flights_join(flights, name, actor, &role, box, &error);
    if (status)
        return push_outcome(L, status, &error);
    lua_pushstring(L, role == CAIRN_LEADS ? "leads" : "waits");
    lua_insert(L, -2);
    return 2;
}

static void visit(void *arg, struct cairn_slice name, size_t waiters,
                  int64_t since_ms) {
    lua_State *L = arg;
    lua_newtable(L);
    lua_pushlstring(L, name.data, name.size);
    lua_setfield(L, -2, "name");
    set_count(L, "waiters", (long long)waiters);
    set_count(L, "since_ms", since_ms);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static int flights_each(lua_State *L) {
    struct cairn_flights *flights = check_flights(L);
    lua_newtable(L);
    cairn_flights_each(flights, visit, L);
    return 1;
}

static const luaL_Reg functions[] = {
    {"exchange", flights_exchange},
    {"gather", flights_gather},
    {"leave_or_land", flights_leave_or_land},
    {"open", flights_open},
    {NULL, NULL},
};

static const luaL_Reg flights_methods[] = {
    {"close", flights_close},
    {"each", flights_each},
    {"join", flights_join},
    {NULL, NULL},
};

static const luaL_Reg flight_methods[] = {
    {"abandon", flight_abandon},
    {"await", flight_await},
    {"facts", flight_facts},
    {"land", flight_land},
    {"land_after", flight_land_after},
    {"notify", flight_notify},
    {"release", flight_release},
    {"wait", flight_wait},
    {NULL, NULL},
};

static const luaL_Reg waiter_methods[] = {
    {"leave", waiter_leave},
    {"told", waiter_told},
    {NULL, NULL},
};

static void make_type(lua_State *L, const char *name, const luaL_Reg *methods,
                      lua_CFunction gc) {
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
}

int luaopen_flights(lua_State *L) {
    make_type(L, FLIGHTS_TYPE, flights_methods, flights_close);
    make_type(L, FLIGHT_TYPE, flight_methods, flight_release);
    make_type(L, WAITER_TYPE, waiter_methods, waiter_gc);
    luaL_newlib(L, functions);
    return 1;
}
