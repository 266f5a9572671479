/* actor.h -- who waits for whom, so that nobody waits for himself.
 *
 * An actor is what can wait for one thing at a time: a worker, or a thread of a caller.
 * Before one waits it draws an edge to the actor that is to answer; an edge that would
 * close a ring is refused. The graph is one for the process, in stripes with a lock
 * each. Edges have serials: a ring is believed only if all its edges were there when
 * the last of them was drawn, so that edges which come and go under the walk are not
 * taken for one; and of a ring that is drawn from several threads at once just that
 * last edge is refused.
 *
 * Threads: any function may be called from any thread. */
#ifndef CAIRN_ACTOR_H
#define CAIRN_ACTOR_H

#include <stdatomic.h>
#include <stdint.h>

#include "cairn/status.h"

typedef uint64_t cairn_actor; /* 0: nobody */

/* A fresh one. */
cairn_actor cairn_actor_new(void);
/* Who runs on this thread: the worker that has its turn, else the thread itself. */
cairn_actor cairn_actor_self(void);
/* Makes `actor` the one that runs on this thread (0: the thread itself again) and
 * returns who did before. */
cairn_actor cairn_actor_enter(cairn_actor actor);

/* Embedded in whatever waits; zeroed: not drawn. Must stay where it is while drawn. */
struct cairn_edge {
    _Atomic cairn_actor from; /* 0: not drawn */
    cairn_actor to;
    uint64_t serial;
    struct cairn_edge *next;
};

/* CAIRN_INFINITE_RECURSION, nothing drawn, if `to` is `from` or waits for it over
 * whatever number of others. `from` must not wait for anything else. Where `from` or
 * `to` is nobody nothing is drawn. */
enum cairn_status cairn_edge_draw(struct cairn_edge *edge, cairn_actor from,
                                  cairn_actor to, struct cairn_error *error);
/* One that is not drawn is fine, and several threads at once. */
void cairn_edge_erase(struct cairn_edge *edge);
/* Another is to answer: the edge leads to `to` from now on. One that is not drawn, or
 * is being erased, stays so. CAIRN_INFINITE_RECURSION, and erased: as for drawing. */
enum cairn_status cairn_edge_turn(struct cairn_edge *edge, cairn_actor to,
                                  struct cairn_error *error);

#endif
