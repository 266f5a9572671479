/* context.h -- the circumstances of a call, handed all the way down.
 *
 * Every public call that reads or changes data takes a `const struct cairn_context *`
 * (opening, closing and counting do not); NULL means: no deadline,
 * not cancellable, the system's clock, every scope, no trace. A zeroed struct means
 * the same. The struct is the caller's and must outlive the call.
 *
 * Threads: one context may be used by many calls at once; `cancelled` may be set
 * from any thread. */
#ifndef CAIRN_CONTEXT_H
#define CAIRN_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cairn/status.h"

/* How far away a store's data is. */
enum cairn_scope {
    CAIRN_SCOPE_LOCAL = 1 << 0,   /* memory, fs, rocksdb */
    CAIRN_SCOPE_REMOTE = 1 << 1,  /* another node, a gateway */
    CAIRN_SCOPE_CLUSTER = 1 << 2, /* a distributed engine */
};

struct cairn_decider;
struct cairn_entry;

/* What is reported to `trace`: an operation that a store finished, or a decision, in
 * the order in which they happen. Valid during the call only. */
struct cairn_trace_event {
    const char *operation; /* "read", "write", ...; of a decision, the question */
    const char *store;     /* the store's URL; NULL: not about one */
    struct cairn_slice path;
    enum cairn_status status;
    const char *detail; /* what was decided, or why it failed; NULL: nothing to add */
    const struct cairn_decider *decider; /* policy.h; NULL: no decision */
};

struct cairn_context {
    /* Milliseconds since the Unix epoch, of whatever clock the caller wants all of
     * this call to believe: created, modified, expires and the deadline. NULL: the
     * system's. */
    int64_t (*now_ms)(void *clock);
    void *clock;

    int64_t deadline_ms;          /* on that clock; 0: none */
    const atomic_bool *cancelled; /* NULL: cannot be cancelled */
    unsigned scopes; /* bits of enum cairn_scope that may be asked; 0: all */
    bool fresh;      /* reads ask no tier of a chain: another process may have changed
                        what it is a copy of */

    /* Whether an entry that a store outside (no CAIRN_SCOPE_LOCAL) has at `path` may be
     * copied to others for what it is. NULL: all may. */
    bool (*admit)(void *arg, struct cairn_slice path, const struct cairn_entry *entry);
    void *admit_arg;

    void (*trace)(void *arg, const struct cairn_trace_event *event); /* NULL: none */
    void *trace_arg;
};

/* The call's time in milliseconds since the epoch. */
int64_t cairn_context_now(const struct cairn_context *context);

/* CAIRN_TIMEOUT once the deadline has passed or the call was cancelled. Long loops
 * ask between their steps. */
enum cairn_status cairn_context_check(const struct cairn_context *context,
                                      struct cairn_error *error);

#endif
