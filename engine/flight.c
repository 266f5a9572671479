/* flight.c -- one computation for many callers.
 *
 * Flights under way are found by name in a table of 64 stripes; the lock of a stripe
 * guards its flights with all who wait for them. The table is kept by the flights that
 * were made in it, and keeps none of them itself: one that its last user lets go of
 * vanishes. Waiters are told without the lock, so each is marked as no longer waiting
 * before. */
#include "cairn/flight.h"

#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#include "cairn/context.h"

enum { STRIPES = 64, FIRST_HEADS = 16 };

struct stripe {
    pthread_mutex_t lock;
    struct cairn_flight **heads; /* `room` of them, a power of two */
    size_t count, room;
};

struct cairn_flights {
    atomic_size_t users; /* the owner, and the flights */
    struct stripe stripes[STRIPES];
};

struct cairn_flight {
    atomic_size_t users;
    struct cairn_flights *flights;
    struct stripe *stripe;
    uint64_t hash;
    cairn_actor leader;
    int64_t since_ms;

    /* Guarded by the stripe. */
    struct cairn_flight *next;
    struct cairn_waiter *first, **last;
    size_t waiters;
    bool landed;
    struct cairn_landing landing;

    size_t name_size;
    char name[];
};

/* -- The table --------------------------------------------------------------------- */

static void flights_release(struct cairn_flights *flights) {
    if (atomic_fetch_sub(&flights->users, 1) > 1)
        return;
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&flights->stripes[i].lock);
        free(flights->stripes[i].heads);
    }
    free(flights);
}

enum cairn_status cairn_flights_open(struct cairn_flights **out,
                                     struct cairn_error *error) {
    struct cairn_flights *flights = calloc(1, sizeof *flights);
    if (!flights)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a table of flights");
    atomic_init(&flights->users, 1);
    for (size_t i = 0; i < STRIPES; i++)
        pthread_mutex_init(&flights->stripes[i].lock, NULL);
    *out = flights;
    return CAIRN_OK;
}

void cairn_flights_close(struct cairn_flights *flights) {
    if (flights)
        flights_release(flights);
}

/* The stripe is chosen by other bits. */
static struct cairn_flight **head_of(const struct stripe *stripe, uint64_t hash) {
    return &stripe->heads[(hash / STRIPES) & (stripe->room - 1)];
}

/* Twice the heads, if there is memory; lists get longer if there is none. */
static void grow(struct stripe *stripe) {
    struct stripe grown = {.room = stripe->room ? 2 * stripe->room : FIRST_HEADS};
    grown.heads = calloc(grown.room, sizeof *grown.heads);
    if (!grown.heads)
        return;
    for (size_t i = 0; i < stripe->room; i++)
        for (struct cairn_flight *flight = stripe->heads[i], *next; flight;
             flight = next) {
            struct cairn_flight **head = head_of(&grown, flight->hash);
            next = flight->next;
            flight->next = *head;
            *head = flight;
        }
    free(stripe->heads);
    stripe->heads = grown.heads;
    stripe->room = grown.room;
}

static struct cairn_flight *find(const struct stripe *stripe, struct cairn_slice name,
                                 uint64_t hash) {
    struct cairn_flight *flight = stripe->room ? *head_of(stripe, hash) : NULL;
    while (flight && (flight->hash != hash ||
                      !cairn_slice_equal(cairn_flight_name(flight), name)))
        flight = flight->next;
    return flight;
}

static void take_out(struct cairn_flight *flight) {
    struct cairn_flight **link = head_of(flight->stripe, flight->hash);
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flight->stripe->count--;
}

/* -- Joining ----------------------------------------------------------------------- */

/* In the table, used by the caller; NULL without memory. */
static struct cairn_flight *flight_new(struct cairn_flights *flights,
                                       struct stripe *stripe, struct cairn_slice name,
                                       uint64_t hash) {
    struct cairn_flight *flight = NULL;
    if (stripe->count >= stripe->room)
        grow(stripe);
    if (stripe->room && name.size <= SIZE_MAX / 2)
        flight = calloc(1, sizeof *flight + name.size);
    if (!flight)
        return NULL;
    atomic_init(&flight->users, 1);
    flight->flights = flights;
    flight->stripe = stripe;
    flight->hash = hash;
    flight->since_ms = cairn_context_now(NULL);
    flight->last = &flight->first;
    flight->name_size = name.size;
    if (name.size)
        memcpy(flight->name, name.data, name.size);
    flight->next = *head_of(stripe, hash);
    *head_of(stripe, hash) = flight;
    stripe->count++;
    atomic_fetch_add(&flights->users, 1);
    return flight;
}

