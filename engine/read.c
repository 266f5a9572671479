/* read.c -- reading: what is at a path, and what it is. */
#include "find.h"
#include "value.h"

/* A link, a miss, or a value that has to be made up: the long way. A value whose chunks
 * vanish while they are collected was replaced: look again. */
static enum cairn_status read_slowly(struct cairn_store *store,
                                     const struct cairn_context *context,
                                     struct cairn_slice path, struct cairn_view *out,
                                     struct cairn_error *error) {
    struct finder finder = {store->core, context, store->snapshot, NULL};
    struct found found;
    enum cairn_status status;
    for (int attempt = 0; attempt < 32; attempt++) {
        status = cairn_find_stable(&finder, path, FIND_FOLLOW, CAIRN_WANT_PAYLOAD,
                                   &found, error);
        if (!status && found.view.entry.kind == CAIRN_GROUP)
            status =
                cairn_fail_at(error, CAIRN_NOT_FOUND, "a group has no value", path);
        if (status) {
            cairn_view_release(&found.view);
            return status;
        }
        *out = found.view;
        status = value_load(store->core, context, store->snapshot, path, out, error);
        if (status != CAIRN_CONFLICT)
            return status;
    }
    return CAIRN_CORRUPT; /* value_load has said which chunk */
}

enum cairn_status cairn_store_read(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   struct cairn_error *error) {
    struct core *core = store->core;
    struct cairn_path normal;
    out->release = NULL;
    enum cairn_status status = core_enter(core, context, error);
    if (status || (status = cairn_path_normalize(path, &normal, error)))
        return status;

    if (normal.text.size) {
        status = core->backend->get(core->self, context, store->snapshot, normal.text,
                                    CAIRN_WANT_PAYLOAD, out, error);
        const struct cairn_entry *entry = &out->entry;
        if (!status && entry->kind == CAIRN_RAW && entry->form == CAIRN_PLAIN &&
            !core_expired(entry, context))
            return core_leave(core, context, "read", normal.text, CAIRN_OK);
        if (!status)
            cairn_view_release(out);
        out->release = NULL;
        if (status && status != CAIRN_NOT_FOUND)
            return core_leave(core, context, "read", normal.text, status);
    }
    status = read_slowly(store, context, normal.text, out, error);
    return core_leave(core, context, "read", normal.text, status);
}

/* What type, resolve and stat have in common. `found->view` is to be released whatever
 * the status; `normal` is what `found` points into. */
static enum cairn_status look_up(struct cairn_store *store,
                                 const struct cairn_context *context,
                                 struct cairn_slice path, unsigned flags, unsigned want,
                                 struct cairn_path *normal, struct found *found,
                                 struct cairn_error *error) {
    struct finder finder = {store->core, context, store->snapshot, NULL};
    normal->text = path; /* for the trace, if it is not even a path */
    found->view.release = NULL;
    enum cairn_status status = core_enter(store->core, context, error);
    if (!status)
        status = cairn_path_normalize(path, normal, error);
    if (!status)
        status = cairn_find_stable(&finder, normal->text, flags, want, found, error);
    return status;
}

enum cairn_status cairn_store_type(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, enum cairn_kind *out,
                                   struct cairn_error *error) {
    struct cairn_path normal;
    struct found found;
    enum cairn_status status =
        look_up(store, context, path, FIND_FOLLOW, 0, &normal, &found, error);
    if (!status)
        *out = found.view.entry.kind;
    cairn_view_release(&found.view);
    return core_leave(store->core, context, "type", normal.text, status);
}

enum cairn_status cairn_store_resolve(struct cairn_store *store,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, struct cairn_path *out,
                                      struct cairn_error *error) {
    struct cairn_path normal;
    struct found found;
    enum cairn_status status =
        look_up(store, context, path, FIND_FOLLOW, 0, &normal, &found, error);
    cairn_view_release(&found.view);
    if (!status || status == CAIRN_NOT_FOUND) /* then: where it would be */
        status =
            cairn_path_join(found.path.text, (struct cairn_slice){"", 0}, out, error);
    return core_leave(store->core, context, "resolve", normal.text, status);
}

enum cairn_status cairn_store_stat(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   struct cairn_error *error) {
    struct cairn_path normal;
    struct found found;
    enum cairn_status status =
        look_up(store, context, path, 0, CAIRN_WANT_DETAILS, &normal, &found, error);
    out->release = NULL;
    if (status) {
        cairn_view_release(&found.view);
    } else {
        *out = found.view;
        if (out->entry.kind != CAIRN_LINK)
            out->entry.payload = (struct cairn_slice){NULL, 0};
        if (out->entry.modified_ms == 0)
            out->entry.modified_ms = out->entry.created_ms;
    }
    return core_leave(store->core, context, "stat", normal.text, status);
}

size_t cairn_store_stats(struct cairn_store *store, struct cairn_stat *out,
                         size_t room) {
    struct core *core = store->core;
    return core->backend->stats ? core->backend->stats(core->self, out, room) : 0;
}
