/* list.c -- the children of a group: its pack and its own keys, merged by name. */
#include <stdlib.h>

#include "find.h"
#include "list.h"
#include "value.h"

struct cairn_list {
    struct cairn_store store; /* a copy of the handle: the core and the snapshot */
    const struct cairn_context *context;
    struct cairn_path group;
    struct cairn_bytes from, to;
    bool values;

    void *cursor;
    struct cairn_scan_item own; /* the next own key */
    bool own_ended;

    uint64_t epoch;          /* before the pack was read */
    struct cairn_view again; /* an inline child, looked up since that has moved */
    struct cairn_view pack;  /* pins what `walk` goes over */
    struct cairn_pack_walk walk;
    struct cairn_pack_child inlined; /* the next inline child */
    bool inlined_ended;

    bool step_own, step_inlined; /* what the last item used up */
    struct cairn_view value;     /* of the last item */
};

static enum cairn_status next_own(struct cairn_list *list, struct cairn_error *error) {
    const struct cairn_backend *backend = list->store.core->backend;
    if (list->own_ended)
        return CAIRN_OK;
    enum cairn_status status = backend->scan_next(list->cursor, &list->own, error);
    list->own_ended = status != CAIRN_OK;
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status next_inlined(struct cairn_list *list,
                                      struct cairn_error *error) {
    struct cairn_slice from = cairn_bytes_slice(&list->from);
    struct cairn_slice to = cairn_bytes_slice(&list->to);
    while (!list->inlined_ended) {
        enum cairn_status status = cairn_pack_next(&list->walk, &list->inlined, error);
        list->inlined_ended = status != CAIRN_OK;
        if (status == CAIRN_CORRUPT)
            return cairn_fail_at(error, status, "the pack makes no sense of the group",
                                 list->group.text);
        if (status)
            return CAIRN_OK;
        if (cairn_slice_compare(list->inlined.name, from) < 0)
            continue;
        list->inlined_ended =
            to.size && cairn_slice_compare(list->inlined.name, to) >= 0;
        return CAIRN_OK;
    }
    return CAIRN_OK;
}

/* Its scope was looked at when the list was opened. */
static enum cairn_status read_again(struct cairn_list *list, struct cairn_slice path,
                                    struct cairn_error *error) {
    struct cairn_context context =
        list->context ? *list->context : (struct cairn_context){0};
    context.scopes = 0;
    return cairn_store_read(&list->store, &context, path, &list->value, error);
}

/* The value of a raw child. If its chunks vanish it was replaced since: then the
 * present one is meant. */
static enum cairn_status load(struct cairn_list *list, const struct cairn_entry *entry,
                              struct cairn_list_item *out, struct cairn_error *error) {
    struct cairn_path path;
    list->value = (struct cairn_view){.entry = *entry};
    enum cairn_status status =
        cairn_path_join(list->group.text, out->name, &path, error);
    if (!status)
        status = value_load(list->store.core, list->context, list->store.snapshot,
                            path.text, &list->value, error);
    if (status == CAIRN_CONFLICT)
        status = read_again(list, path.text, error);
    if (!status)
        out->value = list->value.entry.payload;
    return status;
}

/* The pack was read before the own keys: when something has been taken away since, a
 * tombstone may have been, and an inline child is believed only if it is still seen. */
static enum cairn_status look_again(struct cairn_list *list,
                                    struct cairn_error *error) {
    struct finder finder = {list->store.core, list->context, NULL, NULL};
    struct cairn_path path;
    struct found found;
    enum cairn_status status =
        cairn_path_join(list->group.text, list->inlined.name, &path, error);
    if (status)
        return status;
    status = find_stable(&finder, path.text, 0, CAIRN_WANT_PAYLOAD, &found, error);
    if (status)
        cairn_view_release(&found.view);
    else
        list->again = found.view;
    return status;
}

/* Fills `out` from the own key or the inline child that comes first. CAIRN_CONFLICT
 * stands for "nothing to see, go on": hidden, expired, or gone meanwhile. */
static enum cairn_status take(struct cairn_list *list, struct cairn_list_item *out,
                              struct cairn_error *error) {
    int order = list->own_ended ? 1
                : list->inlined_ended
                    ? -1
                    : cairn_slice_compare(list->own.name, list->inlined.name);
    bool own = order <= 0;
    list->step_own = own;
    list->step_inlined = order >= 0;
    struct cairn_entry *entry = own ? &list->own.entry : &list->inlined.entry;
    if (!own && !list->store.snapshot &&
        !core_undisturbed(list->store.core, list->epoch)) {
        enum cairn_status status = look_again(list, error);
        if (status)
            return status == CAIRN_NOT_FOUND ? CAIRN_CONFLICT : status;
        entry = &list->again.entry;
    }
    if (entry->kind == CAIRN_TOMBSTONE || core_expired(entry, list->context))
        return CAIRN_CONFLICT;