/* With the lock held. */
static enum cairn_status find_or_make(struct cairn_flights *flights,
                                      struct stripe *stripe, struct cairn_slice name,
                                      uint64_t hash, cairn_actor self,
                                      enum cairn_role *role, struct cairn_flight **out,
                                      struct cairn_error *error) {
    struct cairn_flight *flight = find(stripe, name, hash);
    if (flight && self && flight->leader == self)
        return cairn_fail_at(error, CAIRN_INFINITE_RECURSION,
                             "who asks is computing the answer already", name);
    *role = flight ? CAIRN_WAITS : CAIRN_LEADS;
    if (flight) {
        cairn_flight_retain(flight);
    } else {
        flight = flight_new(flights, stripe, name, hash);
        if (!flight)
            return cairn_fail_at(error, CAIRN_NO_MEMORY, "no memory to wait for", name);
        flight->leader = self;
    }
    *out = flight;
    return CAIRN_OK;
}

enum cairn_status cairn_flights_join(struct cairn_flights *flights,
                                     struct cairn_slice name, cairn_actor self,
                                     enum cairn_role *role, struct cairn_flight **out,
                                     struct cairn_error *error) {
    uint64_t hash = XXH3_64bits(name.data, name.size);
    struct stripe *stripe = &flights->stripes[hash % STRIPES];
    pthread_mutex_lock(&stripe->lock);
    enum cairn_status status =
        find_or_make(flights, stripe, name, hash, self, role, out, error);
    pthread_mutex_unlock(&stripe->lock);
    return status;
}

struct cairn_flight *cairn_flight_retain(struct cairn_flight *flight) {
    atomic_fetch_add(&flight->users, 1);
    return flight;
}

/* -- Telling ----------------------------------------------------------------------- */

/* All who wait, in order; none of them can leave any more. The lock is held. */
static struct cairn_waiter *take_waiters(struct cairn_flight *flight) {
    struct cairn_waiter *first = flight->first;
    for (struct cairn_waiter *waiter = first; waiter; waiter = waiter->next)
        waiter->link = NULL;
    flight->first = NULL;
    flight->last = &flight->first;
    flight->waiters = 0;
    return first;
}

/* Without the lock. */
static void tell(struct cairn_waiter *waiter, const struct cairn_landing *landing) {
    for (struct cairn_waiter *next; waiter; waiter = next) {
        next = waiter->next;
        cairn_edge_erase(&waiter->edge);
        waiter->landed(waiter, landing);
    }
}

/* With the lock held: who is to be told. */
static struct cairn_waiter *end(struct cairn_flight *flight,
                                const struct cairn_landing *landing) {
    flight->landed = true;
    flight->landing = *landing;
    cairn_parcel_retain(landing->parcel);
    take_out(flight);
    return take_waiters(flight);
}

bool cairn_flight_land(struct cairn_flight *flight,
                       const struct cairn_landing *landing) {
    struct cairn_waiter *waiters = NULL;
    pthread_mutex_lock(&flight->stripe->lock);
    bool lands = !flight->landed;
    if (lands)
        waiters = end(flight, landing);
    pthread_mutex_unlock(&flight->stripe->lock);
    tell(waiters, landing);
    return lands;
}

void cairn_flight_abandon(struct cairn_flight *flight, const char *why) {
    struct cairn_landing landing = {.status = CAIRN_LEADER_DIED};
    cairn_fail(&landing.error, landing.status, "%s", why);
    cairn_flight_land(flight, &landing);
}

void cairn_flight_notify(struct cairn_flight *flight,
                         const struct cairn_landing *landing) {
    pthread_mutex_lock(&flight->stripe->lock);
    struct cairn_waiter *waiters = take_waiters(flight);
    pthread_mutex_unlock(&flight->stripe->lock);
    tell(waiters, landing);
}

