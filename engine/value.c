/* value.c -- compressed values (Zstandard, RFC 8878) and values in chunks. */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "wire.h"

enum { ZSTD_LEVEL = 3, SWEEP_BATCH = 64 };

/* More than any value that was ever written: a stored size is not trusted further. */
#define VALUE_MAX ((uint64_t)1 << 46)
#define CHUNKS_MAX ((uint64_t)1 << 32)

struct cairn_slice chunk_path(char room[96], struct cairn_slice id, uint64_t number) {
    int size =
        snprintf(room, 96, "/chunks/%.*s/%08" PRIx64, CHUNK_ID_SIZE, id.data, number);
    return (struct cairn_slice){room, (size_t)size};
}

struct cairn_slice staged_path(char room[96], struct cairn_slice id) {
    int size = snprintf(room, 96, "/staged/%.*s", CHUNK_ID_SIZE, id.data);
    return (struct cairn_slice){room, (size_t)size};
}

enum cairn_status chunk_list_of(const struct cairn_entry *entry,
                                struct cairn_slice path, struct chunk_list *out,
                                struct cairn_error *error) {
    struct cairn_slice rest = entry->payload;
    if (rest.size > CHUNK_ID_SIZE && !memchr(rest.data, 0, CHUNK_ID_SIZE)) {
        out->id = cairn_slice_sub(rest, 0, CHUNK_ID_SIZE);
        rest = cairn_slice_sub(rest, CHUNK_ID_SIZE, rest.size - CHUNK_ID_SIZE);
        if (wire_take_varint(&rest, &out->chunk_bytes) && rest.size == 0 &&
            out->chunk_bytes > 0 && out->chunk_bytes <= (uint64_t)1 << 32 &&
            entry->size <= VALUE_MAX) {
            out->count = (entry->size + out->chunk_bytes - 1) / out->chunk_bytes;
            return CAIRN_OK;
        }
    }
    return cairn_fail_at(error, CAIRN_CORRUPT,
                         "the list of chunks makes no sense of the value at", path);
}

/* Puts `bytes` (malloced, taken over) in the place of what the view pinned. */
static void replace_payload(struct cairn_view *view, char *bytes, size_t size) {
    struct cairn_entry entry = view->entry;
    cairn_view_release(view);
    entry.form = CAIRN_PLAIN;
    entry.payload = (struct cairn_slice){bytes, size};
    entry.size = size;
    entry.metadata = (struct cairn_slice){NULL, 0}; /* lay in what was released */
    *view = (struct cairn_view){entry, bytes, free};
}

static enum cairn_status decompress(struct cairn_slice path, struct cairn_view *view,
                                    struct cairn_error *error) {
    struct cairn_entry *entry = &view->entry;
    unsigned long long size =
        ZSTD_getFrameContentSize(entry->payload.data, entry->payload.size);
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ||
        size != entry->size || size > VALUE_MAX)
        return cairn_fail_at(error, CAIRN_CORRUPT,
                             "a compressed value without its size", path);
    char *bytes = malloc(size ? (size_t)size : 1);
    if (!bytes)
        return cairn_fail_at(error, CAIRN_NO_MEMORY, "no memory for the value", path);
    size_t got =
        ZSTD_decompress(bytes, (size_t)size, entry->payload.data, entry->payload.size);
    if (ZSTD_isError(got) || got != size) {
        free(bytes);
        return cairn_fail_at(error, CAIRN_CORRUPT, "a value that does not decompress",
                             path);
    }
    replace_payload(view, bytes, got);
    return CAIRN_OK;
}

