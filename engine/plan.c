/* plan.c -- operations into changes.
 *
 * Two phases. Planning looks at the store and collects changes, noting the stripe of
 * everything it looks at (find.c does, through plan_look) or means to change.
 * Committing guesses the stripes, locks them, plans, and applies if the guess covered
 * all that was noted; else it lets go, adds what was noted and plans again. The guess
 * (the path and its parent) nearly always holds. */
#include "plan.h"

#include <stdlib.h>
#include <xxhash.h>

#include "arena.h"
#include "find.h"
#include "value.h"

/* Changes up to this number are searched one by one, more of them through an index. */
enum { LINEAR = 8 };

struct plan {
    struct core *core;
    const struct cairn_context *context;
    struct stripe_set touched;
    bool removes; /* takes a link or a group away, or turns a plain group into a pack */

    struct cairn_change *changes;
    size_t count, capacity;
    struct cairn_change inline_changes[LINEAR];
    uint32_t *index;   /* open addressing by path hash; change number + 1; 0: free */
    size_t index_size; /* a power of two; 0: no index yet */

    struct arena arena; /* paths, targets, packs */
};

static void plan_init(struct plan *plan, struct core *core,
                      const struct cairn_context *context) {
    plan->core = core;
    plan->context = context;
    plan->touched = (struct stripe_set){0};
    plan->removes = false;
    plan->changes = plan->inline_changes;
    plan->count = 0;
    plan->capacity = LINEAR;
    plan->index = NULL;
    plan->index_size = 0;
    arena_init(&plan->arena);
}

static void plan_clear(struct plan *plan) {
    if (plan->changes != plan->inline_changes)
        free(plan->changes);
    free(plan->index);
    arena_free(&plan->arena);
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

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to plan a change");
}

/* -- The changes collected so far ------------------------------------------------- */