/* Who lets go of it last; but it can be found until it is taken out. */
static void release_last(struct cairn_flight *flight) {
    struct cairn_landing gone = {.status = CAIRN_LEADER_DIED,
                                 .error = {"the leader went away without an answer"}};
    struct cairn_waiter *waiters = NULL;
    pthread_mutex_lock(&flight->stripe->lock);
    bool last = atomic_fetch_sub(&flight->users, 1) == 1;
    if (last && !flight->landed)
        waiters = end(flight, &gone);
    pthread_mutex_unlock(&flight->stripe->lock);
    if (!last)
        return;
    tell(waiters, &gone);
    cairn_parcel_release(flight->landing.parcel);
    flights_release(flight->flights);
    free(flight);
}

void cairn_flight_release(struct cairn_flight *flight) {
    if (!flight)
        return;
    size_t users = atomic_load(&flight->users);
    while (users > 1)
        if (atomic_compare_exchange_weak(&flight->users, &users, users - 1))
            return;
    release_last(flight);
}

/* -- Waiting ----------------------------------------------------------------------- */

/* With the lock held. */
static enum cairn_status add_waiter(struct cairn_flight *flight,
                                    struct cairn_waiter *waiter, cairn_actor self,
                                    size_t most, struct cairn_error *error) {
    if (most && flight->waiters >= most)
        return cairn_fail_at(error, CAIRN_LIMIT, "too many wait already for",
                             cairn_flight_name(flight));
    enum cairn_status status =
        cairn_edge_draw(&waiter->edge, self, flight->leader, error);
    if (status)
        return status;
    waiter->next = NULL;
    waiter->link = flight->last;
    *flight->last = waiter;
    flight->last = &waiter->next;
    flight->waiters++;
    return CAIRN_OK;
}

enum cairn_status cairn_flight_wait(struct cairn_flight *flight,
                                    struct cairn_waiter *waiter, cairn_actor self,
                                    size_t most, struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    waiter->edge = (struct cairn_edge){0};
    waiter->link = NULL;
    pthread_mutex_lock(&flight->stripe->lock);
    bool landed = flight->landed;
    if (!landed)
        status = add_waiter(flight, waiter, self, most, error);
    pthread_mutex_unlock(&flight->stripe->lock);
    if (landed) { /* which is final; the waiter may let go of the flight */
        cairn_flight_retain(flight);
        waiter->landed(waiter, &flight->landing);
        cairn_flight_release(flight);
    }
    return status;
}

bool cairn_flight_leave(struct cairn_flight *flight, struct cairn_waiter *waiter) {
    pthread_mutex_lock(&flight->stripe->lock);
    bool waits = waiter->link != NULL;
    if (waits) {
        *waiter->link = waiter->next;
        if (waiter->next)
            waiter->next->link = waiter->link;
        else
            flight->last = waiter->link;
        waiter->link = NULL;
        flight->waiters--;
    }
    pthread_mutex_unlock(&flight->stripe->lock);
    if (waits)
        cairn_edge_erase(&waiter->edge);
    return waits;
}

/* -- Looking at it ----------------------------------------------------------------- */

struct cairn_slice cairn_flight_name(const struct cairn_flight *flight) {
    return (struct cairn_slice){flight->name, flight->name_size};
}

cairn_actor cairn_flight_leader(const struct cairn_flight *flight) {
    return flight->leader;
}

size_t cairn_flight_waiters(struct cairn_flight *flight) {
    pthread_mutex_lock(&flight->stripe->lock);
    size_t waiters = flight->waiters;
    pthread_mutex_unlock(&flight->stripe->lock);
    return waiters;
}

void cairn_flights_each(struct cairn_flights *flights,
                        void (*visit)(void *arg, struct cairn_slice name,
                                      size_t waiters, int64_t since_ms),
                        void *arg) {
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &flights->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        for (size_t head = 0; head < stripe->room; head++)
            for (struct cairn_flight *flight = stripe->heads[head]; flight;
                 flight = flight->next)
                visit(arg, cairn_flight_name(flight), flight->waiters,
                      flight->since_ms);
        pthread_mutex_unlock(&stripe->lock);
    }
}
