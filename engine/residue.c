/* residue.c -- what has to go along with an entry, or is in the way of one. */
#include "residue.h"

#include "value.h"

/* The chunks of a value that is about to go. Of a corrupt list, or one whose last chunk
 * is not there, nothing is believed: the value goes all the same. */
enum cairn_status residue_of(struct plan *plan, struct cairn_slice path,
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
enum cairn_status residue_at(struct plan *plan, struct cairn_slice path,
                             struct cairn_error *error) {
    struct core *core = plan->core;
    struct cairn_view view = {.release = NULL};
    if (!core->backend->chunk_bytes || plan_changes(plan, path))
        return CAIRN_OK;
    enum cairn_status status = core->backend->get(core->self, plan->context, NULL, path,
                                                  CAIRN_WANT_PAYLOAD, &view, error);
    if (!status)
        status = residue_of(plan, path, &view.entry, error);
    cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND || status == CAIRN_CORRUPT ? CAIRN_OK : status;
}

/* What to take an unreadable entry for: a group if there is anything beneath it, else a
 * link, which nothing depends on and whose going makes readers look again. */
enum cairn_kind residue_kind(struct plan *plan, struct cairn_slice path) {
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
bool residue_is_corrupt(struct plan *plan, struct cairn_slice path,
                        enum cairn_status status) {
    struct core *core = plan->core;
    struct cairn_view view = {.release = NULL};
    if (status != CAIRN_CORRUPT || path.size == 0)
        return false;
    status = core->backend->get(core->self, plan->context, NULL, path, 0, &view, NULL);
    cairn_view_release(&view);
    return status == CAIRN_CORRUPT;
}
