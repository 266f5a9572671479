/* plan.c -- operations into changes.
 *
 * Two phases. Planning looks at the store and collects changes, noting the stripe of
 * everything it looks at (find.c does, through plan_look) or means to change.
 * Committing guesses the stripes, locks them, plans, and applies if the guess covered
 * all that was noted; else it lets go, adds what was noted and plans again. The guess
 * (the path and its parent) nearly always holds. */
#include "plan.h"

#include <stdlib.h>

#include "operation.h"

static void plan_init(struct plan *plan, struct core *core,
                      const struct cairn_context *context) {
    plan->core = core;
    plan->context = context;
    plan->touched = (struct stripe_set){0};
    plan->trusts = true;
    plan->removes = false;
    plan->changes = plan->inline_changes;
    plan->count = 0;
    plan->capacity = LINEAR;
    plan->index = NULL;
    plan->index_size = 0;
    cairn_arena_init(&plan->arena);
}

static void plan_clear(struct plan *plan) {
    if (plan->changes != plan->inline_changes)
        free(plan->changes);
    free(plan->index);
    cairn_arena_free(&plan->arena);
}

struct plan *plan_new(struct core *core, const struct cairn_context *context) {
    struct plan *plan = malloc(sizeof *plan);
    if (plan)
        plan_init(plan, core, context);
    return plan;
}

void plan_free(struct plan *plan) {
    if (plan)
        plan_clear(plan);
    free(plan);
}

enum cairn_status plan_no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to plan a change");
}

/* -- The changes collected so far ------------------------------------------------- */

struct cairn_change *plan_change_at(struct plan *plan, struct cairn_slice path) {
    if (!plan->index) {
        for (size_t i = 0; i < plan->count; i++)
            if (cairn_slice_equal(plan->changes[i].path, path))
                return &plan->changes[i];
        return NULL;
    }
    size_t at = core_hash(plan->core, path) & (plan->index_size - 1);
    for (; plan->index[at]; at = (at + 1) & (plan->index_size - 1)) {
        struct cairn_change *change = &plan->changes[plan->index[at] - 1];
        if (cairn_slice_equal(change->path, path))
            return change;
    }
    return NULL;
}

static void index_add(struct plan *plan, size_t number) {
    size_t at =
        core_hash(plan->core, plan->changes[number].path) & (plan->index_size - 1);
    while (plan->index[at])
        at = (at + 1) & (plan->index_size - 1);
    plan->index[at] = (uint32_t)number + 1;
}

/* Room for one more change; the index is kept at most half full. */
static bool grow(struct plan *plan) {
    if (plan->count < plan->capacity)
        return true;
    if (plan->count >= UINT32_MAX / 4)
        return false;
    size_t capacity = plan->capacity * 2;
    bool was_inline = plan->changes == plan->inline_changes;
    struct cairn_change *changes =
        realloc(was_inline ? NULL : plan->changes, capacity * sizeof *changes);
    if (!changes)
        return false;
    if (was_inline)
        memcpy(changes, plan->inline_changes, sizeof plan->inline_changes);
    plan->changes = changes;
    plan->capacity = capacity;

    free(plan->index);
    plan->index_size = capacity * 2;
    plan->index = calloc(plan->index_size, sizeof *plan->index);
    if (!plan->index)
        return false;
    for (size_t i = 0; i < plan->count; i++)
        index_add(plan, i);
    return true;
}

enum cairn_status plan_add(struct plan *plan, struct cairn_change change,
                           struct cairn_error *error) {
    stripe_set_add(&plan->touched, core_hash(plan->core, change.path), true);
    struct cairn_change *earlier = plan_change_at(plan, change.path);
    if (earlier) {
        change.path = earlier->path;
        change.fresh = earlier->fresh;
        *earlier = change;
        return CAIRN_OK;
    }
    if (!grow(plan) || !cairn_arena_copy(&plan->arena, change.path, &change.path))
        return plan_no_memory(error);
    plan->changes[plan->count] = change;
    if (plan->index)
        index_add(plan, plan->count);
    plan->count++;
    return CAIRN_OK;
}

enum cairn_status plan_add_erase(struct plan *plan, struct cairn_slice path,
                                 struct cairn_error *error) {
    return plan_add(plan, (struct cairn_change){.kind = CAIRN_ERASE, .path = path},
                    error);
}

bool plan_look(struct plan *plan, struct cairn_slice path, struct cairn_view *view,
               enum cairn_status *status) {
    plan_touch(plan, core_hash(plan->core, path), false);
    struct cairn_change *change = plan->count ? plan_change_at(plan, path) : NULL;
    if (!change)
        return false;
    view->release = NULL;
    view->entry = change->entry;
    *status = change->kind == CAIRN_PUT ? CAIRN_OK : CAIRN_NOT_FOUND;
    return true;
}

bool plan_changes(struct plan *plan, struct cairn_slice path) {
    return plan->count && plan_change_at(plan, path);
}

void plan_touch(struct plan *plan, uint64_t hash, bool exclusive) {
    stripe_set_add(&plan->touched, hash, exclusive);
}

/* -- Commit ----------------------------------------------------------------------- */

static void guess(struct core *core, const struct task *task, struct stripe_set *set) {
    struct cairn_path path;
    if (cairn_path_normalize(task->operation->path, &path, NULL))
        return;
    bool changes = task->operation->kind != CAIRN_EXPECT;
    stripe_set_add(set, core_hash(core, path.text), changes);
    stripe_set_add(set, core_hash(core, cairn_path_parent(path.text)), false);
}

static enum cairn_status apply(struct plan *plan, unsigned flags,
                               struct cairn_error *error) {
    struct core *core = plan->core;
    if (plan->count == 0)
        return CAIRN_OK;
    if (plan->removes)
        core_removal_begin(core);
    enum cairn_status status =
        core->backend->apply(core->self, plan->context, plan->changes, plan->count,
                             flags & CAIRN_STORE_SYNC ? CAIRN_APPLY_SYNC : 0, error);
    if (plan->removes)
        core_removal_end(core);
    return status;
}

enum cairn_status plan_commit(struct core *core, const struct cairn_context *context,
                              struct task *tasks, size_t count, unsigned flags,
                              size_t *failed, struct cairn_error *error) {
    struct stripe_set held = {0};
    bool trusts = true;
    for (size_t i = 0; i < count; i++)
        guess(core, &tasks[i], &held);

    for (;;) {
        struct plan plan;
        enum cairn_status status = CAIRN_OK;
        size_t i = 0;
        stripes_lock(&core->stripes, &held);
        plan_init(&plan, core, context);
        plan.trusts = trusts;
        while (i < count && !(status = operation_plan(&plan, &tasks[i], error)))
            i++;
        bool done = stripe_set_covers(&held, &plan.touched);
        if (done && !status) {
            status = apply(&plan, flags, error);
            /* Another process took a parent away that we thought we knew. */
            if (status == CAIRN_NOT_FOUND && trusts)
                done = trusts = false;
        }
        stripes_unlock(&core->stripes, &held);
        stripe_set_merge(&held, &plan.touched);
        plan_clear(&plan);
        if (done) {
            if (status && failed)
                *failed = i < count ? i : 0;
            return status;
        }
    }
}
