/* upload.c -- values in pieces. */
#include "upload.h"

#include <stdio.h>
#include <sys/random.h>

#include "wire.h"

static bool make_id(char id[CHUNK_ID_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char random[CHUNK_ID_SIZE / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++) {
        id[2 * i] = digits[random[i] >> 4];
        id[2 * i + 1] = digits[random[i] & 15];
    }
    return true;
}

enum cairn_status upload_begin(struct upload *upload, struct core *core,
                               const struct cairn_context *context,
                               struct cairn_error *error) {
    *upload = (struct upload){
        .core = core, .context = context, .resets = atomic_load(&core->resets)};
    if (core->backend->chunk_bytes == 0)
        return core->backend->stage(core->self, &upload->staged, error);
    if (!make_id(upload->id))
        return cairn_fail(error, CAIRN_IO, "the system gives no random bytes");
    return CAIRN_OK;
}

static struct cairn_slice id_of(const struct upload *upload) {
    return (struct cairn_slice){upload->id, CHUNK_ID_SIZE};
}

/* Writes one chunk, together with the note, which says how many there are: so the
 * chunks are found whatever becomes of us. */
static enum cairn_status put_chunk(struct upload *upload, struct cairn_slice bytes,
                                   struct cairn_error *error) {
    char room[96];
    struct cairn_bytes compressed = {0}, count = {0};
    struct cairn_change changes[2] = {{.kind = CAIRN_PUT}, {.kind = CAIRN_PUT}};
    changes[0].path = chunk_path(room, id_of(upload), upload->count);
    changes[0].entry =
        (struct cairn_entry){.kind = CAIRN_RAW, .payload = bytes, .size = bytes.size};
    changes[1].path = staged_path(upload->mark, id_of(upload));
    enum cairn_status status = cairn_context_check(upload->context, error);
    if (!status && upload->compress)
        status = value_compress(bytes, &compressed, &changes[0].entry, error);
    if (!status && !wire_append_varint(&count, upload->count + 1))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a chunk");
    changes[1].entry =
        (struct cairn_entry){.kind = CAIRN_RAW, .payload = cairn_bytes_slice(&count)};
    if (!status)
        status = upload->core->backend->apply(upload->core->self, upload->context,
                                              changes, 2, 0, error);
    if (!status)
        upload->count++;
    cairn_bytes_free(&compressed);
    cairn_bytes_free(&count);
    return status;
}

/* Cuts whole chunks off: from the tail once it is full, else from `bytes` directly. */
static enum cairn_status cut(struct upload *upload, struct cairn_slice *bytes,
                             struct cairn_error *error) {
    size_t chunk = upload->core->backend->chunk_bytes;
    while (upload->tail.size + bytes->size > chunk) {
        enum cairn_status status;
        if (upload->tail.size == 0) {
            status = put_chunk(upload, cairn_slice_sub(*bytes, 0, chunk), error);
            if (status)
                return status;
            *bytes = cairn_slice_sub(*bytes, chunk, bytes->size - chunk);
            continue;
        }
        size_t part = chunk - upload->tail.size;
        if (!cairn_bytes_append(&upload->tail, cairn_slice_sub(*bytes, 0, part)))
            return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a chunk");
        *bytes = cairn_slice_sub(*bytes, part, bytes->size - part);
        status = put_chunk(upload, cairn_bytes_slice(&upload->tail), error);
        if (status)
            return status;
        upload->tail.size = 0;
    }
    return CAIRN_OK;
}

enum cairn_status upload_append(struct upload *upload, struct cairn_slice bytes,
                                struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    size_t size = bytes.size;
    if (upload->finished)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "nothing can be added to a value after its commit was tried");
    if (upload->staged)
        status = upload->core->backend->stage_append(upload->core->self, upload->staged,
                                                     bytes, error);
    else if (!(status = cut(upload, &bytes, error)) &&
             !cairn_bytes_append(&upload->tail, bytes))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a chunk");
    if (!status)
        upload->total += size;
    return status;
}

static enum cairn_status close_chunks(struct upload *upload,
                                      struct cairn_error *error) {
    if (upload->tail.size) {
        enum cairn_status status =
            put_chunk(upload, cairn_bytes_slice(&upload->tail), error);
        if (status)
            return status;
        upload->tail.size = 0;
    }
    upload->list.size = 0;
    if (!cairn_bytes_append(&upload->list, id_of(upload)) ||
        !wire_append_varint(&upload->list, upload->core->backend->chunk_bytes))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a list of chunks");
    return CAIRN_OK;
}

enum cairn_status upload_finish(struct upload *upload, struct task *task,
                                struct cairn_error *error) {
    struct cairn_entry *entry = &task->entry;
    upload->finished = true;
    entry->size = upload->total;
    entry->payload = cairn_bytes_slice(&upload->tail);
    task->staged = upload->staged;
    if (upload->count) {
        enum cairn_status status = close_chunks(upload, error);
        if (status)
            return status;
        entry->form = CAIRN_CHUNKED;
        entry->payload = cairn_bytes_slice(&upload->list);
        task->staged_mark = cairn_slice_of(upload->mark);
        task->resets = upload->resets;
    }
    return CAIRN_OK;
}

void upload_end(struct upload *upload, bool kept) {
    struct core *core = upload->core;
    if (upload->staged && !kept)
        core->backend->stage_discard(core->self, upload->staged);
    if (upload->count && !kept)
        value_discard(core, id_of(upload), upload->count);
    cairn_bytes_free(&upload->tail);
    cairn_bytes_free(&upload->list);
}