static struct cairn_change *planned(struct plan *plan, struct cairn_slice path) {
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

/* Collects a change; a later one to the same path takes the place of the earlier. */
static enum cairn_status add(struct plan *plan, struct cairn_change change,
                             struct cairn_error *error) {
    stripe_set_add(&plan->touched, core_hash(plan->core, change.path), true);
    struct cairn_change *earlier = planned(plan, change.path);
    if (earlier) {
        change.path = earlier->path;
        change.fresh = earlier->fresh;
        *earlier = change;
        return CAIRN_OK;
    }
    if (!grow(plan) || !arena_copy(&plan->arena, change.path, &change.path))
        return no_memory(error);
    plan->changes[plan->count] = change;
    if (plan->index)
        index_add(plan, plan->count);
    plan->count++;
    return CAIRN_OK;
}

static enum cairn_status add_erase(struct plan *plan, struct cairn_slice path,
                                   struct cairn_error *error) {
    return add(plan, (struct cairn_change){.kind = CAIRN_ERASE, .path = path}, error);
}

bool plan_look(struct plan *plan, struct cairn_slice path, struct cairn_view *view,
               enum cairn_status *status) {
    plan_touch(plan, core_hash(plan->core, path), false);
    struct cairn_change *change = plan->count ? planned(plan, path) : NULL;
    if (!change)
        return false;
    view->release = NULL;
    view->entry = change->entry;
    *status = change->kind == CAIRN_PUT ? CAIRN_OK : CAIRN_NOT_FOUND;
    return true;
}

bool plan_changes(struct plan *plan, struct cairn_slice path) {
    return plan->count && planned(plan, path);
}

void plan_touch(struct plan *plan, uint64_t hash, bool exclusive) {
    stripe_set_add(&plan->touched, hash, exclusive);
}

/* -- Parts that operations share -------------------------------------------------- */

static struct finder finder_of(struct plan *plan) {
    return (struct finder){plan->core, plan->context, NULL, plan};
}

/* Before anything is planned beneath `found`: can this backend hold those names? */
static enum cairn_status check_names(struct plan *plan, struct cairn_slice path,
                                     struct cairn_error *error) {
    size_t most = plan->core->backend->name_max, at = 0;
    struct cairn_slice name;
    if (!most || path.size <= most)
        return CAIRN_OK;
    while (cairn_path_next(path, &at, &name))
        if (name.size > most)
            return cairn_fail_at(error, CAIRN_NAME_TOO_LONG,
                                 "a name of over 255 bytes cannot be kept here", path);
    return CAIRN_OK;
}

/* The groups between what exists and the path itself. */
static enum cairn_status add_parents(struct plan *plan, const struct found *found,
                                     struct cairn_error *error) {
    struct cairn_slice path = found->path.text, segment;
    if (found->beneath_value)
        return cairn_fail_at(error, CAIRN_NOT_A_GROUP, "a value stands in the way of",
                             path);
    size_t at = found->existing, end = cairn_path_parent(path).size;
    while (at < end && cairn_path_next(path, &at, &segment)) {
        struct cairn_change change = {.path = cairn_slice_sub(path, 0, at)};
        change.entry.kind = CAIRN_GROUP;
        change.entry.created_ms = cairn_context_now(plan->context);
        enum cairn_status status = add(plan, change, error);
        if (status)
            return status;
    }
    return CAIRN_OK;
}

/* The chunks of a value that is about to go. */
static enum cairn_status add_chunk_erases(struct plan *plan,
                                          const struct cairn_entry *entry,
                                          struct cairn_error *error) {
    struct chunk_list list;
    if (entry->form != CAIRN_CHUNKED)
        return CAIRN_OK;
    enum cairn_status status = chunk_list_of(entry, &list, error);
    for (uint64_t number = 0; !status && number < list.count; number++) {
        char room[96];
        status = add_erase(plan, chunk_path(room, list.id, number), error);
    }
    return status;
}

/* -- One function an operation ---------------------------------------------------- */

enum cairn_status plan_read(struct plan *plan, struct cairn_slice path,
                            struct cairn_view *out, struct cairn_error *error) {
    struct finder finder = finder_of(plan);
    struct found found;
    enum cairn_status status =
        cairn_find(&finder, path, FIND_FOLLOW, CAIRN_WANT_PAYLOAD, &found, error);
    if (!status && found.view.entry.kind == CAIRN_GROUP)
        status = cairn_fail_at(error, CAIRN_NOT_FOUND, "a group has no value", path);
    if (status) {
        cairn_view_release(&found.view);
        return status;
    }
    *out = found.view;
    return value_load(plan->core, plan->context, NULL, path, out, error);
}

static enum cairn_status check_conditions(struct plan *plan,
                                          const struct cairn_operation *operation,
                                          struct cairn_slice path, bool exists,
                                          struct cairn_error *error) {
    if (operation->if_absent && exists)
        return cairn_fail_at(error, CAIRN_CONFLICT, "there is something already at",
                             path);
    if (!operation->if_equal)
        return CAIRN_OK;
    struct cairn_view view;
    enum cairn_status status = plan_read(plan, path, &view, error);
    if (status == CAIRN_NOT_FOUND)
        return cairn_fail_at(error, CAIRN_CONFLICT, "the expected value is not there",
                             path);
    if (status)
        return status;
    bool equal = cairn_slice_equal(view.entry.payload, *operation->if_equal);
    cairn_view_release(&view);
    return equal ? CAIRN_OK
                 : cairn_fail_at(error, CAIRN_CONFLICT,
                                 "another value than the expected is at", path);
}

/* A reset in the meantime has taken the chunks, and their note with them. */
static enum cairn_status check_staged(struct plan *plan, const struct task *task,
                                      struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_view view = {.release = NULL};
    if (task->staged_mark.size == 0)
        return CAIRN_OK;
    enum cairn_status status = core->backend->get(core->self, plan->context, NULL,
                                                  task->staged_mark, 0, &view, error);
    cairn_view_release(&view);
    if (status == CAIRN_NOT_FOUND)
        return cairn_fail_at(error, CAIRN_CONFLICT,
                             "the store was reset while a value was written to",
                             task->operation->path);
    return status;
}

static enum cairn_status plan_write(struct plan *plan, struct task *task,
                                    struct cairn_slice path,
                                    struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct finder finder = finder_of(plan);
    struct found found;
    enum cairn_status status =
        cairn_find(&finder, path, 0, CAIRN_WANT_DETAILS, &found, error);
    bool exists = status == CAIRN_OK;
    if (status && status != CAIRN_NOT_FOUND)
        goto done;
    if (exists && found.view.entry.kind == CAIRN_GROUP) {
        status = cairn_fail_at(error, CAIRN_IS_GROUP, "a group cannot be written over",
                               path);
        goto done;
    }
    if ((status = check_names(plan, found.path.text, error)) ||
        (status = check_conditions(plan, operation, path, exists, error)) ||
        (status = check_staged(plan, task, error)))
        goto done;

    struct cairn_entry *old = &found.view.entry;
    if ((!exists && (status = add_parents(plan, &found, error))) ||
        ((exists || found.expired) && (status = add_chunk_erases(plan, old, error))))
        goto done;

    int64_t now = cairn_context_now(plan->context);
    struct cairn_change change = {.path = found.path.text,
                                  .entry = task->entry,
                                  .staged = task->staged,
                                  .fresh = operation->if_absent};
    change.entry.created_ms = exists && old->created_ms ? old->created_ms : now;
    change.entry.modified_ms = exists ? now : 0;
    plan->removes |= exists && old->kind == CAIRN_LINK;
    status = add(plan, change, error);
    if (!status && task->staged_mark.size)
        status = add_erase(plan, task->staged_mark, error);
    operation->changed = true;
done:
    cairn_view_release(&found.view);
    return status;
}

static enum cairn_status plan_group(struct plan *plan, struct task *task,
                                    struct cairn_slice path,
                                    struct cairn_error *error) {
    struct finder finder = finder_of(plan);
    struct found found;
    enum cairn_status status = cairn_find(&finder, path, FIND_FOLLOW, 0, &found, error);
    bool exists = status == CAIRN_OK;
    bool is_group = exists && found.view.entry.kind == CAIRN_GROUP;
    cairn_view_release(&found.view);
    task->operation->changed = !exists;
    if (exists)
        return is_group ? CAIRN_OK
                        : cairn_fail_at(error, CAIRN_NOT_A_GROUP, "there is a value at",
                                        path);
    if (status != CAIRN_NOT_FOUND ||
        (status = check_names(plan, found.path.text, error)) ||
        (status = add_parents(plan, &found, error)))
        return status;
    struct cairn_change change = {.path = found.path.text};
    change.entry.kind = CAIRN_GROUP;
    change.entry.created_ms = cairn_context_now(plan->context);
    return add(plan, change, error);
}

static enum cairn_status plan_link(struct plan *plan, struct task *task,
                                   struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct cairn_path target;
    enum cairn_status status = cairn_path_normalize(operation->value, &target, error);
    operation->changed = false;
    if (status || cairn_slice_equal(target.text, path))
        return status;

    struct finder finder = finder_of(plan);
    struct found found;
    status = cairn_find(&finder, path, 0, 0, &found, error);
    bool exists = status == CAIRN_OK;
    cairn_view_release(&found.view);
    if (exists)
        return operation->if_absent
                   ? cairn_fail_at(error, CAIRN_CONFLICT,
                                   "there is something already at", path)
                   : CAIRN_OK;
    if (status != CAIRN_NOT_FOUND ||
        (status = check_names(plan, found.path.text, error)) ||
        (status = check_names(plan, target.text, error)) ||
        (status = add_parents(plan, &found, error)))
        return status;

    struct cairn_change change = {.path = found.path.text};
    change.entry.kind = CAIRN_LINK;
    change.entry.created_ms = cairn_context_now(plan->context);
    change.entry.expires_ms = operation->expires_ms;
    change.entry.size = target.text.size;
    operation->changed = true;
    if (!arena_copy(&plan->arena, target.text, &change.entry.payload))
        return no_memory(error);
    return add(plan, change, error);
}

/* Children that were deleted from the pack before come back with a new pack. */
static enum cairn_status erase_tombstones(struct plan *plan, struct cairn_slice group,
                                          const struct cairn_operation *operation,
                                          struct cairn_error *error) {
    struct core *core = plan->core;
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; !status && i < operation->child_count; i++) {
        struct cairn_path child;
        struct cairn_view view = {.release = NULL};
        status = cairn_path_join(group, operation->children[i].name, &child, error);
        if (status)
            break;
        if (!plan_look(plan, child.text, &view, &status))
            status = core->backend->get(core->self, plan->context, NULL, child.text, 0,
                                        &view, error);
        if (!status && view.entry.kind == CAIRN_TOMBSTONE)
            status = add_erase(plan, child.text, error);
        else if (status == CAIRN_NOT_FOUND)
            status = CAIRN_OK;
        cairn_view_release(&view);
    }
    return status;
}

