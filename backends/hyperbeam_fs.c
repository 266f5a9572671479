/* hyperbeam_fs.c -- a HyperBEAM filesystem store as the source of an import.
 *
 * The fs backend can read such a store, prefixed links included, so the source is a
 * store of ours, opened read-only, and an import is a walk over it from the root: a
 * group first, then its children in byte order. Links whose text leads nowhere in the
 * store are skipped. Each group on the way down stays open while its children are
 * walked: as many file descriptors as the tree is deep. */
#include "hyperbeam.h"

#include <stdlib.h>

#include "cairn/open.h"

/* A group whose children are being walked. */
struct level {
    struct cairn_list *list;
    size_t path_size; /* of the group's path, in walk.path */
};

/* As deep as a path can be: a segment and a slash take two bytes. */
#define LEVELS_MAX (CAIRN_PATH_MAX / 2 + 1)

struct walk {
    struct cairn_store *source;
    struct import_sink *sink;
    const struct cairn_context *context;
    struct cairn_bytes path; /* of the entry in hand */
    struct level levels[LEVELS_MAX];
    size_t depth;
};

static enum cairn_status open_source(struct cairn_slice directory,
                                     struct cairn_slice link_prefix,
                                     struct cairn_store **out,
                                     struct cairn_error *error) {
    struct cairn_setting settings[] = {
        {cairn_slice_of("read_only"), cairn_slice_of("true")},
        {cairn_slice_of("link_prefix"), link_prefix},
    };
    return cairn_store_open(cairn_backend_find(cairn_slice_of("fs")), directory,
                            settings, link_prefix.size ? 2 : 1, out, error);
}

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "hyperbeam: no memory for a path");
}

/* walk.path becomes the child `name` of the group in hand. */
static enum cairn_status enter(struct walk *walk, struct cairn_slice name,
                               struct cairn_error *error) {
    walk->path.size = walk->levels[walk->depth - 1].path_size;
    struct cairn_slice slash = cairn_slice_of(walk->path.size ? "/" : "");
    if (!cairn_bytes_append(&walk->path, slash) ||
        !cairn_bytes_append(&walk->path, name))
        return no_memory(error);
    return CAIRN_OK;
}

static enum cairn_status push(struct walk *walk, struct cairn_error *error) {
    struct level *level = &walk->levels[walk->depth];
    level->path_size = walk->path.size;
    struct cairn_list_options options = {.values = false};
    enum cairn_status status =
        cairn_list_open(walk->source, walk->context, cairn_bytes_slice(&walk->path),
                        &options, &level->list, error);
    walk->depth += status == CAIRN_OK;
    return status;
}

static void pop(struct walk *walk) {
    cairn_list_close(walk->levels[--walk->depth].list);
}

static enum cairn_status read_piece(void *arg, uint64_t offset, char *buffer,
                                    size_t room, size_t *got,
                                    struct cairn_error *error) {
    struct walk *walk = arg;
    return cairn_store_read_at(walk->source, walk->context,
                               cairn_bytes_slice(&walk->path), offset, buffer, room,
                               got, error);
}

static enum cairn_status copy_raw(struct walk *walk, uint64_t size,
                                  struct cairn_error *error) {
    struct cairn_slice path = cairn_bytes_slice(&walk->path);
    if (size > IMPORT_LARGE)
        return import_stream(walk->sink, path, read_piece, walk, error);
    struct cairn_view view;
    enum cairn_status status =
        cairn_store_read(walk->source, walk->context, path, &view, error);
    if (status)
        return status;
    status = import_raw(walk->sink, path, view.entry.payload, error);
    cairn_view_release(&view);
    return status;
}

static enum cairn_status copy_group(struct walk *walk, struct cairn_error *error) {
    enum cairn_status status =
        import_group(walk->sink, cairn_bytes_slice(&walk->path), error);
    return status ? status : push(walk, error);
}

/* Counts what is no entry of ours: a link out of the store, a path too long. What has
 * gone since it was listed is not there. Other failures stay failures. */
static enum cairn_status skip_odd(struct walk *walk, enum cairn_status status,
                                  const struct cairn_error *reason,
                                  struct cairn_error *error) {
    if (status == CAIRN_NOT_FOUND)
        return CAIRN_OK;
    if (status == CAIRN_CORRUPT || status == CAIRN_INVALID_PATH)
        return import_skip_many(walk->sink, 1, reason->message, error);
    return cairn_fail(error, status, "%s", reason->message);
}

/* Copies what is at walk.path. */
static enum cairn_status copy_entry(struct walk *walk, struct cairn_error *error) {
    struct cairn_slice path = cairn_bytes_slice(&walk->path);
    struct cairn_error reason = {{0}};
    struct cairn_view view;
    enum cairn_status status =
        cairn_store_stat(walk->source, walk->context, path, &view, &reason);
    if (status)
        return skip_odd(walk, status, &reason, error);
    if (view.entry.kind == CAIRN_GROUP)
        status = copy_group(walk, error);
    else if (view.entry.kind == CAIRN_LINK)
        status = import_link(walk->sink, path, view.entry.payload, error);
    else
        status = copy_raw(walk, view.entry.size, error);
    cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* The next child of the group in hand, or back to its parent. */
static enum cairn_status step(struct walk *walk, struct cairn_error *error) {
    struct level *level = &walk->levels[walk->depth - 1];
    struct cairn_error reason = {{0}};
    struct cairn_list_item item;
    enum cairn_status status = cairn_list_next(level->list, &item, &reason);
    if (status) { /* the end, or what ends it */
        pop(walk);
        return skip_odd(walk, status, &reason, error);
    }
    status = enter(walk, item.name, error);
    return status ? status : copy_entry(walk, error);
}

enum cairn_status hyperbeam_fs_import(struct cairn_slice directory,
                                      struct cairn_slice link_prefix,
                                      struct import_sink *sink,
                                      const struct cairn_context *context,
                                      struct cairn_error *error) {
    struct walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return no_memory(error);
    walk->sink = sink;
    walk->context = context;
    enum cairn_status status =
        open_source(directory, link_prefix, &walk->source, error);
    if (!status)
        status = push(walk, error);
    while (!status && walk->depth > 0)
        status = step(walk, error);
    while (walk->depth > 0)
        pop(walk);
    cairn_store_close(walk->source);
    cairn_bytes_free(&walk->path);
    free(walk);
    return status;
}
