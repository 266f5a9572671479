/* import_sink.c -- batches of operations over one fixed buffer that owns their bytes.
 *
 * A batch that fails names its culprit. What stands before it goes down by itself, the
 * culprit is skipped, the rest is tried again: an odd entry costs one more call, and
 * none keeps the others from being imported. */
#include "import_sink.h"

#include <stdio.h>
#include <stdlib.h>

/* A batch is full at either. The room holds several values of the largest size. */
#define BATCH_OPERATIONS 1000
#define BATCH_BYTES (4u << 20)

struct import_sink {
    struct cairn_store *store;
    const struct cairn_context *context;
    const struct cairn_import_options *options;
    struct cairn_import_result *result;
    unsigned flags; /* for cairn_store_apply */
    uint64_t done;  /* entries, skipped ones too */
    uint64_t told;  /* `done` when `progress` was last called */
    uint64_t total; /* 0: not known */
    size_t count;
    size_t used; /* of `room` */
    struct cairn_operation operations[BATCH_OPERATIONS];
    char room[BATCH_BYTES];
};

enum cairn_status import_sink_open(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   const struct cairn_import_options *options,
                                   struct cairn_import_result *result,
                                   struct import_sink **out,
                                   struct cairn_error *error) {
    *result = (struct cairn_import_result){0};
    struct import_sink *sink = malloc(sizeof *sink);
    if (!sink)
        return cairn_fail(error, CAIRN_NO_MEMORY, "import: no memory for a batch");
    sink->store = store;
    sink->context = context;
    sink->options = options;
    sink->result = result;
    bool batches = cairn_store_capabilities(store) & CAIRN_CAN_BATCH;
    sink->flags = batches ? 0 : CAIRN_STORE_IN_STEPS;
    sink->done = sink->told = sink->total = 0;
    sink->count = sink->used = 0;
    *out = sink;
    return CAIRN_OK;
}

void import_sink_close(struct import_sink *sink) {
    free(sink);
}

void import_sink_expect(struct import_sink *sink, uint64_t total) {
    sink->total = total;
}

static void count_skipped(struct import_sink *sink, uint64_t count,
                          const char *message) {
    struct cairn_import_result *result = sink->result;
    if (result->skipped == 0 && count > 0)
        snprintf(result->first_skipped, sizeof result->first_skipped, "%s", message);
    result->skipped += count;
}

/* Failures that lie in the entry: the store is well, and the others can go on. */
static bool is_entrys_fault(enum cairn_status status) {
    switch (status) {
    case CAIRN_INVALID_PATH:
    case CAIRN_NAME_TOO_LONG:
    case CAIRN_IS_GROUP:
    case CAIRN_NOT_A_GROUP:
    case CAIRN_LINK_LOOP:
        return true;
    default:
        return false;
    }
}

static void count_imported(struct import_sink *sink, enum cairn_operation_kind kind) {
    if (kind == CAIRN_WRITE)
        sink->result->raws++;
    else if (kind == CAIRN_MAKE_LINK)
        sink->result->links++;
    else
        sink->result->groups++;
}

/* Whether just this raw value is at `path`. */
static enum cairn_status holds_value(struct import_sink *sink, struct cairn_slice path,
                                     struct cairn_slice value, bool *same,
                                     struct cairn_error *error) {
    struct cairn_view view;
    enum cairn_status status =
        cairn_store_read(sink->store, sink->context, path, &view, error);
    *same = !status && cairn_slice_equal(view.entry.payload, value);
    if (!status)
        cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

/* What is at `path`: nothing (`*taken` false), just this entry (`*same`), or another.
 */
static enum cairn_status look_at(struct import_sink *sink, struct cairn_slice path,
                                 enum cairn_kind kind, struct cairn_slice payload,
                                 bool *taken, bool *same, struct cairn_error *error) {
    struct cairn_path normal;
    struct cairn_view view;
    *taken = *same = false;
    enum cairn_status status =
        cairn_store_stat(sink->store, sink->context, path, &view, error);
    if (status == CAIRN_NOT_FOUND || is_entrys_fault(status))
        return CAIRN_OK;
    if (status)
        return status;
    *taken = true;
    *same = view.entry.kind == kind;
    if (*same && kind == CAIRN_LINK)
        *same = cairn_path_normalize(payload, &normal, NULL) == CAIRN_OK &&
                cairn_slice_equal(normal.text, view.entry.payload);
    bool compare = *same && kind == CAIRN_RAW && view.entry.size == payload.size;
    if (*same && kind == CAIRN_RAW)
        *same = compare;
    cairn_view_release(&view);
    return compare ? holds_value(sink, path, payload, same, error) : CAIRN_OK;
}

/* make_link keeps what is there: is it the link that was asked for? */
static enum cairn_status settle_kept_link(struct import_sink *sink,
                                          const struct cairn_operation *operation,
                                          struct cairn_error *error) {
    bool taken, same;
    enum cairn_status status = look_at(sink, operation->path, CAIRN_LINK,
                                       operation->value, &taken, &same, error);
    if (status)
        return status;
    struct cairn_error reason;
    cairn_fail_at(&reason, CAIRN_INVALID_ARGUMENT,
                  taken ? "a link cannot replace what is there" : "a link to itself",
                  operation->path);
    if (same)
        count_imported(sink, CAIRN_MAKE_LINK);
    else
        count_skipped(sink, 1, reason.message);
    return CAIRN_OK;
}

static enum cairn_status settle(struct import_sink *sink, size_t from, size_t end,
                                struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = from; i < end && !status; i++) {
        const struct cairn_operation *operation = &sink->operations[i];
        if (operation->kind == CAIRN_MAKE_LINK && !operation->changed)
            status = settle_kept_link(sink, operation, error);
        else
            count_imported(sink, operation->kind);
    }
    return status;
}

