/* delete.c -- taking away: entries, links, groups that are empty by now. */
#include "delete.h"

#include "find.h"
#include "operation.h"
#include "residue.h"

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
        if ((status = residue_of(plan, child.text, &item.entry, error)) ||
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
    struct finder finder = plan_finder(plan);
    bool in_pack = false;
    task->absent = true;
    enum cairn_status status = residue_at(plan, at, error);
    if (!status)
        status = find_in_pack(&finder, at, &in_pack, error);
    if (status || in_pack)
        return status; /* a tombstone, or as good as one: it stays */
    return plan_add_erase(plan, at, error);
}

enum cairn_status delete_at(struct plan *plan, struct task *task,
                            struct cairn_slice path, struct cairn_error *error) {
    struct finder finder = plan_finder(plan);
    struct found found;
    if (path.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the root cannot be deleted (reset empties a store)");
    /* Only what has packs has payloads to look at; a large file is not read to go. */
    bool packs = plan->core->capabilities & CAIRN_CAN_PACK;
    enum cairn_status status =
        find_entry(&finder, path, 0, packs ? CAIRN_WANT_PAYLOAD : 0, &found, error);
    if (residue_is_corrupt(plan, found.path.text, status)) {
        found.view.entry =
            (struct cairn_entry){.kind = residue_kind(plan, found.path.text)};
        found.view.release = NULL;
        status = CAIRN_OK;
    }
    if (status == CAIRN_NOT_FOUND && found.leftover && task->alone && !found.packed)
        return forget(plan, task, &found, error);
    if (status)
        goto done;
    struct cairn_entry *entry = &found.view.entry;
    struct cairn_slice at = found.path.text;
    if ((status = operation_landed(task, path, at, error)))
        goto done;
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
        status = residue_of(plan, path, entry, error);
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
