/* plan.h -- a change on its way: operations turned into what a backend is to do.
 *
 * Operations are planned one after the other, each seeing what those before it plan.
 * Nothing is written until all are planned and the locks of all that was looked at are
 * held; then the backend gets the changes as one. */
#ifndef CAIRN_PLAN_H
#define CAIRN_PLAN_H

#include "cairn/arena.h"
#include "core.h"

/* An operation made ready before any lock is taken: its value compressed or put into
 * chunks, so that slow work happens outside. */
struct task {
    struct cairn_operation *operation;
    struct cairn_entry entry; /* CAIRN_WRITE: what is to be stored, without times */
    void *staged;             /* or its payload is staged in the backend */
    uint64_t resets;          /* core->resets when its chunks were begun */
    struct cairn_slice staged_mark; /* not empty: a note to erase with it (value.h) */
    struct cairn_bytes compressed;  /* what the payload lies in, if not the caller's */
    bool alone;                     /* no other task is planned with it */
    struct cairn_bytes *landed;     /* NULL, or see change.h */
    bool absent; /* out: what was to be deleted has expired; only its bytes go */
    struct upload *upload; /* or the chunks it was put into (upload.h) */
};

/* Changes up to this number are searched one by one, more of them through an index. */
enum { LINEAR = 8 };

struct plan {
    struct core *core;
    const struct cairn_context *context;
    struct stripe_set touched;
    bool trusts;  /* that groups that were seen are still there (known.h) */
    bool removes; /* takes a link or a group away, or turns a plain group into a pack */

    struct cairn_change *changes;
    size_t count, capacity;
    struct cairn_change inline_changes[LINEAR];
    uint32_t *index;   /* open addressing by path hash; change number + 1; 0: free */
    size_t index_size; /* a power of two; 0: no index yet */

    struct cairn_arena arena; /* paths, targets, packs */
};

/* Does the tasks: all or none. `failed` may be NULL. */
enum cairn_status plan_commit(struct core *core, const struct cairn_context *context,
                              struct task *tasks, size_t count, unsigned flags,
                              size_t *failed, struct cairn_error *error);

/* A plan that stays open: what a transaction reads from. */
struct plan *plan_new(struct core *core, const struct cairn_context *context);
void plan_free(struct plan *plan);

/* -- For operation.c -------------------------------------------------------------- */

/* Collects a change; a later one to the same path takes the place of the earlier. */
enum cairn_status plan_add(struct plan *plan, struct cairn_change change,
                           struct cairn_error *error);
enum cairn_status plan_add_erase(struct plan *plan, struct cairn_slice path,
                                 struct cairn_error *error);
struct cairn_change *plan_change_at(struct plan *plan, struct cairn_slice path);
enum cairn_status plan_no_memory(struct cairn_error *error);

/* -- For find.c ------------------------------------------------------------------- */

/* Notes that `path` was looked at. True: the plan changes it; `view` and `status` tell
 * to what. */
bool plan_look(struct plan *plan, struct cairn_slice path, struct cairn_view *view,
               enum cairn_status *status);
bool plan_changes(struct plan *plan, struct cairn_slice path);
void plan_touch(struct plan *plan, uint64_t hash, bool exclusive);

#endif
