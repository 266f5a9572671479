/* stream.c -- values too large to hold: reading a piece, writing piece by piece. */
#include <stdlib.h>

#include "check.h"
#include "find.h"
#include "upload.h"

/* The raw entry at `path`, its value still as it is stored. */
static enum cairn_status find_raw(const struct finder *finder, struct cairn_slice path,
                                  unsigned want, struct found *found,
                                  struct cairn_error *error) {
    enum cairn_status status =
        find_stable(finder, path, FIND_FOLLOW, want, found, error);
    if (!status && found->view.entry.kind == CAIRN_GROUP)
        status = cairn_fail_at(error, CAIRN_NOT_FOUND, "a group has no value", path);
    return status;
}

/* Where the backend reads pieces itself, the path is all it needs. */
static enum cairn_status read_piece(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_slice path, uint64_t offset,
                                    char *buffer, size_t size, size_t *got,
                                    struct cairn_error *error) {
    struct core *core = store->core;
    struct finder finder = {core, context, store->snapshot, NULL};
    struct found found;
    bool native = core->backend->read_at != NULL;
    enum cairn_status status =
        find_raw(&finder, path, native ? 0 : CAIRN_WANT_PAYLOAD, &found, error);
    if (!status && native && !found.packed && found.view.entry.form == CAIRN_PLAIN) {
        status = core->backend->read_at(core->self, context, found.path.text, offset,
                                        buffer, size, got, error);
    } else if (!status) {
        if (native) {
            cairn_view_release(&found.view);
            status = find_raw(&finder, path, CAIRN_WANT_PAYLOAD, &found, error);
        }
        if (!status)
            status = value_read_at(core, context, store->snapshot, path, &found.view,
                                   offset, buffer, size, got, error);
    }
    cairn_view_release(&found.view);
    return status;
}

enum cairn_status cairn_store_read_at(struct cairn_store *store,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, uint64_t offset,
                                      char *buffer, size_t size, size_t *got,
                                      struct cairn_error *error) {
    struct cairn_path normal;
    enum cairn_status status = core_enter(store->core, context, error);
    if (status || (status = cairn_path_normalize(path, &normal, error)))
        return status;
    /* A value that is replaced while its chunks are read: look again. */
    for (int attempt = 0; attempt < 32; attempt++) {
        status =
            read_piece(store, context, normal.text, offset, buffer, size, got, error);
        if (status != CAIRN_CONFLICT)
            return core_leave(store->core, context, "read_at", normal.text, status,
                              error);
    }
    return core_leave(store->core, context, "read_at", normal.text, CAIRN_CORRUPT,
                      error);
}

struct cairn_writer {
    struct upload upload;
    bool committed;
};

enum cairn_status cairn_writer_open(struct cairn_store *store,
                                    const struct cairn_context *context,
                                    struct cairn_writer **out,
                                    struct cairn_error *error) {
    enum cairn_status status = core_enter(store->core, context, error);
    if (status)
        return status;
    if (store->snapshot)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "a snapshot cannot be written to");
    struct cairn_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a writer");
    status = upload_begin(&writer->upload, store->core, context, error);
    if (status)
        free(writer);
    else
        *out = writer;
    return status;
}

enum cairn_status cairn_writer_append(struct cairn_writer *writer,
                                      struct cairn_slice bytes,
                                      struct cairn_error *error) {
    if (writer->committed)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the writer is committed already");
    return upload_append(&writer->upload, bytes, error);
}

enum cairn_status cairn_writer_commit(struct cairn_writer *writer,
                                      struct cairn_operation *operation, unsigned flags,
                                      struct cairn_error *error) {
    struct core *core = writer->upload.core;
    const struct cairn_context *context = writer->upload.context;
    if (writer->committed)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "the writer is committed already");
    if (operation->kind != CAIRN_WRITE || operation->compress || operation->keep)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a writer commits a plain write and nothing else");
    enum cairn_status status = check_operation(operation, error);
    if (status)
        return status;
    struct task task = {.operation = operation};
    task.entry = (struct cairn_entry){.kind = CAIRN_RAW,
                                      .expires_ms = operation->expires_ms,
                                      .metadata = operation->metadata};
    status = upload_finish(&writer->upload, &task, error);
    if (!status)
        status = plan_commit(core, context, &task, 1, flags, NULL, error);
    writer->committed = !status;
    return core_leave(core, context, "write", operation->path, status, error);
}

void cairn_writer_close(struct cairn_writer *writer) {
    if (!writer)
        return;
    upload_end(&writer->upload, writer->committed);
    free(writer);
}
