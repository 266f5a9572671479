/* change.c -- changing: operations made ready, committed, and cleaned up after. */
#include <stdlib.h>

#include "change.h"
#include "check.h"
#include "find.h"
#include "upload.h"

/* Children deleted in one go, on the way through a tree. */
enum { TREE_BATCH = 256, TREE_ROUNDS = 100 };

/* Slow work that needs no lock: compression, chunks. */
static enum cairn_status prepare(struct core *core, const struct cairn_context *context,
                                 struct cairn_operation *operation, struct task *task,
                                 struct cairn_error *error) {
    *task = (struct task){.operation = operation};
    enum cairn_status status = check_operation(operation, error);
    if (status || operation->kind != CAIRN_WRITE)
        return status;
    task->entry = (struct cairn_entry){.kind = CAIRN_RAW,
                                       .payload = operation->value,
                                       .size = operation->value.size,
                                       .expires_ms = operation->expires_ms,
                                       .metadata = operation->metadata};
    if (operation->compress)
        status =
            value_compress(operation->value, &task->compressed, &task->entry, error);
    size_t chunk = core->backend->chunk_bytes;
    if (status || !chunk || task->entry.payload.size <= chunk)
        return status;

    /* Too large even so: in chunks, each compressed by itself. */
    cairn_bytes_free(&task->compressed);
    task->entry.form = CAIRN_PLAIN;
    task->upload = calloc(1, sizeof *task->upload);
    if (!task->upload)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a large value");
    status = upload_begin(task->upload, core, context, error);
    task->upload->compress = operation->compress;
    if (status || (status = upload_append(task->upload, operation->value, error)))
        return status;
    return upload_finish(task->upload, task, error);
}

static void clean_up(struct task *tasks, size_t count, bool kept) {
    for (size_t i = 0; i < count; i++) {
        cairn_bytes_free(&tasks[i].compressed);
        if (tasks[i].upload)
            upload_end(tasks[i].upload, kept && tasks[i].operation->changed);
        free(tasks[i].upload);
    }
}

static enum cairn_status
apply_all(struct core *core, const struct cairn_context *context,
          struct cairn_operation *operations, size_t count, unsigned flags,
          size_t *failed, struct cairn_bytes *landed, struct cairn_error *error) {
    struct task one, *tasks = count <= 1 ? &one : calloc(count, sizeof *tasks);
    if (!tasks)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for %zu operations",
                          count);
    enum cairn_status status = CAIRN_OK;
    size_t ready = 0;
    while (ready < count && !status) {
        status = prepare(core, context, &operations[ready], &tasks[ready], error);
        tasks[ready].landed = landed;
        tasks[ready++].alone = count == 1;
    }
    if (status)
        *failed = ready - 1;
    else
        status = plan_commit(core, context, tasks, count, flags, failed, error);
    if (!status && count == 1 && one.absent)
        status = cairn_fail_at(error, CAIRN_NOT_FOUND, "there is nothing at",
                               operations[0].path);
    clean_up(tasks, ready, status == CAIRN_OK);
    if (tasks != &one)
        free(tasks);
    return status;
}

static const char *const names[] = {
    [CAIRN_WRITE] = "write",    [CAIRN_MAKE_GROUP] = "group",
    [CAIRN_MAKE_LINK] = "link", [CAIRN_MAKE_PACK] = "pack",
    [CAIRN_DELETE] = "delete",  [CAIRN_EXPECT] = "expect",
};

