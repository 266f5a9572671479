/* worker_mailbox.h -- requests on their way to one worker.
 *
 * Whoever posts pushes onto a stack with one compare-and-swap; whoever takes, takes the
 * whole stack with one exchange and turns it round, so that what came first is first.
 * (An intrusive queue with a tail would do with an exchange for posting, too, but has a
 * moment in which what was posted cannot be taken yet, and no place to say that nothing
 * may be posted any more. Here that is a value of the stack's top, so that a post that
 * races with the closing is on one side of it or on the other.) Those who take hold the
 * worker's lock, which posting does not.
 *
 * How many wait is counted beside it; a poster who loses the last place against one who
 * is just refused may be refused, too. */
#ifndef WORKER_MAILBOX_H
#define WORKER_MAILBOX_H

#include "cairn/worker.h"

/* A lock for a few instructions, 4 bytes. */
struct spin {
    atomic_uint held;
};

void spin_lock(struct spin *spin);
void spin_unlock(struct spin *spin);

struct mailbox {
    _Atomic(struct cairn_request *) top; /* the newest; NULL: none; or `closed` */
    atomic_uint count;                   /* that wait, here and in the line */
    unsigned most;

    /* Taken from the stack, the oldest first. Guarded by the worker's lock. */
    struct cairn_request *first, *last;
};

enum mailbox_post {
    MAILBOX_FIRST, /* whoever takes must be told */
    MAILBOX_MORE,  /* he has been told, and has not taken since */
    MAILBOX_FULL,
    MAILBOX_CLOSED,
};

/* Any thread. */
enum mailbox_post mailbox_post(struct mailbox *mailbox, struct cairn_request *request);
bool mailbox_is_closed(const struct mailbox *mailbox);
size_t mailbox_count(const struct mailbox *mailbox);

/* With the worker's lock held. */

/* The oldest; NULL: none waits. */
struct cairn_request *mailbox_take(struct mailbox *mailbox);
/* All, linked by `next`, the oldest first. */
struct cairn_request *mailbox_take_all(struct mailbox *mailbox);
/* Appends what another mailbox had, of which this one may have more than `most`. */
void mailbox_append(struct mailbox *mailbox, struct cairn_request *list);
/* Nothing can be posted any more; what is in it stays. */
void mailbox_close(struct mailbox *mailbox);
/* The same, if nothing is in it: else false. */
bool mailbox_close_empty(struct mailbox *mailbox);

/* The next of a list; relaxed, for those who own it. */
struct cairn_request *mailbox_next(const struct cairn_request *request);

#endif