static enum cairn_status apply_batch(struct import_sink *sink,
                                     struct cairn_error *error) {
    size_t from = 0, end = sink->count;
    while (from < sink->count) {
        struct cairn_error reason = {{0}};
        size_t failed = 0;
        enum cairn_status status =
            cairn_store_apply(sink->store, sink->context, &sink->operations[from],
                              end - from, sink->flags, &failed, &reason);
        if (status && (!is_entrys_fault(status) || failed >= end - from))
            return cairn_fail(error, status, "%s", reason.message);
        size_t before = from; /* operations from here to `from` have been done */
        if (!status) {
            from = end;
            end = sink->count;
        } else if (failed == 0) {
            count_skipped(sink, 1, reason.message);
            before = ++from;
            end = sink->count;
        } else if (sink->flags & CAIRN_STORE_IN_STEPS) {
            from += failed;
        } else {
            end = from + failed;
        }
        status = settle(sink, before, from, error);
        if (status)
            return status;
    }
    return CAIRN_OK;
}

static enum cairn_status tell_progress(struct import_sink *sink,
                                       struct cairn_error *error) {
    const struct cairn_import_options *options = sink->options;
    sink->told = sink->done;
    if (!options || !options->progress)
        return CAIRN_OK;
    uint64_t total = sink->total && sink->total < sink->done ? sink->done : sink->total;
    if (options->progress(options->progress_arg, sink->done, total))
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_TIMEOUT,
                      "import: stopped by its caller after %llu entries",
                      (unsigned long long)sink->done);
}

static enum cairn_status put_down(struct import_sink *sink, struct cairn_error *error) {
    enum cairn_status status = cairn_context_check(sink->context, error);
    if (!status)
        status = apply_batch(sink, error);
    sink->count = sink->used = 0;
    return status;
}

enum cairn_status import_sink_flush(struct import_sink *sink,
                                    struct cairn_error *error) {
    enum cairn_status status = put_down(sink, error);
    return status ? status : tell_progress(sink, error);
}

enum cairn_status import_sink_finish(struct import_sink *sink,
                                     struct cairn_error *error) {
    sink->total = sink->done;
    return import_sink_flush(sink, error);
}

/* After entries that were added or skipped. */
static enum cairn_status count_done(struct import_sink *sink, uint64_t count,
                                    struct cairn_error *error) {
    sink->done += count;
    if (sink->done - sink->told < BATCH_OPERATIONS)
        return CAIRN_OK;
    return import_sink_flush(sink, error);
}

enum cairn_status import_skip_many(struct import_sink *sink, uint64_t count,
                                   const char *message, struct cairn_error *error) {
    count_skipped(sink, count, message);
    return count_done(sink, count, error);
}

enum cairn_status import_skip(struct import_sink *sink, const char *why,
                              struct cairn_slice path, struct cairn_error *error) {
    struct cairn_error reason;
    cairn_fail_at(&reason, CAIRN_INVALID_ARGUMENT, why, path);
    return import_skip_many(sink, 1, reason.message, error);
}

static struct cairn_slice keep(struct import_sink *sink, struct cairn_slice bytes) {
    char *to = sink->room + sink->used;
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
    sink->used += bytes.size;
    return (struct cairn_slice){to, bytes.size};
}