enum cairn_status change_apply(struct cairn_store *store,
                               const struct cairn_context *context,
                               struct cairn_operation *operations, size_t count,
                               unsigned flags, size_t *failed,
                               struct cairn_bytes *landed, struct cairn_error *error) {
    struct core *core = store->core;
    size_t culprit = 0;
    enum cairn_status status = core_enter(core, context, error);
    if (status || count == 0)
        return status;
    if (store->snapshot)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "a snapshot cannot be changed");

    bool in_steps = flags & CAIRN_STORE_IN_STEPS;
    if (count > 1 && !in_steps && !(core->capabilities & CAIRN_CAN_BATCH))
        return cairn_fail(error, CAIRN_UNSUPPORTED,
                          "%s: cannot make several changes as one", core->url);
    if (count == 1 || !in_steps) {
        status =
            apply_all(core, context, operations, count, flags, &culprit, landed, error);
    } else {
        for (size_t i = 0; i < count && !status; i++, culprit += !status)
            status = apply_all(core, context, &operations[i], 1, flags, &(size_t){0},
                               landed, error);
    }
    if (status && failed)
        *failed = culprit;
    struct cairn_operation *last = &operations[status ? culprit : count - 1];
    return core_leave(core, context, count == 1 ? names[last->kind] : "batch",
                      last->path, status, error);
}

enum cairn_status cairn_store_apply(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_operation *operations, size_t count,
                                    unsigned flags, size_t *failed,
                                    struct cairn_error *error) {
    return change_apply(store, context, operations, count, flags, failed, NULL, error);
}

/* -- Trees ------------------------------------------------------------------------ */

static enum cairn_status delete_one(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_slice path,
                                    struct cairn_error *error) {
    struct cairn_operation operation = {.kind = CAIRN_DELETE, .path = path};
    enum cairn_status status =
        cairn_store_apply(store, context, &operation, 1, 0, NULL, error);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status; /* somebody was faster */
}

/* A page of a group's children, as paths of their own. */
struct page {
    struct cairn_operation deletes[TREE_BATCH]; /* values and links */
    struct cairn_slice groups[TREE_BATCH];
    size_t delete_count, group_count;
};

static void page_clear(struct page *page) {
    for (size_t i = 0; i < page->delete_count; i++)
        free((char *)page->deletes[i].path.data);
    for (size_t i = 0; i < page->group_count; i++)
        free((char *)page->groups[i].data);
    page->delete_count = page->group_count = 0;
}

static enum cairn_status fill(struct cairn_list *list, struct cairn_slice group,
                              struct page *page, struct cairn_error *error) {
    while (page->delete_count < TREE_BATCH && page->group_count < TREE_BATCH) {
        struct cairn_list_item item;
        enum cairn_status status = cairn_list_next(list, &item, error);
        if (status)
            return status;
        struct cairn_path child;
        status = cairn_path_join(group, item.name, &child, error);
        if (status)
            return status;
        char *copy = malloc(child.text.size);
        if (!copy)
            return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to delete a tree");
        memcpy(copy, child.text.data, child.text.size);
        struct cairn_slice path = {copy, child.text.size};
        if (item.kind == CAIRN_GROUP)
            page->groups[page->group_count++] = path;
        else
            page->deletes[page->delete_count++] =
                (struct cairn_operation){.kind = CAIRN_DELETE, .path = path};
    }
    return CAIRN_OK;
}

/* All at once; one by one if somebody else took one of them away meanwhile. */
static enum cairn_status delete_page(struct cairn_store *store,
                                     const struct cairn_context *context,
                                     struct page *page, struct cairn_error *error) {
    enum cairn_status status = cairn_store_apply(
        store, context, page->deletes, page->delete_count,
        CAIRN_STORE_IN_STEPS * !(store->core->capabilities & CAIRN_CAN_BATCH), NULL,
        error);
    if (status != CAIRN_NOT_FOUND && status != CAIRN_IS_GROUP)
        return status;
    status = CAIRN_OK;
    for (size_t i = 0; i < page->delete_count && !status; i++) {
        status = delete_one(store, context, page->deletes[i].path, error);
        if (status == CAIRN_IS_GROUP) /* became one: the next round sees it */
            status = CAIRN_OK;
    }
    return status;
}

