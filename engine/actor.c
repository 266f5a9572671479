/* actor.c -- who waits for whom.
 *
 * Edges lie where their owners put them and are found by `from` in fixed tables, 256
 * KiB for the process, which is touched as it is used: no edge ever needs memory. A
 * step along the way is one lock and a short list. */
#include "cairn/actor.h"

#include <pthread.h>

enum { STRIPES = 64, HEADS = 512 };

static struct stripe {
    pthread_mutex_t lock;
    struct cairn_edge *heads[HEADS];
} stripes[STRIPES] = {[0 ... STRIPES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static _Atomic uint64_t actors; /* so many have been made */
static _Atomic uint64_t serials;

/* -- Actors ------------------------------------------------------------------------ */

static _Thread_local cairn_actor thread, entered; /* 0: not asked for, none */

cairn_actor cairn_actor_new(void) {
    return atomic_fetch_add(&actors, 1) + 1;
}

cairn_actor cairn_actor_self(void) {
    if (entered)
        return entered;
    if (!thread)
        thread = cairn_actor_new();
    return thread;
}

cairn_actor cairn_actor_enter(cairn_actor actor) {
    cairn_actor before = cairn_actor_self();
    entered = actor;
    return before;
}

/* -- The table --------------------------------------------------------------------- */

/* Actors are numbered: neighbours lie in different stripes. */
static struct stripe *stripe_of(cairn_actor actor) {
    return &stripes[actor % STRIPES];
}

static struct cairn_edge **head_of(cairn_actor actor) {
    return &stripe_of(actor)->heads[actor / STRIPES % HEADS];
}

/* The serial is taken with the lock: who reads a higher one and then looks here finds
 * the edge. */
static uint64_t insert(struct cairn_edge *edge, cairn_actor from, cairn_actor to) {
    struct stripe *stripe = stripe_of(from);
    pthread_mutex_lock(&stripe->lock);
    uint64_t serial = edge->serial = atomic_fetch_add(&serials, 1) + 1;
    edge->to = to;
    edge->next = *head_of(from);
    *head_of(from) = edge;
    atomic_store(&edge->from, from);
    pthread_mutex_unlock(&stripe->lock);
    return serial;
}

void cairn_edge_erase(struct cairn_edge *edge) {
    cairn_actor from = atomic_load(&edge->from);
    if (!from)
        return;
    struct stripe *stripe = stripe_of(from);
    pthread_mutex_lock(&stripe->lock);
    struct cairn_edge **link = head_of(from);
    while (*link && *link != edge)
        link = &(*link)->next;
    if (*link) { /* nobody else was faster */
        *link = edge->next;
        atomic_store(&edge->from, 0);
    }
    pthread_mutex_unlock(&stripe->lock);
}

/* Whom the actor waits for, and since when; 0: nobody. */
static cairn_actor awaited_by(cairn_actor actor, uint64_t *serial) {
    struct stripe *stripe = stripe_of(actor);
    cairn_actor to = 0;
    pthread_mutex_lock(&stripe->lock);
    for (struct cairn_edge *edge = *head_of(actor); edge; edge = edge->next)
        if (atomic_load_explicit(&edge->from, memory_order_relaxed) == actor) {
            to = edge->to;
            *serial = edge->serial;
            break;
        }
    pthread_mutex_unlock(&stripe->lock);
    return to;
}

/* -- Rings ------------------------------------------------------------------------- */

/* Whether the edge that was drawn last, from `from` to `to`, closes a ring. All edges
 * met must be older: those were there when it was drawn, and still are, so they were
 * there together. If one is younger, whoever draws that one finds the ring. A ring that
 * `from` is not part of is about to be undone by another; it is noticed (after Brent)
 * lest we go round in it. */
static bool closes_ring(cairn_actor from, cairn_actor to, uint64_t drawn) {
    uint64_t serial = 0;
    cairn_actor seen = to, at = to;
    for (size_t steps = 1, limit = 2;; steps++) {
        at = awaited_by(at, &serial);
        if (!at || serial > drawn)
            return false;
        if (at == from)
            return true;
        if (at == seen)
            return false;
        if (steps == limit) {
            seen = at;
            limit *= 2;
        }
    }
}

enum cairn_status cairn_edge_draw(struct cairn_edge *edge, cairn_actor from,
                                  cairn_actor to, struct cairn_error *error) {
    if (!from || !to)
        return CAIRN_OK;
    if (from == to)
        return cairn_fail(error, CAIRN_INFINITE_RECURSION,
                          "who asks would wait for its own answer");
    uint64_t drawn = insert(edge, from, to);
    if (!closes_ring(from, to, drawn))
        return CAIRN_OK;
    cairn_edge_erase(edge);
    return cairn_fail(error, CAIRN_INFINITE_RECURSION,
                      "who is to answer waits, over others or at once, for who asks");
}

/* To whoever looks for a ring it is a new edge. */
enum cairn_status cairn_edge_turn(struct cairn_edge *edge, cairn_actor to,
                                  struct cairn_error *error) {
    cairn_actor from = atomic_load(&edge->from);
    if (!from)
        return CAIRN_OK;
    struct stripe *stripe = stripe_of(from);
    uint64_t drawn = 0;
    pthread_mutex_lock(&stripe->lock);
    if (atomic_load(&edge->from)) {
        edge->to = to;
        drawn = edge->serial = atomic_fetch_add(&serials, 1) + 1;
    }
    pthread_mutex_unlock(&stripe->lock);
    if (!drawn || !closes_ring(from, to, drawn))
        return CAIRN_OK;
    cairn_edge_erase(edge);
    return cairn_fail(
        error, CAIRN_INFINITE_RECURSION,
        "who is to answer now waits, over others or at once, for who asks");
}
