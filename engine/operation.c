/* operation.c -- what each operation of a store means: one function for each.
 *
 * An operation looks (find.h sees what the plan holds already), refuses or not, and
 * adds changes to the plan; nothing before all that can be refused has been. */
#include "operation.h"

#include <xxhash.h>

#include "delete.h"
#include "find.h"
#include "residue.h"
#include "value.h"

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
        enum cairn_status status = residue_at(plan, change.path, error);
        if (!status)
            status = plan_add(plan, change, error);
        if (status)
            return status;
    }
    return CAIRN_OK;
}

/* For an entry where there is none: its parents are made, and what holds its key
 * although it is not there goes. */
static enum cairn_status add_place(struct plan *plan, const struct found *found,
                                   struct cairn_error *error) {
    enum cairn_status status = add_parents(plan, found, error);
    if (!status && found->leftover)
        status = residue_at(plan, found->path.text, error);
    return status;
}

enum cairn_status operation_landed(const struct task *task, struct cairn_slice path,
                                   struct cairn_slice landed,
                                   struct cairn_error *error) {
    if (!task->landed || cairn_slice_equal(path, landed))
        return CAIRN_OK;
    if (cairn_bytes_append(task->landed, landed) &&
        cairn_bytes_append(task->landed, (struct cairn_slice){"", 1}))
        return CAIRN_OK;
    return plan_no_memory(error);
}

/* -- One function an operation ---------------------------------------------------- */

enum cairn_status operation_read(struct plan *plan, struct cairn_slice path,
                                 struct cairn_view *out, struct cairn_error *error) {
    struct finder finder = plan_finder(plan);
    struct found found;
    enum cairn_status status =
        find_entry(&finder, path, FIND_FOLLOW, CAIRN_WANT_PAYLOAD, &found, error);
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
    enum cairn_status status = operation_read(plan, path, &view, error);
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

/* A reset in the meantime has taken chunks away. */
static enum cairn_status check_staged(struct plan *plan, const struct task *task,
                                      struct cairn_error *error) {
    if (task->staged_mark.size == 0 || task->resets == atomic_load(&plan->core->resets))
        return CAIRN_OK;
    return cairn_fail_at(error, CAIRN_CONFLICT,
                         "the store was reset while a value was written to",
                         task->operation->path);
}

static enum cairn_status write_at(struct plan *plan, struct task *task,
                                  struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct finder finder = plan_finder(plan);
    struct found found;
    enum cairn_status status =
        find_entry(&finder, path, 0, CAIRN_WANT_DETAILS, &found, error);
    if (residue_is_corrupt(plan, found.path.text, status)) {
        found.view.entry =
            (struct cairn_entry){.kind = residue_kind(plan, found.path.text)};
        found.view.release = NULL;
        status = CAIRN_OK;
    }
    bool exists = status == CAIRN_OK;
    if (status && status != CAIRN_NOT_FOUND)
        goto done;
    if (exists && found.view.entry.kind == CAIRN_GROUP) {
        status = cairn_fail_at(error, CAIRN_IS_GROUP, "a group cannot be written over",
                               path);
        goto done;
    }
    operation->changed =
        !(operation->keep && exists && found.view.entry.kind == CAIRN_RAW);
    if (!operation->changed)
        goto done;
    if ((status = operation_landed(task, path, found.path.text, error)) ||
        (status = check_names(plan, found.path.text, error)) ||
        (status = check_conditions(plan, operation, path, exists, error)) ||
        (status = check_staged(plan, task, error)))
        goto done;

    struct cairn_entry *old = &found.view.entry;
    if ((!exists && (status = add_place(plan, &found, error))) ||
        (exists && (status = residue_of(plan, path, old, error))))
        goto done;

    bool covers = found.packed;
    if (operation->expires_ms && !covers &&
        (status = find_in_pack(&finder, found.path.text, &covers, error)))
        goto done;
    int64_t now = cairn_context_now(plan->context);
    struct cairn_change change = {.path = found.path.text,
                                  .entry = task->entry,
                                  .staged = task->staged,
                                  .fresh = operation->if_absent && !found.leftover};
    change.entry.created_ms = exists && old->created_ms ? old->created_ms : now;
    change.entry.modified_ms = exists ? now : 0;
    change.entry.covers = covers && operation->expires_ms;
    plan->removes |= exists && old->kind == CAIRN_LINK;
    status = plan_add(plan, change, error);
    if (!status && task->staged_mark.size)
        status = plan_add_erase(plan, task->staged_mark, error);
done:
    cairn_view_release(&found.view);
    return status;
}

static enum cairn_status group_at(struct plan *plan, struct task *task,
                                  struct cairn_slice path, struct cairn_error *error) {
    struct finder finder = plan_finder(plan);
    struct found found;
    enum cairn_status status = find_entry(&finder, path, FIND_FOLLOW, 0, &found, error);
    if (residue_is_corrupt(plan, found.path.text, status)) { /* made a group again */
        found.view.release = NULL;
        found.existing = cairn_path_parent(found.path.text).size;
        status = CAIRN_NOT_FOUND;
    }
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
        (status = add_place(plan, &found, error)))
        return status;
    struct cairn_change change = {.path = found.path.text};
    change.entry.kind = CAIRN_GROUP;
    change.entry.created_ms = cairn_context_now(plan->context);
    return plan_add(plan, change, error);
}

