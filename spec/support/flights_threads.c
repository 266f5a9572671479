/* flights_threads.c -- flights that many threads share. */
#include <sched.h>
#include <stdlib.h>

#include "flights.h"

enum { THREADS_MAX = 16 };

struct asker;

struct asked {
    struct cairn_waiter waiter; /* first */
    struct asker *asker;
    struct cairn_flight *flight;
    atomic_int told;
    bool left;
};

/* One thread, with all that it asks. */
struct asker {
    struct cairn_flights *flights;
    struct asked *asked;
    long count, last_told;
    atomic_long answered, died, wrong;
    long led, left, refused;
    unsigned number;
    pthread_t thread;
};

/* The answer is the number of the actor that led. */
static void landed(struct cairn_waiter *waiter, const struct cairn_landing *landing) {
    struct asked *asked = (struct asked *)waiter;
    cairn_actor leader = cairn_flight_leader(asked->flight);
    asked->told++;
    if (landing->status == CAIRN_LEADER_DIED)
        asked->asker->died++;
    else if (!landing->status && landing->parcel &&
             landing->parcel->value.as.integer == (int64_t)leader)
        asked->asker->answered++;
    else
        asked->asker->wrong++;
}

static void land(struct cairn_flight *flight) {
    struct cairn_landing landing = {.status = CAIRN_OK};
    struct cairn_value answer = {.type = CAIRN_VALUE_INTEGER};
    answer.as.integer = (int64_t)cairn_flight_leader(flight);
    if (!cairn_parcel_new(&answer, &landing.parcel, NULL))
        cairn_flight_land(flight, &landing);
    cairn_parcel_release(landing.parcel);
}

static void *spawn(struct asker *askers, unsigned count, struct cairn_flights *flights,
                   long each, void *(*run)(void *)) {
    struct asked *all = calloc(count * (size_t)each, sizeof *all);
    for (unsigned i = 0; all && i < count; i++) {
        askers[i] = (struct asker){.flights = flights, .count = each, .number = i};
        askers[i].asked = all + i * (size_t)each;
        pthread_create(&askers[i].thread, NULL, run, &askers[i]);
    }
    return all;
}

/* Each that asked and did not lead was told once, or left; then it lets go. */
static long settle(struct asked *all, size_t count) {
    long wrong = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i].waiter.landed)
            wrong += all[i].told + all[i].left != 1;
        cairn_flight_release(all[i].flight);
    }
    free(all);
    return wrong;
}

static void push_sums(lua_State *L, const struct asker *askers, unsigned count,
                      long wrong) {
    long answered = 0, died = 0, led = 0, left = 0;
    for (unsigned i = 0; i < count; i++) {
        answered += askers[i].answered;
        died += askers[i].died;
        wrong += askers[i].wrong + askers[i].refused;
        led += askers[i].led;
        left += askers[i].left;
    }
    lua_newtable(L);
    set_count(L, "answered", answered);
    set_count(L, "died", died);
    set_count(L, "led", led);
    set_count(L, "left", left);
    set_count(L, "wrong", wrong);
}

static unsigned check_threads(lua_State *L) {
    lua_Integer threads = luaL_checkinteger(L, 1);
    luaL_argcheck(L, threads > 0 && threads <= THREADS_MAX, 1, "so many");
    return (unsigned)threads;
}

static struct cairn_flights *open_flights(lua_State *L) {
    struct cairn_flights *flights;
    struct cairn_error error;
    if (cairn_flights_open(&flights, &error))
        luaL_error(L, "%s", error.message);
    return flights;
}

/* -- One leader for all ------------------------------------------------------------ */

static void in_order(struct cairn_waiter *waiter, const struct cairn_landing *landing) {
    struct asked *asked = (struct asked *)waiter;
    long i = asked - asked->asker->asked + 1;
    asked->asker->wrong += i <= asked->asker->last_told;
    asked->asker->last_told = i;
    landed(waiter, landing);
}

static void *ask_all(void *argument) {
    struct asker *asker = argument;
    for (long i = 0; i < asker->count; i++) {
        struct asked *asked = &asker->asked[i];
        enum cairn_role role;
        asked->asker = asker;
        asked->waiter.landed = in_order;
        cairn_actor self = cairn_actor_new();
        if (cairn_flights_join(asker->flights, cairn_slice_of("report"), self, &role,
                               &asked->flight, NULL) ||
            role != CAIRN_WAITS ||
            cairn_flight_wait(asked->flight, &asked->waiter, self, 0, NULL))
            asker->refused++;
    }
    return NULL;
}

