/* operation.c -- what each operation of a store means: one function for each.
 *
 * An operation looks (find.h sees what the plan holds already), refuses or not, and
 * adds changes to the plan; nothing before all that can be refused has been. */
#include "operation.h"

#include <xxhash.h>

#include "cairn/metadata.h"
#include "find.h"
#include "value.h"

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

/* The chunks of a value that is about to go. Of a corrupt list, or one whose last chunk
 * is not there, nothing is believed: the value goes all the same. */
static enum cairn_status add_chunk_erases(struct plan *plan, struct cairn_slice path,
                                          const struct cairn_entry *entry,
                                          struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_view last = {.release = NULL};
    struct chunk_list list;
    char room[96];
    if (entry->form != CAIRN_CHUNKED || chunk_list_of(entry, path, &list, error) ||
        list.count == 0)
        return CAIRN_OK;
    enum cairn_status status =
        core->backend->get(core->self, plan->context, NULL,
                           chunk_path(room, list.id, list.count - 1), 0, &last, error);
    cairn_view_release(&last);
    if (status)
        return status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT ? CAIRN_OK : status;
    for (uint64_t number = 0; !status && number < list.count; number++)
        status = plan_add_erase(plan, chunk_path(room, list.id, number), error);
    return status;
}

/* What holds the place of an absent entry goes with its chunks. */
static enum cairn_status add_leftover_erases(struct plan *plan, struct cairn_slice path,
                                             struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_view view = {.release = NULL};
    if (!core->backend->chunk_bytes || plan_changes(plan, path))
        return CAIRN_OK;
    enum cairn_status status = core->backend->get(core->self, plan->context, NULL, path,
                                                  CAIRN_WANT_PAYLOAD, &view, error);
    if (!status)
        status = add_chunk_erases(plan, path, &view.entry, error);
    cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT ? CAIRN_OK : status;
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
        enum cairn_status status = add_leftover_erases(plan, change.path, error);
        if (!status)
            status = plan_add(plan, change, error);
        if (status)
            return status;
    }
    return CAIRN_OK;
}

/* What to take an unreadable entry for: a group if there is anything beneath it, else a
 * link, which nothing depends on and whose going makes readers look again. */
static enum cairn_kind guess_kind(struct plan *plan, struct cairn_slice path) {
    struct core *core = plan->core;
    struct cairn_slice none = {NULL, 0};
    struct cairn_scan_item item;
    void *cursor;
    if (core->backend->scan(core->self, plan->context, NULL, path, none, none, 0,
                            &cursor, NULL))
        return CAIRN_GROUP;
    enum cairn_status status = core->backend->scan_next(cursor, &item, NULL);
    core->backend->scan_close(cursor);
    return status == CAIRN_NOT_FOUND ? CAIRN_LINK : CAIRN_GROUP;
}

/* True if what cannot be read is the entry itself: it may be written over and deleted,
 * for there is no other way to get rid of it. */
static bool is_corrupt(struct plan *plan, struct cairn_slice path,
                       enum cairn_status status) {
    struct core *core = plan->core;
    struct cairn_view view = {.release = NULL};
    if (status != CAIRN_CORRUPT || path.size == 0)
        return false;
    status = core->backend->get(core->self, plan->context, NULL, path, 0, &view, NULL);
    cairn_view_release(&view);
    return status == CAIRN_CORRUPT;
}

/* -- Checks that need no store
 * ---------------------------------------------------------- */

static enum cairn_status check_metadata(struct cairn_slice metadata,
                                        struct cairn_slice path,
                                        struct cairn_error *error) {
    struct cairn_metadata_walk walk;
    struct cairn_field field;
    enum cairn_status status = cairn_metadata_open(metadata, &walk, NULL);
    while (!status && !(status = cairn_metadata_next(&walk, &field, NULL)))
        continue;
    return status == CAIRN_NOT_FOUND
               ? CAIRN_OK
               : cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                               "the bytes are no metadata that are to be kept for",
                               path);
}

static enum cairn_status check_child(const struct cairn_pack_child *child,
                                     struct cairn_error *error) {
    const struct cairn_entry *entry = &child->entry;
    struct cairn_path target;
    if (entry->kind == CAIRN_LINK &&
        (cairn_path_normalize(entry->payload, &target, NULL) ||
         !cairn_slice_equal(target.text, entry->payload)))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "the target is no normal path of the inline link",
                             child->name);
    if (entry->form != CAIRN_PLAIN || entry->expires_ms)
        return cairn_fail_at(
            error, CAIRN_INVALID_ARGUMENT,
            "an inline child is plain and does not expire:", child->name);
    return check_metadata(entry->metadata, child->name, error);
}