static enum cairn_status link_at(struct plan *plan, struct task *task,
                                 struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct cairn_path target;
    enum cairn_status status = cairn_path_normalize(operation->value, &target, error);
    operation->changed = false;
    if (status || cairn_slice_equal(target.text, path))
        return status;

    struct finder finder = plan_finder(plan);
    struct found found;
    status = find_entry(&finder, path, 0, 0, &found, error);
    bool exists = status == CAIRN_OK;
    cairn_view_release(&found.view);
    if (exists)
        return operation->if_absent
                   ? cairn_fail_at(error, CAIRN_CONFLICT,
                                   "there is something already at", path)
                   : CAIRN_OK;
    if (status != CAIRN_NOT_FOUND ||
        (status = operation_landed(task, path, found.path.text, error)) ||
        (status = check_names(plan, found.path.text, error)) ||
        (status = check_names(plan, target.text, error)) ||
        (status = add_place(plan, &found, error)))
        return status;

    struct cairn_change change = {.path = found.path.text};
    change.entry.kind = CAIRN_LINK;
    change.entry.created_ms = cairn_context_now(plan->context);
    change.entry.expires_ms = operation->expires_ms;
    if (operation->expires_ms &&
        (status = find_in_pack(&finder, found.path.text, &change.entry.covers, error)))
        return status;
    change.entry.size = target.text.size;
    operation->changed = true;
    if (!cairn_arena_copy(&plan->arena, target.text, &change.entry.payload))
        return plan_no_memory(error);
    return plan_add(plan, change, error);
}

/* An own key that the new pack meets: a tombstone goes, for the child comes back; what
 * expires covers it from now on. */
static enum cairn_status meet_own_key(struct plan *plan, struct cairn_slice path,
                                      struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_view view = {.release = NULL};
    enum cairn_status status;
    if (!plan_look(plan, path, &view, &status))
        status =
            core->backend->get(core->self, plan->context, NULL, path,
                               CAIRN_WANT_PAYLOAD | CAIRN_WANT_DETAILS, &view, error);
    if (!status && view.entry.kind == CAIRN_TOMBSTONE) {
        status = plan_add_erase(plan, path, error);
    } else if (!status && view.entry.expires_ms && !view.entry.covers) {
        struct cairn_change change = {.path = path, .entry = view.entry};
        change.entry.covers = true;
        if (!cairn_arena_copy(&plan->arena, view.entry.payload,
                              &change.entry.payload) ||
            !cairn_arena_copy(&plan->arena, view.entry.metadata,
                              &change.entry.metadata))
            status = plan_no_memory(error);
        else
            status = plan_add(plan, change, error);
    }
    cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* Takes a step for the path of every inline child. */
static enum cairn_status for_children(struct plan *plan, struct cairn_slice group,
                                      const struct cairn_operation *operation,
                                      enum cairn_status (*step)(struct plan *,
                                                                struct cairn_slice,
                                                                struct cairn_error *),
                                      struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; !status && i < operation->child_count; i++) {
        struct cairn_path child;
        status = cairn_path_join(group, operation->children[i].name, &child, error);
        if (!status)
            status = step(plan, child.text, error);
    }
    return status;
}

