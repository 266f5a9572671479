/* core.h -- the insides of a store, shared by the files of the engine.
 *
 * One core exists per open place; handles (struct cairn_store) and frozen states share
 * it. How readers and changers get along:
 *
 *  - A change is planned and applied under the stripes of all it looked at and changes
 *    (stripes.h), so changes are serialisable among themselves.
 *  - A reader takes no lock. One look-up is atomic by the backend's promise. A reader
 *    that needs several (it crossed a link, or missed and looks for one) checks that
 *    nothing was taken away meanwhile: `epoch` moves before and after each removal of a
 *    link or a group, and `removing` counts those under way. If something was, it looks
 *    again; a reader that keeps losing closes the `gate` to removals for one look.
 *  - What is added (a child, a group, a link where nothing was) needs no such care: a
 *    reader that saw the time before and the time after has seen one of the two. */
#ifndef CAIRN_CORE_H
#define CAIRN_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cairn/store.h"
#include "known.h"
#include "stripes.h"

struct core {
    const struct cairn_backend *backend;
    void *self; /* the backend's */
    unsigned capabilities;
    char *url;

    struct stripes stripes;
    struct known known;
    uint64_t seed; /* of path hashes: a secret of this process */

    _Atomic uint64_t epoch;
    atomic_uint removing;
    pthread_rwlock_t gate;   /* removals hold it shared */
    _Atomic uint64_t resets; /* how often all was forgotten; moves under every stripe */

    /* Guarded by the lock in store.c. */
    struct core *next;
    size_t handles;
    struct cairn_bytes identity, settings;
};

struct cairn_store {
    struct core *core;
    void *snapshot; /* NULL: the present */
};

uint64_t core_hash(const struct core *core, struct cairn_slice path);

/* Around the application of a change that takes a link or a group away. */
void core_removal_begin(struct core *core);
void core_removal_end(struct core *core);

/* A reader's several looks belong together if, behind them, nothing has been or is
 * being taken away since `epoch`. The order of the two loads matters: a removal that
 * ends in between has moved the epoch. */
static inline uint64_t core_epoch(struct core *core) {
    return atomic_load(&core->epoch);
}

static inline bool core_undisturbed(struct core *core, uint64_t epoch) {
    return atomic_load(&core->removing) == 0 && atomic_load(&core->epoch) == epoch;
}

/* As cairn_store_get, of a path that is normal already. */
enum cairn_status store_get(struct cairn_store *store,
                            const struct cairn_context *context,
                            struct cairn_slice path, struct cairn_view *out,
                            struct cairn_path *led, struct cairn_error *error);

/* What every public call does first: deadline, scope. */
static inline enum cairn_status core_enter(const struct core *core,
                                           const struct cairn_context *context,
                                           struct cairn_error *error) {
    if (!context)
        return CAIRN_OK;
    if (context->scopes && !(context->scopes & core->backend->scope))
        return cairn_fail(error, CAIRN_UNAVAILABLE,
                          "%s: its scope is not among those this call may ask",
                          core->url);
    return cairn_context_check(context, error);
}

/* ... and last. Returns `status`; the trace is told why it failed, if `error` says so.
 * That there is nothing needs no more words. */
static inline enum cairn_status
core_leave(const struct core *core, const struct cairn_context *context,
           const char *operation, struct cairn_slice path, enum cairn_status status,
           const struct cairn_error *error) {
    if (context && context->trace) {
        bool failed = status && status != CAIRN_NOT_FOUND && error;
        struct cairn_trace_event event = {.operation = operation,
                                          .store = core->url,
                                          .path = path,
                                          .status = status,
                                          .detail = failed ? error->message : NULL};
        context->trace(context->trace_arg, &event);
    }
    return status;
}

static inline bool core_expired(const struct cairn_entry *entry,
                                const struct cairn_context *context) {
    return entry->expires_ms && entry->expires_ms <= cairn_context_now(context);
}

#endif
