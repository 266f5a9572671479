/* worker_mailbox.c -- a stack that is turned round. */
#include "worker_mailbox.h"

#include <sched.h>

/* Never followed. */
static struct cairn_request closed;

enum { SPINS = 64 };

/* Whoever holds it may have lost his core: then the others let go of theirs. */
void spin_lock(struct spin *spin) {
    for (unsigned tries = 1;
         atomic_exchange_explicit(&spin->held, 1, memory_order_acquire); tries++)
        while (atomic_load_explicit(&spin->held, memory_order_relaxed))
            if (tries++ % SPINS == 0)
                sched_yield();
}

void spin_unlock(struct spin *spin) {
    atomic_store_explicit(&spin->held, 0, memory_order_release);
}

/* -- Posting ----------------------------------------------------------------------- */

static void forget(struct mailbox *mailbox, unsigned count) {
    atomic_fetch_sub_explicit(&mailbox->count, count, memory_order_relaxed);
}

enum mailbox_post mailbox_post(struct mailbox *mailbox, struct cairn_request *request) {
    struct cairn_request *top =
        atomic_load_explicit(&mailbox->top, memory_order_relaxed);
    if (top == &closed)
        return MAILBOX_CLOSED;
    if (atomic_fetch_add_explicit(&mailbox->count, 1, memory_order_relaxed) >=
        mailbox->most) {
        forget(mailbox, 1);
        return MAILBOX_FULL;
    }
    do {
        if (top == &closed) {
            forget(mailbox, 1);
            return MAILBOX_CLOSED;
        }
        atomic_store_explicit(&request->next, top, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(
        &mailbox->top, &top, request, memory_order_release, memory_order_relaxed));
    return top ? MAILBOX_MORE : MAILBOX_FIRST;
}

bool mailbox_is_closed(const struct mailbox *mailbox) {
    return atomic_load_explicit(&mailbox->top, memory_order_acquire) == &closed;
}

size_t mailbox_count(const struct mailbox *mailbox) {
    return atomic_load_explicit(&mailbox->count, memory_order_relaxed);
}

/* -- Taking ------------------------------------------------------------------------ */

struct cairn_request *mailbox_next(const struct cairn_request *request) {
    return atomic_load_explicit(&request->next, memory_order_relaxed);
}

static void set_next(struct cairn_request *request, struct cairn_request *next) {
    atomic_store_explicit(&request->next, next, memory_order_relaxed);
}

/* Appends what was on the stack to the line. */
static void line_up(struct mailbox *mailbox, struct cairn_request *top) {
    if (!top || top == &closed)
        return;
    struct cairn_request *first = NULL, *last = top;
    while (top) {
        struct cairn_request *older = mailbox_next(top);
        set_next(top, first);
        first = top;
        top = older;
    }
    if (mailbox->first)
        set_next(mailbox->last, first);
    else
        mailbox->first = first;
    mailbox->last = last;
}

/* Leaves `closed` where it is. */
static void take_stack(struct mailbox *mailbox) {
    struct cairn_request *top =
        atomic_load_explicit(&mailbox->top, memory_order_relaxed);
    if (!top || top == &closed)
        return;
    line_up(mailbox,
            atomic_exchange_explicit(&mailbox->top, NULL, memory_order_acquire));
}

struct cairn_request *mailbox_take(struct mailbox *mailbox) {
    if (!mailbox->first)
        take_stack(mailbox);
    struct cairn_request *request = mailbox->first;
    if (request) {
        mailbox->first = mailbox_next(request);
        forget(mailbox, 1);
    }
    return request;
}

struct cairn_request *mailbox_take_all(struct mailbox *mailbox) {
    take_stack(mailbox);
    struct cairn_request *list = mailbox->first;
    mailbox->first = NULL;
    unsigned count = 0;
    for (struct cairn_request *request = list; request; request = mailbox_next(request))
        count++;
    forget(mailbox, count);
    return list;
}

void mailbox_append(struct mailbox *mailbox, struct cairn_request *list) {
    take_stack(mailbox);
    while (list) {
        struct cairn_request *next = mailbox_next(list);
        set_next(list, NULL);
        if (mailbox->first)
            set_next(mailbox->last, list);
        else
            mailbox->first = list;
        mailbox->last = list;
        atomic_fetch_add_explicit(&mailbox->count, 1, memory_order_relaxed);
        list = next;
    }
}

void mailbox_close(struct mailbox *mailbox) {
    line_up(mailbox,
            atomic_exchange_explicit(&mailbox->top, &closed, memory_order_acq_rel));
}

bool mailbox_close_empty(struct mailbox *mailbox) {
    struct cairn_request *top = NULL;
    if (mailbox->first)
        return false;
    return atomic_compare_exchange_strong_explicit(&mailbox->top, &top, &closed,
                                                   memory_order_acq_rel,
                                                   memory_order_relaxed) ||
           top == &closed;
}