/* gather(threads, each): all wait before it lands. */
int flights_gather(lua_State *L) {
    unsigned threads = check_threads(L);
    long each = luaL_checkinteger(L, 2);
    struct asker askers[THREADS_MAX];
    struct cairn_flights *flights = open_flights(L);
    struct cairn_flight *flight;
    enum cairn_role role;
    if (cairn_flights_join(flights, cairn_slice_of("report"), cairn_actor_new(), &role,
                           &flight, NULL))
        return luaL_error(L, "no memory");
    struct asked *all = spawn(askers, threads, flights, each, ask_all);
    for (unsigned i = 0; all && i < threads; i++)
        pthread_join(askers[i].thread, NULL);
    long waiting = (long)cairn_flight_waiters(flight);
    int64_t began_ms = clock_ms();
    land(flight);
    int64_t took_ms = clock_ms() - began_ms;
    cairn_flight_release(flight);
    long wrong = all ? settle(all, threads * (size_t)each) : 1;
    cairn_flights_close(flights);
    push_sums(L, askers, threads, wrong);
    set_count(L, "waiting", waiting);
    set_count(L, "took_ms", took_ms);
    return 1;
}

/* -- Leaders that come and go ------------------------------------------------------ */

/* Some leaders die, some just let go; some waiters leave at once. */
static void ask_or_lead(struct asker *asker, struct asked *asked, long i) {
    enum cairn_role role;
    cairn_actor self = cairn_actor_new();
    struct cairn_slice name = cairn_slice_of(i % 3 ? "often" : "seldom");
    asked->asker = asker;
    if (cairn_flights_join(asker->flights, name, self, &role, &asked->flight, NULL)) {
        asker->refused++;
    } else if (role == CAIRN_LEADS) {
        asker->led++;
        sched_yield();
        if (i % 7 == 0)
            cairn_flight_abandon(asked->flight, "out of luck");
        else
            land(asked->flight);
    } else {
        asked->waiter.landed = landed;
        asker->refused +=
            cairn_flight_wait(asked->flight, &asked->waiter, self, 0, NULL) != CAIRN_OK;
        if (i % 5 == 0) {
            asked->left = cairn_flight_leave(asked->flight, &asked->waiter);
            asker->left += asked->left;
        }
    }
}

static void *go_on(void *argument) {
    struct asker *asker = argument;
    for (long i = 0; i < asker->count; i++)
        ask_or_lead(asker, &asker->asked[i], i);
    return NULL;
}

/* exchange(threads, each): whoever comes first leads, again and again. */
int flights_exchange(lua_State *L) {
    unsigned threads = check_threads(L);
    long each = luaL_checkinteger(L, 2);
    struct asker askers[THREADS_MAX];
    struct cairn_flights *flights = open_flights(L);
    struct asked *all = spawn(askers, threads, flights, each, go_on);
    for (unsigned i = 0; all && i < threads; i++)
        pthread_join(askers[i].thread, NULL);
    cairn_flights_close(flights); /* the flights are still retained */
    long wrong = all ? settle(all, threads * (size_t)each) : 1;
    push_sums(L, askers, threads, wrong);
    set_count(L, "asked", (long long)threads * each);
    return 1;
}

/* -- Leaving while it lands -------------------------------------------------------- */

static void *land_now(void *argument) {
    struct cairn_flight *flight = argument;
    sched_yield();
    land(flight);
    return NULL;
}

/* leave_or_land(rounds): fifty leave while another thread lands. */
int flights_leave_or_land(lua_State *L) {
    enum { FIFTY = 50 };
    struct cairn_flights *flights = open_flights(L);
    struct asker asker = {.flights = flights, .number = 0};
    long wrong = 0;
    for (long round = luaL_checkinteger(L, 1); round > 0; round--) {
        struct asked *all = calloc(FIFTY, sizeof *all);
        struct cairn_flight *flight;
        enum cairn_role role;
        pthread_t thread;
        if (!all || cairn_flights_join(flights, cairn_slice_of("x"), cairn_actor_new(),
                                       &role, &flight, NULL))
            return luaL_error(L, "no memory");
        for (int i = 0; i < FIFTY; i++) {
            all[i].asker = &asker;
            all[i].flight = cairn_flight_retain(flight);
            all[i].waiter.landed = landed;
            wrong += cairn_flight_wait(flight, &all[i].waiter, cairn_actor_new(), 0,
                                       NULL) != CAIRN_OK;
        }
        pthread_create(&thread, NULL, land_now, flight);
        for (int i = FIFTY - 1; i >= 0; i--) {
            all[i].left = cairn_flight_leave(flight, &all[i].waiter);
            asker.left += all[i].left;
        }
        pthread_join(thread, NULL);
        cairn_flight_release(flight);
        wrong += settle(all, FIFTY);
    }
    cairn_flights_close(flights);
    push_sums(L, &asker, 1, wrong);
    return 1;
}
