/* flight.h -- one computation for many callers.
 *
 * Who asks first for a name leads: he computes and lands. Who asks until then waits and
 * gets the same answer; who was told to wait gets it, too, if it landed in between. A
 * leader that goes away without an answer abandons the flight: all who wait are told
 * CAIRN_LEADER_DIED. So is who still waits for a flight that nobody retains any more.
 *
 * Threads: any function may be called from any thread, but cairn_flights_close. */
#ifndef CAIRN_FLIGHT_H
#define CAIRN_FLIGHT_H

#include "cairn/actor.h"
#include "cairn/parcel.h"

struct cairn_flights; /* names in stripes, each with a lock */
struct cairn_flight;  /* counted */

enum cairn_status cairn_flights_open(struct cairn_flights **out,
                                     struct cairn_error *error);
/* When nobody joins any more; flights still retained stay good. NULL is fine. */
void cairn_flights_close(struct cairn_flights *flights);

enum cairn_role { CAIRN_LEADS, CAIRN_WAITS };

/* Leads, or is to wait for who does. `*out` is retained for the caller either way.
 * CAIRN_INFINITE_RECURSION: `self` leads already. */
enum cairn_status cairn_flights_join(struct cairn_flights *flights,
                                     struct cairn_slice name, cairn_actor self,
                                     enum cairn_role *role, struct cairn_flight **out,
                                     struct cairn_error *error);

/* What became of it. `parcel` is borrowed, and NULL unless CAIRN_OK (may be NULL then,
 * too: the answer is whatever both sides know). */
struct cairn_landing {
    enum cairn_status status;
    struct cairn_parcel *parcel;
    struct cairn_error error;
    unsigned detail; /* of the leader for the waiters: enum cairn_outcome, ... */
};

/* Told once, on whatever thread lands; must not block. The waiter is its owner's again
 * when it is called. */
struct cairn_waiter {
    void (*landed)(struct cairn_waiter *waiter, const struct cairn_landing *landing);
    struct cairn_edge edge;
    struct cairn_waiter *next, **link; /* the flight's */
};

/* Waits, and is told after those who waited before: at once if it has landed.
 * CAIRN_LIMIT, and not told, if `most` wait already (0: any number);
 * CAIRN_INFINITE_RECURSION: the leader waits for `self`, over whatever others. */
enum cairn_status cairn_flight_wait(struct cairn_flight *flight,
                                    struct cairn_waiter *waiter, cairn_actor self,
                                    size_t most, struct cairn_error *error);
/* Waits no longer: false if it is being told, or was. */
bool cairn_flight_leave(struct cairn_flight *flight, struct cairn_waiter *waiter);

/* The same on this thread, which blocks, until the deadline or the cancelling of
 * `context`: CAIRN_TIMEOUT. CAIRN_OK: `*out` says what became of it, and holds a
 * reference to its parcel. */
struct cairn_context;
enum cairn_status cairn_flight_await(struct cairn_flight *flight,
                                     const struct cairn_context *context,
                                     cairn_actor self, size_t most,
                                     struct cairn_landing *out,
                                     struct cairn_error *error);

/* Answers all who wait; the name is free for the next. Once: false (nothing done) if it
 * has landed already. `landing` is borrowed, its parcel retained. */
bool cairn_flight_land(struct cairn_flight *flight,
                       const struct cairn_landing *landing);
/* The leader will not answer: lands with CAIRN_LEADER_DIED and `why`, unless it has
 * landed. Whoever was told that he leads owes the flight one of the two. */
void cairn_flight_abandon(struct cairn_flight *flight, const char *why);
/* Answers those who wait now, and flies on. */
void cairn_flight_notify(struct cairn_flight *flight,
                         const struct cairn_landing *landing);

struct cairn_flight *cairn_flight_retain(struct cairn_flight *flight);
void cairn_flight_release(struct cairn_flight *flight); /* NULL is fine */
struct cairn_slice cairn_flight_name(const struct cairn_flight *flight);
cairn_actor cairn_flight_leader(const struct cairn_flight *flight);
size_t cairn_flight_waiters(struct cairn_flight *flight);

/* Those under way, one after the other, while the stripe of each is locked: the visitor
 * must not call back. `since_ms` is of the system's clock. */
void cairn_flights_each(struct cairn_flights *flights,
                        void (*visit)(void *arg, struct cairn_slice name,
                                      size_t waiters, int64_t since_ms),
                        void *arg);

#endif
