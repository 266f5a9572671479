/* plan.h -- a change on its way: operations turned into what a backend is to do.
 *
 * Operations are planned one after the other, each seeing what those before it plan.
 * Nothing is written until all are planned and the locks of all that was looked at are
 * held; then the backend gets the changes as one. */
#ifndef CAIRN_PLAN_H
#define CAIRN_PLAN_H

#include "core.h"

/* An operation made ready before any lock is taken: its value compressed or put into
 * chunks, so that slow work happens outside. */
struct task {
    struct cairn_operation *operation;
    struct cairn_entry entry; /* CAIRN_WRITE: what is to be stored, without times */
    void *staged;             /* or its payload is staged in the backend */
    struct cairn_slice staged_mark; /* not empty: a note to erase with it (value.h) */
    struct cairn_bytes
        compressed;        /* what the entry's payload lies in, if not the caller's */
    struct upload *upload; /* the chunks it was put into (upload.h) */
};

struct plan;

/* Does the tasks: all or none. `failed` may be NULL. */
enum cairn_status plan_commit(struct core *core, const struct cairn_context *context,
                              struct task *tasks, size_t count, unsigned flags,
                              size_t *failed, struct cairn_error *error);

/* A plan that stays open: what a transaction reads from. */
struct plan *plan_new(struct core *core, const struct cairn_context *context);
void plan_free(struct plan *plan);
enum cairn_status plan_task(struct plan *plan, struct task *task,
                            struct cairn_error *error);
/* The value that a read of `path` sees, the plan included. `out` is to be released
 * before the plan is freed. */
enum cairn_status plan_read(struct plan *plan, struct cairn_slice path,
                            struct cairn_view *out, struct cairn_error *error);

/* -- For find.c ------------------------------------------------------------------- */

/* Notes that `path` was looked at. True: the plan changes it; `view` and `status` tell
 * to what. */
bool plan_look(struct plan *plan, struct cairn_slice path, struct cairn_view *view,
               enum cairn_status *status);
bool plan_changes(struct plan *plan, struct cairn_slice path);
void plan_touch(struct plan *plan, uint64_t hash, bool exclusive);

#endif