static enum cairn_status plan_pack(struct plan *plan, struct task *task,
                                   struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct finder finder = finder_of(plan);
    struct found found;
    if (path.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "the root cannot be a pack");
    enum cairn_status status =
        cairn_find(&finder, path, FIND_FOLLOW, CAIRN_WANT_DETAILS, &found, error);
    bool exists = status == CAIRN_OK;
    struct cairn_entry old = found.view.entry;
    cairn_view_release(&found.view);
    if (status && status != CAIRN_NOT_FOUND)
        return status;
    if (exists && old.kind != CAIRN_GROUP)
        return cairn_fail_at(error, CAIRN_NOT_A_GROUP, "there is a value at", path);
    if ((status = check_names(plan, found.path.text, error)))
        return status;

    struct cairn_bytes pack = {0};
    struct cairn_change change = {.path = found.path.text};
    int64_t now = cairn_context_now(plan->context);
    change.entry.kind = CAIRN_GROUP;
    change.entry.created_ms = exists && old.created_ms ? old.created_ms : now;
    change.entry.modified_ms = exists ? now : 0;
    if (operation->child_count)
        status = cairn_pack_encode(operation->children, operation->child_count, &pack,
                                   error);
    if (!status &&
        !arena_copy(&plan->arena, cairn_bytes_slice(&pack), &change.entry.payload))
        status = no_memory(error);
    cairn_bytes_free(&pack);
    for (size_t i = 0; !status && i < operation->child_count; i++)
        status = check_names(plan, operation->children[i].name, error);
    if (!status && !exists)
        status = add_parents(plan, &found, error);
    if (!status && exists)
        status = erase_tombstones(plan, found.path.text, operation, error);
    plan->removes |= exists;
    operation->changed = true;
    return status ? status : add(plan, change, error);
}

