/* read.c -- reading: what is at a path, and what it is. */
#include "find.h"
#include "value.h"

/* What a read is after. */
struct wanted {
    struct cairn_store *store;
    const struct cairn_context *context;
    bool groups; /* also groups, with their packs */
};

/* What was found, as it is wanted. CAIRN_CONFLICT: its chunks vanished while they were
 * collected, so it was replaced. */
static enum cairn_status take(const struct wanted *wanted, struct cairn_slice path,
                              enum cairn_status status, struct found *found,
                              struct cairn_view *out, struct cairn_error *error) {
    bool group = !status && found->view.entry.kind == CAIRN_GROUP;
    if (group && !wanted->groups)
        status = cairn_fail_at(error, CAIRN_NOT_FOUND, "a group has no value", path);
    if (status) {
        cairn_view_release(&found->view);
        return status;
    }
    *out = found->view;
    return group ? CAIRN_OK
                 : value_load(wanted->store->core, wanted->context,
                              wanted->store->snapshot, path, out, error);
}

/* Where links led, if there were any: what is not here, another store may have there;
 * and a copy of what is here belongs there (chain_promote.c relies on it). */
static enum cairn_status tell_led(struct cairn_slice path, const struct found *found,
                                  struct cairn_path *led, enum cairn_status status,
                                  struct cairn_error *error) {
    if (!led || (status && status != CAIRN_NOT_FOUND) ||
        cairn_slice_equal(path, found->path.text))
        return status;
    enum cairn_status joined =
        cairn_path_join(found->path.text, (struct cairn_slice){"", 0}, led, error);
    return joined ? joined : status;
}

/* The long way: a link, a miss, or a value that has to be made up. */
static enum cairn_status get_on(const struct wanted *wanted, struct cairn_slice path,
                                uint64_t epoch, enum cairn_status looked,
                                struct cairn_view *out, struct cairn_path *led,
                                struct cairn_error *error) {
    struct cairn_store *store = wanted->store;
    struct finder finder = {store->core, wanted->context, store->snapshot, NULL};
    const unsigned want = CAIRN_WANT_PAYLOAD;
    struct found found;
    found.view = *out;
    out->release = NULL;
    enum cairn_status status =
        find_on(&finder, path, FIND_FOLLOW, want, epoch, looked, &found, error);
    status = take(wanted, path, status, &found, out, error);
    for (int attempt = 0; status == CAIRN_CONFLICT && attempt < 32; attempt++) {
        status = find_stable(&finder, path, FIND_FOLLOW, want, &found, error);
        status = take(wanted, path, status, &found, out, error);
    }
    if (status == CAIRN_CONFLICT)
        return CAIRN_CORRUPT;
    return tell_led(path, &found, led, status, error);
}

/* Most of what is asked for lies at its own path: one look-up. */
static inline enum cairn_status get(const struct wanted *wanted,
                                    struct cairn_slice path, struct cairn_view *out,
                                    struct cairn_path *led, struct cairn_error *error) {
    struct cairn_store *store = wanted->store;
    struct core *core = store->core;
    uint64_t epoch = core_epoch(core);
    enum cairn_status status =
        core->backend->get(core->self, wanted->context, store->snapshot, path,
                           CAIRN_WANT_PAYLOAD, out, error);
    const struct cairn_entry *entry = &out->entry;
    bool plain = (entry->kind == CAIRN_RAW && entry->form == CAIRN_PLAIN) ||
                 (entry->kind == CAIRN_GROUP && wanted->groups);
    if (status || !plain || core_expired(entry, wanted->context))
        return get_on(wanted, path, epoch, status, out, led, error);
    return CAIRN_OK;
}

enum cairn_status cairn_store_read(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   struct cairn_error *error) {
    const struct wanted value = {store, context, false};
    struct cairn_path normal;
    out->release = NULL;
    enum cairn_status status = core_enter(store->core, context, error);
    if (status || (status = cairn_path_normalize(path, &normal, error)))
        return status;
    if (normal.text.size == 0)
        return cairn_fail(error, CAIRN_NOT_FOUND, "the root is a group: no value");
    status = get(&value, normal.text, out, NULL, error);
    return core_leave(store->core, context, "read", normal.text, status, error);
}

enum cairn_status store_get(struct cairn_store *store,
                            const struct cairn_context *context,
                            struct cairn_slice path, struct cairn_view *out,
                            struct cairn_path *led, struct cairn_error *error) {
    const struct wanted anything = {store, context, true};
    out->release = NULL;
    if (led)
        led->text = (struct cairn_slice){"", 0};
    enum cairn_status status = core_enter(store->core, context, error);
    if (status)
        return status;
    status = get(&anything, path, out, led, error);
    return core_leave(store->core, context, "get", path, status, error);
}

enum cairn_status cairn_store_get(struct cairn_store *store,
                                  const struct cairn_context *context,
                                  struct cairn_slice path, struct cairn_view *out,
                                  struct cairn_path *led, struct cairn_error *error) {
    struct cairn_path normal;
    out->release = NULL;
    if (led)
        led->text = (struct cairn_slice){"", 0};
    enum cairn_status status = core_enter(store->core, context, error);
    if (status || (status = cairn_path_normalize(path, &normal, error)))
        return status;
    return store_get(store, context, normal.text, out, led, error);
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
        status = find_stable(&finder, normal->text, flags, want, found, error);
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
    return core_leave(store->core, context, "type", normal.text, status, error);
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
    return core_leave(store->core, context, "resolve", normal.text, status, error);
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
    return core_leave(store->core, context, "stat", normal.text, status, error);
}

size_t cairn_store_stats(struct cairn_store *store, struct cairn_stat *out,
                         size_t room) {
    struct core *core = store->core;
    return core->backend->stats ? core->backend->stats(core->self, out, room) : 0;
}
