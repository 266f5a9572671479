/* stress_check.c -- what must be true of a store once all is quiet. */
#include "stress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static enum cairn_status read_text(struct stress *stress, struct cairn_slice path,
                                   char *out, size_t room) {
    struct cairn_view view;
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_read(stress->store, NULL, path, &view, &error);
    if (status)
        return status;
    size_t size =
        view.entry.payload.size < room - 1 ? view.entry.payload.size : room - 1;
    memcpy(out, view.entry.payload.data, size);
    out[size] = 0;
    cairn_view_release(&view);
    return CAIRN_OK;
}

void check_roles(struct stress *stress) {
    char text[64], path[48];
    uint64_t counted = atomic_load(&stress->counted);
    enum cairn_status status =
        read_text(stress, cairn_slice_of("counter"), text, sizeof text);
    if (status || strtoull(text, NULL, 10) != counted)
        complain(stress, "counter: %s after %" PRIu64 " commits",
                 status ? cairn_status_word(status) : text, counted);

    unsigned races = atomic_load(&stress->races);
    for (unsigned number = 0; number < races; number++) {
        unsigned winners = atomic_load(&stress->winners[number]);
        snprintf(path, sizeof path, "races/%u", number);
        status = read_text(stress, cairn_slice_of(path), text, sizeof text);
        if (winners != 1 || status)
            complain(stress, "race %u: %u winners, then %s", number, winners,
                     cairn_status_word(status));
    }
    printf("counted to %" PRIu64 ", %u races\n", counted, races);
}

/* An entry found by listing must be what a look at its path finds. */
static void check_entry(struct stress *stress, struct cairn_slice path,
                        const struct cairn_list_item *item) {
    struct cairn_view view;
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_stat(stress->store, NULL, path, &view, &error);
    if (status) {
        complain(stress, "'%.*s' is listed, but stat says: %s", (int)path.size,
                 path.data, error.message);
        return;
    }
    if (view.entry.kind != item->kind)
        complain(stress, "'%.*s' is listed as kind %d, but is %d", (int)path.size,
                 path.data, (int)item->kind, (int)view.entry.kind);
    if (item->kind == CAIRN_LINK && !cairn_slice_equal(view.entry.payload, item->value))
        complain(stress, "'%.*s' is listed with another target", (int)path.size,
                 path.data);
    cairn_view_release(&view);
    if (item->kind != CAIRN_RAW)
        return;
    status = cairn_store_read(stress->store, NULL, path, &view, &error);
    if (status) {
        complain(stress, "'%.*s' is listed, but a read says: %s", (int)path.size,
                 path.data, error.message);
        return;
    }
    if (!cairn_slice_equal(view.entry.payload, item->value))
        complain(stress, "'%.*s' is listed with another value", (int)path.size,
                 path.data);
    cairn_view_release(&view);
}

/* Links are not followed, so this ends. Returns the number of entries. */
static uint64_t walk(struct stress *stress, const struct cairn_path *group) {
    struct cairn_list_options options = {.values = true};
    struct cairn_list *list;
    struct cairn_list_item item;
    struct cairn_error error;
    uint64_t entries = 0;
    enum cairn_status status =
        cairn_list_open(stress->store, NULL, group->text, &options, &list, &error);
    if (status) {
        complain(stress, "'%.*s' is listed as a group, but: %s", (int)group->text.size,
                 group->text.data, error.message);
        return 0;
    }
    while (!(status = cairn_list_next(list, &item, &error))) {
        struct cairn_path child;
        if (cairn_path_join(group->text, item.name, &child, &error)) {
            complain(stress, "a listed name makes no path: %s", error.message);
            continue;
        }
        entries++;
        check_entry(stress, child.text, &item);
        if (item.kind == CAIRN_GROUP)
            entries += walk(stress, &child);
    }
    if (status != CAIRN_NOT_FOUND)
        complain(stress, "list: %s", error.message);
    cairn_list_close(list);
    return entries;
}

/* Every path that the threads may have used: what is there must have been listed, which
 * is to say that its parent must be a group that says so. */
static void check_path(struct stress *stress, struct cairn_slice path) {
    struct cairn_view view;
    struct cairn_path resolved;
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_stat(stress->store, NULL, path, &view, &error);
    if (status)
        return;
    cairn_view_release(&view);
    struct cairn_slice parent = cairn_path_parent(path);
    enum cairn_kind kind;
    status = cairn_store_type(stress->store, NULL, parent, &kind, &error);
    if (status || kind != CAIRN_GROUP) {
        complain(stress, "'%.*s' is there, but its parent is no group", (int)path.size,
                 path.data);
        return;
    }
    if (cairn_store_resolve(stress->store, NULL, parent, &resolved, &error))
        return;
    struct cairn_slice name = cairn_path_name(path);
    struct cairn_list_options options = {.from = name};
    struct cairn_list *list;
    struct cairn_list_item item;
    if (cairn_list_open(stress->store, NULL, parent, &options, &list, &error)) {
        complain(stress, "'%.*s' cannot be listed: %s", (int)parent.size, parent.data,
                 error.message);
        return;
    }
    status = cairn_list_next(list, &item, &error);
    if (status || !cairn_slice_equal(item.name, name))
        complain(stress, "'%.*s' is there, but not listed", (int)path.size, path.data);
    cairn_list_close(list);
}

static void check_paths(struct stress *stress) {
    static const char names[] = "abcdefl";
    char path[16];
    for (const char *x = names; *x; x++) {
        int size = snprintf(path, sizeof path, "tree/%c", *x);
        check_path(stress, (struct cairn_slice){path, (size_t)size});
        for (const char *y = names; *y; y++) {
            size = snprintf(path, sizeof path, "tree/%c/%c", *x, *y);
            check_path(stress, (struct cairn_slice){path, (size_t)size});
            for (const char *z = names; *z; z++) {
                size = snprintf(path, sizeof path, "tree/%c/%c/%c", *x, *y, *z);
                check_path(stress, (struct cairn_slice){path, (size_t)size});
            }
        }
    }
}

void check_tree(struct stress *stress) {
    struct cairn_path root = {.text = {"", 0}};
    printf("%" PRIu64 " entries hang together\n", walk(stress, &root));
    check_paths(stress);
}