static enum cairn_status not_empty(struct cairn_slice path, struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_IS_GROUP, "a group that is not empty", path);
}

/* A planned child counts like a stored one. */
static bool plan_has_child(struct plan *plan, struct cairn_slice group) {
    for (size_t i = 0; i < plan->count; i++) {
        struct cairn_change *change = &plan->changes[i];
        if (change->kind == CAIRN_PUT && change->entry.kind != CAIRN_TOMBSTONE &&
            change->path.size &&
            cairn_slice_equal(cairn_path_parent(change->path), group))
            return true;
    }
    return false;
}

/* Every own key of an empty group is a tombstone or has expired, and goes with it. */
static enum cairn_status erase_leftovers(struct plan *plan, struct cairn_slice group,
                                         struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_slice none = {NULL, 0};
    struct cairn_scan_item item;
    void *cursor;
    enum cairn_status status = core->backend->scan(
        core->self, plan->context, NULL, group, none, none, 0, &cursor, error);
    if (status)
        return status;
    while (!(status = core->backend->scan_next(cursor, &item, error))) {
        struct cairn_path child;
        status = cairn_path_join(group, item.name, &child, error);
        if (status)
            break;
        struct cairn_change *change = planned(plan, child.text);
        if (change && change->kind == CAIRN_ERASE)
            continue;
        if (item.entry.kind != CAIRN_TOMBSTONE && !change &&
            !core_expired(&item.entry, plan->context)) {
            status = not_empty(group, error);
            break;
        }
        if ((status = add_chunk_erases(plan, &item.entry, error)) ||
            (status = add_erase(plan, child.text, error)))
            break;
    }
    core->backend->scan_close(cursor);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* A child that is only in the pack, and not hidden, keeps its group from going. */
static enum cairn_status check_pack_hidden(struct plan *plan, struct cairn_slice group,
                                           struct cairn_slice pack,
                                           struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_pack_walk walk;
    struct cairn_pack_child child;
    enum cairn_status status = cairn_pack_open(pack, &walk, error);
    while (!status && !(status = cairn_pack_next(&walk, &child, error))) {
        struct cairn_path path;
        struct cairn_view view = {.release = NULL};
        status = cairn_path_join(group, child.name, &path, error);
        if (status)
            return status;
        if (!plan_look(plan, path.text, &view, &status))
            status = core->backend->get(core->self, plan->context, NULL, path.text, 0,
                                        &view, error);
        bool hidden = !status && (view.entry.kind == CAIRN_TOMBSTONE ||
                                  core_expired(&view.entry, plan->context));
        cairn_view_release(&view);
        if (status && status != CAIRN_NOT_FOUND)
            return status;
        if (!hidden && !core_expired(&child.entry, plan->context))
            return not_empty(group, error);
        status = CAIRN_OK;
    }
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status plan_delete(struct plan *plan, struct task *task,
                                     struct cairn_slice path,
                                     struct cairn_error *error) {
    struct finder finder = finder_of(plan);
    struct found found;
    if (path.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the root cannot be deleted (reset empties a store)");
    enum cairn_status status =
        cairn_find(&finder, path, 0, CAIRN_WANT_PAYLOAD, &found, error);
    if (status)
        goto done;
    struct cairn_entry *entry = &found.view.entry;
    struct cairn_slice at = found.path.text;
    plan_touch(plan, core_hash(plan->core, at), true);
    if (entry->kind == CAIRN_GROUP) {
        status = plan_has_child(plan, at) ? not_empty(at, error)
                                          : erase_leftovers(plan, at, error);
        if (!status)
            status = check_pack_hidden(plan, at, entry->payload, error);
    } else if (!found.packed) {
        status = add_chunk_erases(plan, entry, error);
    }

    bool in_pack = found.packed;
    if (!status && !found.packed)
        status = cairn_find_in_pack(&finder, at, &in_pack, error);
    if (status)
        goto done;
    plan->removes |= entry->kind != CAIRN_RAW;
    struct cairn_change change = {.kind = in_pack ? CAIRN_PUT : CAIRN_ERASE,
                                  .path = at};
    change.entry.kind = CAIRN_TOMBSTONE;
    status = add(plan, change, error);
    task->operation->changed = true;
done:
    cairn_view_release(&found.view);
    return status;
}

struct cairn_fingerprint cairn_store_fingerprint(enum cairn_status status,
                                                 struct cairn_slice value) {
    XXH128_hash_t hash = XXH3_128bits_withSeed(value.data, value.size, status);
    return (struct cairn_fingerprint){{hash.low64, hash.high64}};
}

static enum cairn_status plan_expect(struct plan *plan, struct task *task,
                                     struct cairn_slice path,
                                     struct cairn_error *error) {
    struct cairn_view view = {.release = NULL};
    enum cairn_status status = plan_read(plan, path, &view, error);
    if (status && status != CAIRN_NOT_FOUND)
        return status;
    struct cairn_slice value =
        status ? (struct cairn_slice){"", 0} : view.entry.payload;
    struct cairn_fingerprint now = cairn_store_fingerprint(status, value);
    cairn_view_release(&view);
    if (memcmp(&now, &task->operation->fingerprint, sizeof now) == 0)
        return CAIRN_OK;
    return cairn_fail_at(error, CAIRN_CONFLICT, "what was read has changed since",
                         path);
}

enum cairn_status plan_task(struct plan *plan, struct task *task,
                            struct cairn_error *error) {
    struct cairn_path path;
    enum cairn_status status =
        cairn_path_normalize(task->operation->path, &path, error);
    if (status)
        return status;
    switch (task->operation->kind) {
    case CAIRN_WRITE:
        return plan_write(plan, task, path.text, error);
    case CAIRN_MAKE_GROUP:
        return plan_group(plan, task, path.text, error);
    case CAIRN_MAKE_LINK:
        return plan_link(plan, task, path.text, error);
    case CAIRN_MAKE_PACK:
        return plan_pack(plan, task, path.text, error);
    case CAIRN_DELETE:
        return plan_delete(plan, task, path.text, error);
    case CAIRN_EXPECT:
        return plan_expect(plan, task, path.text, error);
    }
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "there is no operation %d",
                      (int)task->operation->kind);
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
    for (size_t i = 0; i < count; i++)
        guess(core, &tasks[i], &held);

    for (;;) {
        struct plan plan;
        enum cairn_status status = CAIRN_OK;
        size_t i = 0;
        stripes_lock(&core->stripes, &held);
        plan_init(&plan, core, context);
        while (i < count && !(status = plan_task(&plan, &tasks[i], error)))
            i++;
        bool covered = stripe_set_covers(&held, &plan.touched);
        if (covered && !status)
            status = apply(&plan, flags, error);
        stripes_unlock(&core->stripes, &held);
        stripe_set_merge(&held, &plan.touched);
        plan_clear(&plan);
        if (covered) {
            if (status && failed)
                *failed = i < count ? i : 0;
            return status;
        }
    }
}