    out->name = own ? list->own.name : list->inlined.name;
    out->kind = entry->kind;
    out->value = (struct cairn_slice){NULL, 0};
    if (!list->values || entry->kind == CAIRN_GROUP)
        return CAIRN_OK;
    out->value = entry->payload;
    if (entry->form == CAIRN_PLAIN)
        return CAIRN_OK;
    enum cairn_status status = load(list, entry, out, error);
    return status == CAIRN_NOT_FOUND ? CAIRN_CONFLICT : status;
}

enum cairn_status cairn_list_next(struct cairn_list *list, struct cairn_list_item *out,
                                  struct cairn_error *error) {
    for (;;) {
        enum cairn_status status = CAIRN_OK;
        cairn_view_release(&list->value);
        cairn_view_release(&list->again);
        if (list->step_own)
            status = next_own(list, error);
        if (!status && list->step_inlined)
            status = next_inlined(list, error);
        list->step_own = list->step_inlined = false;
        if (status)
            return status;
        if (list->own_ended && list->inlined_ended)
            return CAIRN_NOT_FOUND;
        status = take(list, out, error);
        if (status != CAIRN_CONFLICT)
            return status;
        if ((status = cairn_context_check(list->context, error)))
            return status;
    }
}

static enum cairn_status start(struct cairn_list *list, struct cairn_slice path,
                               struct cairn_error *error) {
    struct core *core = list->store.core;
    struct finder finder = {core, list->context, list->store.snapshot, NULL};
    struct found found;
    list->epoch = core_epoch(core);
    enum cairn_status status =
        find_stable(&finder, path, FIND_FOLLOW, CAIRN_WANT_PAYLOAD, &found, error);
    list->pack = found.view;
    if (status)
        return status;
    if (found.view.entry.kind != CAIRN_GROUP)
        return cairn_fail_at(error, CAIRN_NOT_A_GROUP, "only groups can be listed",
                             path);

    struct cairn_slice none = {"", 0};
    if ((status = cairn_path_join(found.path.text, none, &list->group, error)) ||
        (status = cairn_pack_open(found.view.entry.payload, &list->walk, error)))
        return status;
    list->inlined_ended = list->walk.left == 0 && list->walk.rest.size == 0;
    return core->backend->scan(
        core->self, list->context, list->store.snapshot, list->group.text,
        cairn_bytes_slice(&list->from), cairn_bytes_slice(&list->to),
        list->values ? CAIRN_WANT_PAYLOAD : 0, &list->cursor, error);
}

enum cairn_status cairn_list_open(struct cairn_store *store,
                                  const struct cairn_context *context,
                                  struct cairn_slice path,
                                  const struct cairn_list_options *options,
                                  struct cairn_list **out, struct cairn_error *error) {
    static const struct cairn_list_options all = {0};
    struct cairn_path normal;
    enum cairn_status status = core_enter(store->core, context, error);
    if (status || (status = cairn_path_normalize(path, &normal, error)))
        return status;
    if (!options)
        options = &all;
    struct cairn_list *list = calloc(1, sizeof *list);
    if (!list)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a listing");
    list->store = *store;
    list->context = context;
    list->values = options->values;
    list->step_own = list->step_inlined = true;
    if (!cairn_bytes_append(&list->from, options->from) ||
        !cairn_bytes_append(&list->to, options->to))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a listing");
    else
        status = start(list, normal.text, error);
    if (status)
        cairn_list_close(list);
    else
        *out = list;
    return core_leave(store->core, context, "list", normal.text, status, error);
}

void list_hand_over(struct cairn_list *list, const struct cairn_context *context) {
    list->context = context;
}

void cairn_list_close(struct cairn_list *list) {
    if (!list)
        return;
    cairn_view_release(&list->value);
    cairn_view_release(&list->again);
    cairn_view_release(&list->pack);
    if (list->cursor)
        list->store.core->backend->scan_close(list->cursor);
    cairn_bytes_free(&list->from);
    cairn_bytes_free(&list->to);
    free(list);
}