/* One chunk, plain, and checked to have the size it must. */
static enum cairn_status
load_chunk(struct core *core, const struct cairn_context *context, void *snapshot,
           struct cairn_slice path, const struct chunk_list *list, uint64_t total,
           uint64_t number, struct cairn_view *out, struct cairn_error *error) {
    char room[96];
    struct cairn_slice at = chunk_path(room, list->id, number);
    enum cairn_status status = cairn_context_check(context, error);
    if (status)
        return status;
    out->release = NULL;
    status = core->backend->get(core->self, context, snapshot, at, CAIRN_WANT_PAYLOAD,
                                out, error);
    if (status == CAIRN_NOT_FOUND)
        return cairn_fail_at(error, CAIRN_CONFLICT,
                             "a chunk is missing of the value at", path);
    if (!status && out->entry.kind == CAIRN_RAW && out->entry.form == CAIRN_ZSTD &&
        (status = decompress(path, out, error)))
        cairn_view_release(out);
    if (status)
        return status;
    uint64_t left = total - number * list->chunk_bytes;
    uint64_t expected = left < list->chunk_bytes ? left : list->chunk_bytes;
    if (out->entry.kind == CAIRN_RAW && out->entry.form == CAIRN_PLAIN &&
        out->entry.payload.size == expected)
        return CAIRN_OK;
    cairn_view_release(out);
    return cairn_fail_at(error, CAIRN_CORRUPT,
                         "a chunk of the wrong size in the value at", path);
}

static enum cairn_status collect(struct core *core, const struct cairn_context *context,
                                 void *snapshot, struct cairn_slice path,
                                 struct cairn_view *view, struct cairn_error *error) {
    struct chunk_list list;
    uint64_t total = view->entry.size, done = 0;
    enum cairn_status status = chunk_list_of(&view->entry, path, &list, error);
    if (status)
        return status;

    /* The first chunk is seen before room for all is asked for: a corrupt size must not
     * cost memory. */
    char *bytes = NULL;
    for (uint64_t number = 0; number < list.count; number++) {
        struct cairn_view chunk;
        status = load_chunk(core, context, snapshot, path, &list, total, number, &chunk,
                            error);
        if (!status && !bytes && !(bytes = malloc((size_t)total))) {
            cairn_view_release(&chunk);
            status =
                cairn_fail_at(error, CAIRN_NO_MEMORY, "no memory for the value", path);
        }
        if (status) {
            free(bytes);
            return status;
        }
        memcpy(bytes + done, chunk.entry.payload.data, chunk.entry.payload.size);
        done += chunk.entry.payload.size;
        cairn_view_release(&chunk);
    }
    replace_payload(view, bytes, (size_t)total);
    return CAIRN_OK;
}

enum cairn_status value_load(struct core *core, const struct cairn_context *context,
                             void *snapshot, struct cairn_slice path,
                             struct cairn_view *view, struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    if (view->entry.form == CAIRN_ZSTD)
        status = decompress(path, view, error);
    else if (view->entry.form == CAIRN_CHUNKED)
        status = collect(core, context, snapshot, path, view, error);
    if (status)
        cairn_view_release(view);
    return status;
}

static enum cairn_status chunks_read_at(struct core *core,
                                        const struct cairn_context *context,
                                        void *snapshot, struct cairn_slice path,
                                        const struct cairn_entry *entry,
                                        uint64_t offset, char *buffer, size_t size,
                                        size_t *got, struct cairn_error *error) {
    struct chunk_list list;
    enum cairn_status status = chunk_list_of(entry, path, &list, error);
    *got = 0;
    while (!status && *got < size && offset < entry->size) {
        struct cairn_view chunk;
        uint64_t number = offset / list.chunk_bytes;
        status = load_chunk(core, context, snapshot, path, &list, entry->size, number,
                            &chunk, error);
        if (status)
            return status;
        size_t skip = (size_t)(offset - number * list.chunk_bytes);
        size_t part = chunk.entry.payload.size - skip;
        if (part > size - *got)
            part = size - *got;
        memcpy(buffer + *got, chunk.entry.payload.data + skip, part);
        cairn_view_release(&chunk);
        *got += part;
        offset += part;
    }
    return status;
}