enum cairn_status operation_check(const struct cairn_operation *operation,
                                  struct cairn_error *error) {
    enum cairn_operation_kind kind = operation->kind;
    if ((operation->metadata.size || operation->compress || operation->if_equal) &&
        kind != CAIRN_WRITE)
        return cairn_fail_at(
            error, CAIRN_INVALID_ARGUMENT,
            "metadata, compression and if_equal are for values, not for",
            operation->path);
    if (operation->expires_ms && kind != CAIRN_WRITE && kind != CAIRN_MAKE_LINK)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "only values and links can expire, not", operation->path);
    if (operation->if_absent && kind != CAIRN_WRITE && kind != CAIRN_MAKE_LINK)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "only values and links can be made if_absent, not",
                             operation->path);
    for (size_t i = 0; i < operation->child_count; i++) {
        enum cairn_status status = check_child(&operation->children[i], error);
        if (status)
            return status;
    }
    if (operation->expires_ms < 0)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "an expiry before 1970 was asked for", operation->path);
    if (operation->metadata.size > CAIRN_METADATA_MAX)
        return cairn_fail_at(error, CAIRN_LIMIT, "over 65536 bytes of metadata for",
                             operation->path);
    return check_metadata(operation->metadata, operation->path, error);
}

/* -- One function an operation ---------------------------------------------------- */

enum cairn_status operation_read(struct plan *plan, struct cairn_slice path,
                                 struct cairn_view *out, struct cairn_error *error) {
    struct finder finder = finder_of(plan);
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
    struct finder finder = finder_of(plan);
    struct found found;
    enum cairn_status status =
        find_entry(&finder, path, 0, CAIRN_WANT_DETAILS, &found, error);
    if (is_corrupt(plan, found.path.text, status)) {
        found.view.entry =
            (struct cairn_entry){.kind = guess_kind(plan, found.path.text)};
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
    if ((status = check_names(plan, found.path.text, error)) ||
        (status = check_conditions(plan, operation, path, exists, error)) ||
        (status = check_staged(plan, task, error)))
        goto done;

    struct cairn_entry *old = &found.view.entry;
    if ((!exists && (status = add_parents(plan, &found, error))) ||
        (exists && (status = add_chunk_erases(plan, path, old, error))) ||
        (found.leftover &&
         (status = add_leftover_erases(plan, found.path.text, error))))
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
    operation->changed = true;
done:
    cairn_view_release(&found.view);
    return status;
}

static enum cairn_status group_at(struct plan *plan, struct task *task,
                                  struct cairn_slice path, struct cairn_error *error) {
    struct finder finder = finder_of(plan);
    struct found found;
    enum cairn_status status = find_entry(&finder, path, FIND_FOLLOW, 0, &found, error);
    if (is_corrupt(plan, found.path.text, status)) { /* made a group again */
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
        (status = add_parents(plan, &found, error)) ||
        (found.leftover &&
         (status = add_leftover_erases(plan, found.path.text, error))))
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

    struct finder finder = finder_of(plan);
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
        (status = check_names(plan, found.path.text, error)) ||
        (status = check_names(plan, target.text, error)) ||
        (status = add_parents(plan, &found, error)) ||
        (found.leftover &&
         (status = add_leftover_erases(plan, found.path.text, error))))
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
    if (!arena_copy(&plan->arena, target.text, &change.entry.payload))
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
        if (!arena_copy(&plan->arena, view.entry.payload, &change.entry.payload) ||
            !arena_copy(&plan->arena, view.entry.metadata, &change.entry.metadata))
            status = plan_no_memory(error);
        else
            status = plan_add(plan, change, error);
    }
    cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status meet_own_keys(struct plan *plan, struct cairn_slice group,
                                       const struct cairn_operation *operation,
                                       struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; !status && i < operation->child_count; i++) {
        struct cairn_path child;
        status = cairn_path_join(group, operation->children[i].name, &child, error);
        if (!status)
            status = meet_own_key(plan, child.text, error);
    }
    return status;
}

/* Whether every child can be where it will be. */
static enum cairn_status check_children(struct plan *plan, struct cairn_slice group,
                                        const struct cairn_operation *operation,
                                        struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; !status && i < operation->child_count; i++) {
        struct cairn_path child;
        status = cairn_path_join(group, operation->children[i].name, &child, error);
        if (!status)
            status = check_names(plan, child.text, error);
    }
    return status;
}

static enum cairn_status pack_at(struct plan *plan, struct task *task,
                                 struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation *operation = task->operation;
    struct finder finder = finder_of(plan);
    struct found found;
    if (path.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "the root cannot be a pack");
    enum cairn_status status =
        find_entry(&finder, path, FIND_FOLLOW, CAIRN_WANT_DETAILS, &found, error);
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
        status = plan_no_memory(error);
    cairn_bytes_free(&pack);
    if (!status)
        status = check_children(plan, found.path.text, operation, error);
    if (!status && !exists)
        status = add_parents(plan, &found, error);
    if (!status && found.leftover)
        status = add_leftover_erases(plan, found.path.text, error);
    if (!status && exists)
        status = meet_own_keys(plan, found.path.text, operation, error);
    plan->removes |= exists;
    operation->changed = true;
    return status ? status : plan_add(plan, change, error);
}