static enum cairn_status add(struct import_sink *sink, enum cairn_operation_kind kind,
                             struct cairn_slice path, struct cairn_slice value,
                             struct cairn_error *error) {
    /* What does not fit into the room is no path, however many slashes it has. */
    if (path.size > IMPORT_LARGE || value.size > IMPORT_LARGE)
        return import_skip(sink, "a path may not be over 2048 bytes", path, error);
    bool is_full = sink->count == BATCH_OPERATIONS ||
                   path.size + value.size > BATCH_BYTES - sink->used;
    enum cairn_status status = is_full ? put_down(sink, error) : CAIRN_OK;
    if (status)
        return status;
    struct cairn_operation *operation = &sink->operations[sink->count++];
    *operation = (struct cairn_operation){.kind = kind};
    operation->path = keep(sink, path);
    operation->value = keep(sink, value);
    return count_done(sink, 1, error);
}

enum cairn_status import_link(struct import_sink *sink, struct cairn_slice path,
                              struct cairn_slice target, struct cairn_error *error) {
    return add(sink, CAIRN_MAKE_LINK, path, target, error);
}

enum cairn_status import_group(struct import_sink *sink, struct cairn_slice path,
                               struct cairn_error *error) {
    return add(sink, CAIRN_MAKE_GROUP, path, (struct cairn_slice){NULL, 0}, error);
}

static enum cairn_status commit(struct import_sink *sink, struct cairn_writer *writer,
                                struct cairn_slice path, struct cairn_error *error) {
    struct cairn_operation operation = {.kind = CAIRN_WRITE, .path = path};
    struct cairn_error reason = {{0}};
    enum cairn_status status = cairn_writer_commit(writer, &operation, 0, &reason);
    if (!status)
        sink->result->raws++;
    else if (is_entrys_fault(status))
        count_skipped(sink, 1, reason.message);
    else
        return cairn_fail(error, status, "%s", reason.message);
    return count_done(sink, 1, error);
}

/* The sink's own room, empty after a flush, is the buffer. */
static enum cairn_status pump(struct import_sink *sink, struct cairn_writer *writer,
                              import_read *read, void *arg, struct cairn_error *error) {
    uint64_t offset = 0;
    size_t got = IMPORT_LARGE;
    while (got == IMPORT_LARGE) {
        enum cairn_status status = cairn_context_check(sink->context, error);
        if (!status)
            status = read(arg, offset, sink->room, IMPORT_LARGE, &got, error);
        if (!status)
            status = cairn_writer_append(writer, (struct cairn_slice){sink->room, got},
                                         error);
        if (status)
            return status;
        offset += got;
    }
    return CAIRN_OK;
}

enum cairn_status import_stream(struct import_sink *sink, struct cairn_slice path,
                                import_read *read, void *arg,
                                struct cairn_error *error) {
    struct cairn_writer *writer = NULL;
    enum cairn_status status = put_down(sink, error);
    if (!status)
        status = cairn_writer_open(sink->store, sink->context, &writer, error);
    if (!status)
        status = pump(sink, writer, read, arg, error);
    if (!status)
        status = commit(sink, writer, path, error);
    cairn_writer_close(writer);
    return status;
}

static enum cairn_status read_slice(void *arg, uint64_t offset, char *buffer,
                                    size_t room, size_t *got,
                                    struct cairn_error *error) {
    (void)error;
    const struct cairn_slice *value = arg;
    size_t left = value->size - (size_t)offset;
    *got = left < room ? left : room;
    memcpy(buffer, value->data + offset, *got);
    return CAIRN_OK;
}

enum cairn_status import_raw(struct import_sink *sink, struct cairn_slice path,
                             struct cairn_slice value, struct cairn_error *error) {
    if (value.size > IMPORT_LARGE)
        return import_stream(sink, path, read_slice, &value, error);
    return add(sink, CAIRN_WRITE, path, value, error);
}

enum cairn_status import_place_is_free(struct import_sink *sink,
                                       struct cairn_slice path, enum cairn_kind kind,
                                       struct cairn_slice payload, bool *is_free,
                                       struct cairn_error *error) {
    struct cairn_path normal, resolved;
    bool taken = false, same = false;
    enum cairn_status status = put_down(sink, error);
    if (!status)
        status = cairn_path_normalize(path, &normal, error);
    if (status)
        return status;
    struct cairn_slice parent = cairn_path_parent(normal.text);
    status = cairn_store_resolve(sink->store, sink->context, parent, &resolved, error);
    *is_free = !status && cairn_slice_equal(parent, resolved.text);
    if (status && !is_entrys_fault(status))
        return status;
    status = look_at(sink, path, kind, payload, &taken, &same, error);
    *is_free = *is_free && (!taken || same);
    return status;
}