enum cairn_status value_read_at(struct core *core, const struct cairn_context *context,
                                void *snapshot, struct cairn_slice path,
                                struct cairn_view *view, uint64_t offset, char *buffer,
                                size_t size, size_t *got, struct cairn_error *error) {
    if (view->entry.form == CAIRN_CHUNKED)
        return chunks_read_at(core, context, snapshot, path, &view->entry, offset,
                              buffer, size, got, error);
    if (view->entry.form == CAIRN_ZSTD) {
        enum cairn_status status = decompress(path, view, error);
        if (status)
            return status;
    }
    struct cairn_slice value = view->entry.payload;
    *got = 0;
    if (offset < value.size) {
        *got = value.size - (size_t)offset < size ? value.size - (size_t)offset : size;
        memcpy(buffer, value.data + offset, *got);
    }
    return CAIRN_OK;
}

enum cairn_status value_compress(struct cairn_slice value, struct cairn_bytes *out,
                                 struct cairn_entry *entry, struct cairn_error *error) {
    size_t bound = ZSTD_compressBound(value.size);
    if (ZSTD_isError(bound) || !cairn_bytes_reserve(out, bound))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to compress %zu bytes",
                          value.size);
    size_t size = ZSTD_compress(out->data, bound, value.data, value.size, ZSTD_LEVEL);
    if (ZSTD_isError(size))
        return cairn_fail(error, CAIRN_NO_MEMORY, "cannot compress %zu bytes: %s",
                          value.size, ZSTD_getErrorName(size));
    if (size >= value.size)
        return CAIRN_OK;
    out->size = size;
    entry->form = CAIRN_ZSTD;
    entry->payload = cairn_bytes_slice(out);
    entry->size = value.size;
    return CAIRN_OK;
}

/* The note goes when the chunks are gone: a crash in between finds it again. */
static enum cairn_status erase_staged(struct core *core, struct cairn_slice id,
                                      uint64_t chunks, struct cairn_error *error) {
    char rooms[SWEEP_BATCH][96];
    struct cairn_change changes[SWEEP_BATCH];
    enum cairn_status status = CAIRN_OK;
    uint64_t number = 0;
    bool last = false;
    while (!last && !status) {
        size_t count = 0;
        for (; number < chunks && count < SWEEP_BATCH - 1; count++, number++)
            changes[count] = (struct cairn_change){
                .kind = CAIRN_ERASE, .path = chunk_path(rooms[count], id, number)};
        last = number == chunks;
        if (last) {
            changes[count] = (struct cairn_change){
                .kind = CAIRN_ERASE, .path = staged_path(rooms[count], id)};
            count++;
        }
        status = core->backend->apply(core->self, NULL, changes, count, 0, error);
    }
    return status;
}

void value_discard(struct core *core, struct cairn_slice id, uint64_t count) {
    (void)erase_staged(core, id, count, NULL);
}

static enum cairn_status erase_noted(struct core *core,
                                     const struct cairn_scan_item *note,
                                     struct cairn_error *error) {
    struct cairn_slice rest = note->entry.payload;
    uint64_t chunks;
    if (note->name.size != CHUNK_ID_SIZE || !wire_take_varint(&rest, &chunks) ||
        chunks > CHUNKS_MAX)
        return CAIRN_OK; /* not one of ours */
    return erase_staged(core, note->name, chunks, error);
}

enum cairn_status value_sweep(struct core *core, struct cairn_error *error) {
    void *cursor;
    struct cairn_slice none = {NULL, 0};
    enum cairn_status status =
        core->backend->scan(core->self, NULL, NULL, cairn_slice_of("/staged"), none,
                            none, 0, &cursor, error);
    if (status)
        return status;
    struct cairn_scan_item item;
    while (!(status = core->backend->scan_next(cursor, &item, error)))
        if ((status = erase_noted(core, &item, error)))
            break;
    core->backend->scan_close(cursor);
    /* A store that is open for reading is swept by the next who may write. */
    return status == CAIRN_NOT_FOUND || status == CAIRN_UNSUPPORTED ? CAIRN_OK : status;
}