static enum cairn_status not_empty(struct cairn_slice path, struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_IS_GROUP, "a group that is not empty", path);
}

static bool is_planned_child(const struct cairn_change *change,
                             struct cairn_slice group) {
    return change->kind == CAIRN_PUT && change->path.size &&
           cairn_slice_equal(cairn_path_parent(change->path), group);
}

/* A planned child counts like a stored one. */
static bool plan_has_child(struct plan *plan, struct cairn_slice group) {
    for (size_t i = 0; i < plan->count; i++) {
        struct cairn_change *change = &plan->changes[i];
        if (is_planned_child(change, group) && change->entry.kind != CAIRN_TOMBSTONE &&
            !core_expired(&change->entry, plan->context))
            return true;
    }
    return false;
}

/* What is left of them (tombstones, what is to have expired) goes with the group. */
static void erase_planned_children(struct plan *plan, struct cairn_slice group) {
    for (size_t i = 0; i < plan->count; i++) {
        struct cairn_change *change = &plan->changes[i];
        if (is_planned_child(change, group))
            *change = (struct cairn_change){.kind = CAIRN_ERASE, .path = change->path};
    }
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
        struct cairn_change *change = plan_change_at(plan, child.text);
        if (change && change->kind == CAIRN_ERASE)
            continue;
        if (item.entry.kind != CAIRN_TOMBSTONE && !change &&
            !core_expired(&item.entry, plan->context)) {
            status = not_empty(group, error);
            break;
        }
        if ((status = add_chunk_erases(plan, child.text, &item.entry, error)) ||
            (status = plan_add_erase(plan, child.text, error)))
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
    if (status == CAIRN_CORRUPT)
        return cairn_fail_at(error, status, "the pack makes no sense of the group",
                             group);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* What has expired is not there to be deleted, but its bytes are: they go, and the
 * answer is the same. */
static enum cairn_status forget(struct plan *plan, struct task *task,
                                const struct found *found, struct cairn_error *error) {
    struct cairn_slice at = found->path.text;
    struct finder finder = finder_of(plan);
    bool in_pack = false;
    task->absent = true;
    enum cairn_status status = add_leftover_erases(plan, at, error);
    if (!status)
        status = find_in_pack(&finder, at, &in_pack, error);
    if (status || in_pack)
        return status; /* a tombstone, or as good as one: it stays */
    return plan_add_erase(plan, at, error);
}

static enum cairn_status delete_at(struct plan *plan, struct task *task,
                                   struct cairn_slice path, struct cairn_error *error) {
    struct finder finder = finder_of(plan);
    struct found found;
    if (path.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the root cannot be deleted (reset empties a store)");
    /* Only what has packs has payloads to look at; a large file is not read to go. */
    bool packs = plan->core->capabilities & CAIRN_CAN_PACK;
    enum cairn_status status =
        find_entry(&finder, path, 0, packs ? CAIRN_WANT_PAYLOAD : 0, &found, error);
    if (is_corrupt(plan, found.path.text, status)) {
        found.view.entry =
            (struct cairn_entry){.kind = guess_kind(plan, found.path.text)};
        found.view.release = NULL;
        status = CAIRN_OK;
    }
    if (status == CAIRN_NOT_FOUND && found.leftover && task->alone && !found.packed)
        return forget(plan, task, &found, error);
    if (status)
        goto done;
    struct cairn_entry *entry = &found.view.entry;
    struct cairn_slice at = found.path.text;
    plan_touch(plan, core_hash(plan->core, at), true);
    if (entry->kind == CAIRN_GROUP) {
        /* The pack first: what hides its children is about to be erased. */
        status = plan_has_child(plan, at)
                     ? not_empty(at, error)
                     : check_pack_hidden(plan, at, entry->payload, error);
        if (!status)
            status = erase_leftovers(plan, at, error);
        if (!status)
            erase_planned_children(plan, at);
    } else if (!found.packed) {
        status = add_chunk_erases(plan, path, entry, error);
    }

    bool in_pack = found.packed;
    if (!status && !found.packed)
        status = find_in_pack(&finder, at, &in_pack, error);
    if (status)
        goto done;
    plan->removes |= entry->kind != CAIRN_RAW;
    struct cairn_change change = {.kind = in_pack ? CAIRN_PUT : CAIRN_ERASE,
                                  .path = at};
    change.entry.kind = CAIRN_TOMBSTONE;
    status = plan_add(plan, change, error);
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