static enum cairn_status delete_children(struct cairn_store *store,
                                         const struct cairn_context *context,
                                         struct cairn_slice group,
                                         struct cairn_error *error) {
    struct cairn_list *list = NULL;
    struct page *page = calloc(1, sizeof *page);
    if (!page)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to delete a tree");
    enum cairn_status status =
        cairn_list_open(store, context, group, NULL, &list, error);
    bool more = !status;
    while (more && !status) {
        status = fill(list, group, page, error);
        more = status != CAIRN_NOT_FOUND;
        if (!more)
            status = CAIRN_OK;
        if (!status && page->delete_count)
            status = delete_page(store, context, page, error);
        for (size_t i = 0; i < page->group_count && !status; i++) {
            status = cairn_store_delete_tree(store, context, page->groups[i], error);
            if (status == CAIRN_NOT_FOUND)
                status = CAIRN_OK;
        }
        page_clear(page);
    }
    cairn_list_close(list);
    free(page);
    return status;
}

/* What lies inline goes in one step, instead of a tombstone each. */
static enum cairn_status drop_pack(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_slice group,
                                   struct cairn_error *error) {
    struct cairn_operation operation = {.kind = CAIRN_MAKE_PACK, .path = group};
    return cairn_store_apply(store, context, &operation, 1, 0, NULL, error);
}

static enum cairn_status entry_kind(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_slice path, enum cairn_kind *kind,
                                    bool *packed, struct cairn_error *error) {
    struct finder finder = {store->core, context, store->snapshot, NULL};
    struct found found;
    enum cairn_status status =
        find_stable(&finder, path, 0, CAIRN_WANT_PAYLOAD, &found, error);
    if (!status) {
        *kind = found.view.entry.kind;
        *packed = *kind == CAIRN_GROUP && found.view.entry.payload.size;
    }
    cairn_view_release(&found.view);
    return status;
}

enum cairn_status cairn_store_delete_tree(struct cairn_store *store,
                                          const struct cairn_context *context,
                                          struct cairn_slice path,
                                          struct cairn_error *error) {
    struct cairn_path normal;
    enum cairn_status status = cairn_path_normalize(path, &normal, error);
    if (status)
        return status;
    for (int round = 0; round < TREE_ROUNDS; round++) {
        enum cairn_kind kind;
        bool packed = false;
        status = entry_kind(store, context, normal.text, &kind, &packed, error);
        if (status)
            return status == CAIRN_NOT_FOUND && round ? CAIRN_OK : status;
        if (normal.text.size && kind == CAIRN_GROUP) {
            if (packed)
                status = drop_pack(store, context, normal.text, error);
            if (!status)
                status = delete_children(store, context, normal.text, error);
        }
        if (!status)
            status = delete_one(store, context, normal.text, error);
        /* Somebody put a child in between: once more. */
        if (status != CAIRN_IS_GROUP && status != CAIRN_NOT_A_GROUP)
            return status;
    }
    return cairn_fail_at(error, CAIRN_CONFLICT,
                         "others keep adding to what is to be deleted", normal.text);
}

/* -- The whole store -------------------------------------------------------------- */

enum cairn_status cairn_store_reset(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_error *error) {
    struct core *core = store->core;
    struct stripe_set all = {0};
    enum cairn_status status = core_enter(core, context, error);
    if (status)
        return status;
    if (store->snapshot)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "a snapshot cannot be changed");
    stripe_set_add_all(&all);
    stripes_lock(&core->stripes, &all);
    core_removal_begin(core);
    atomic_fetch_add(&core->resets, 1);
    status = core->backend->reset(core->self, context, error);
    core_removal_end(core);
    stripes_unlock(&core->stripes, &all);
    return core_leave(core, context, "reset", cairn_slice_of(""), status, error);
}

enum cairn_status cairn_store_sync(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   struct cairn_error *error) {
    struct core *core = store->core;
    enum cairn_status status = core_enter(core, context, error);
    if (!status && core->backend->sync)
        status = core->backend->sync(core->self, context, error);
    return core_leave(core, context, "sync", cairn_slice_of(""), status, error);
}