static enum cairn_status pack_at(struct plan *plan, struct task *task,
                                 struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct finder finder = plan_finder(plan);
    struct found found;
    if (path.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "the root cannot be a pack");
    bool keep = operation->keep;
    enum cairn_status status =
        find_entry(&finder, path, keep ? 0 : FIND_FOLLOW,
                   CAIRN_WANT_DETAILS | (keep ? CAIRN_WANT_PAYLOAD : 0), &found, error);
    bool exists = status == CAIRN_OK;
    struct cairn_entry old = found.view.entry;
    cairn_view_release(&found.view);
    if (status && status != CAIRN_NOT_FOUND)
        return status;
    if (exists && old.kind == CAIRN_LINK) /* what is named by its content lies itself */
        old = (struct cairn_entry){.kind = CAIRN_GROUP, .created_ms = old.created_ms};
    if (exists && old.kind != CAIRN_GROUP)
        return cairn_fail_at(error, CAIRN_NOT_A_GROUP, "there is a value at", path);
    operation->changed = !(keep && exists && old.payload.size);
    if (!operation->changed)
        return CAIRN_OK;
    if ((status = operation_landed(task, path, found.path.text, error)) ||
        (status = check_names(plan, found.path.text, error)))
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
    if (!status && !cairn_arena_copy(&plan->arena, cairn_bytes_slice(&pack),
                                     &change.entry.payload))
        status = plan_no_memory(error);
    cairn_bytes_free(&pack);
    if (!status)
        status = for_children(plan, found.path.text, operation, check_names, error);
    if (!status && !exists)
        status = add_place(plan, &found, error);
    if (!status && exists)
        status = for_children(plan, found.path.text, operation, meet_own_key, error);
    plan->removes |= exists;
    return status ? status : plan_add(plan, change, error);
}

struct cairn_fingerprint cairn_store_fingerprint(enum cairn_status status,
                                                 struct cairn_slice value) {
    XXH128_hash_t hash = XXH3_128bits_withSeed(value.data, value.size, status);
    return (struct cairn_fingerprint){{hash.low64, hash.high64}};
}

static enum cairn_status expect_at(struct plan *plan, struct task *task,
                                   struct cairn_slice path, struct cairn_error *error) {
    struct cairn_view view = {.release = NULL};
    enum cairn_status status = operation_read(plan, path, &view, error);
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

enum cairn_status operation_plan(struct plan *plan, struct task *task,
                                 struct cairn_error *error) {
    struct cairn_path path;
    enum cairn_status status =
        cairn_path_normalize(task->operation->path, &path, error);
    if (status)
        return status;
    switch (task->operation->kind) {
    case CAIRN_WRITE:
        return write_at(plan, task, path.text, error);
    case CAIRN_MAKE_GROUP:
        return group_at(plan, task, path.text, error);
    case CAIRN_MAKE_LINK:
        return link_at(plan, task, path.text, error);
    case CAIRN_MAKE_PACK:
        return pack_at(plan, task, path.text, error);
    case CAIRN_DELETE:
        return delete_at(plan, task, path.text, error);
    case CAIRN_EXPECT:
        return expect_at(plan, task, path.text, error);
    }
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "there is no operation %d",
                      (int)task->operation->kind);
}
