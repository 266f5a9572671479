/* batch.c -- from a message to the operations that write it. */
#include "batch.h"

#include <stdlib.h>

#include "cairn/metadata.h"
#include "names.h"

void batch_init(struct batch *batch, struct cairn_cache *cache) {
    batch->cache = cache;
    batch->operations = batch->few;
    batch->count = 0;
    batch->capacity = BATCH_FEW;
    batch->has_parts = false;
    batch->bytes = 0;
    cairn_arena_init(&batch->arena);
}

void batch_free(struct batch *batch) {
    if (batch->operations != batch->few)
        free(batch->operations);
    cairn_arena_free(&batch->arena);
}

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to write a message");
}

static bool grow(struct batch *batch) {
    size_t capacity = batch->capacity * 2;
    bool few = batch->operations == batch->few;
    struct cairn_operation *larger =
        realloc(few ? NULL : batch->operations, capacity * sizeof *larger);
    if (!larger)
        return false;
    if (few)
        memcpy(larger, batch->few, sizeof batch->few);
    batch->operations = larger;
    batch->capacity = capacity;
    return true;
}

enum cairn_status batch_add(struct batch *batch, struct cairn_operation operation,
                            struct cairn_error *error) {
    if (batch->count == batch->capacity && !grow(batch))
        return no_memory(error);
    batch->operations[batch->count++] = operation;
    batch->bytes += operation.value.size + operation.path.size;
    return CAIRN_OK;
}

/* The mark of a value that may be swept once nothing refers to it: one field, `part`.
 */
static struct cairn_slice part_mark(struct cairn_arena *arena) {
    const struct cairn_field field = {
        .key = {"part", 4}, .type = CAIRN_FIELD_BOOLEAN, .value.boolean = true};
    struct cairn_bytes mark = {0};
    struct cairn_slice copy = {"", 0};
    if (!cairn_metadata_encode(&field, 1, &mark, NULL))
        (void)cairn_arena_copy(arena, cairn_bytes_slice(&mark), &copy);
    cairn_bytes_free(&mark);
    return copy; /* without memory: unmarked, and never swept */
}

enum cairn_status batch_add_part(struct batch *batch, struct cairn_slice bytes,
                                 struct cairn_slice *path, struct cairn_error *error) {
    struct cairn_id hash;
    enum cairn_status status = cairn_id_of_bytes(bytes, &hash, error);
    if (status)
        return status;
    if (!name_data(&hash, &batch->arena, path))
        return no_memory(error);
    batch->has_parts = true;
    return batch_add(batch,
                     (struct cairn_operation){.kind = CAIRN_WRITE,
                                              .path = *path,
                                              .value = bytes,
                                              .metadata = part_mark(&batch->arena),
                                              .keep = true},
                     error);
}

bool batch_is_commitments(const struct cairn_pair *field) {
    return field->value.type == CAIRN_VALUE_MESSAGE && field->key.size == 11 &&
           memcmp(field->key.data, "commitments", 11) == 0;
}

static const struct cairn_value *commitments_of(const struct cairn_value *stored) {
    const struct cairn_value *found =
        cairn_message_find(stored, cairn_slice_of("commitments"));
    return found && found->type == CAIRN_VALUE_MESSAGE ? found : NULL;
}

/* Content and commitments in one: nobody can have another message lie there. */
enum cairn_status batch_place(enum cairn_ids ids, const struct cairn_value *stored,
                              struct cairn_id *out, struct cairn_error *error) {
    const struct cairn_value *commitments = commitments_of(stored);
    struct cairn_id content, about;
    if (!commitments)
        return cairn_id_of_message(stored, ids, out, error);
    enum cairn_status status =
        cairn_id_of_message(stored, CAIRN_IDS_SAFE, &content, error);
    if (!status)
        status = cairn_id_of_message(commitments, CAIRN_IDS_SAFE, &about, error);
    if (status)
        return status;
    char both[2 * CAIRN_ID_SIZE + 1];
    memcpy(both, content.text, CAIRN_ID_SIZE);
    both[CAIRN_ID_SIZE] = '+';
    memcpy(both + CAIRN_ID_SIZE + 1, about.text, CAIRN_ID_SIZE);
    return cairn_id_of_bytes((struct cairn_slice){both, sizeof both}, out, error);
}

static enum cairn_status add_message(struct batch *batch, enum cairn_ids ids,
                                     const struct cairn_value *stored,
                                     struct cairn_id *place, struct cairn_error *error);

static enum cairn_status make_child(struct batch *batch, enum cairn_ids ids,
                                    const struct cairn_pair *field,
                                    struct cairn_pack_child *child,
                                    struct cairn_error *error) {
    const struct cairn_value *value = &field->value;
    struct cairn_id place, goes_by;
    enum cairn_status status = CAIRN_OK;
    *child = (struct cairn_pack_child){.entry = {.kind = CAIRN_LINK}};
    if (!name_escape(field->key, &batch->arena, &child->name))
        return no_memory(error);
    if (value->type == CAIRN_VALUE_MESSAGE) {
        /* Commitments differ in signatures, which are not in the reference's ids. */
        status = add_message(batch, batch_is_commitments(field) ? CAIRN_IDS_SAFE : ids,
                             value, &place, error);
        if (!status)
            status = batch_add_ids(batch, value, &place, &goes_by, error);
        if (!status && !cairn_arena_copy(&batch->arena, cairn_id_slice(&place),
                                         &child->entry.payload))
            status = no_memory(error);
    } else if (value->as.bytes.size > CAIRN_INLINE_MAX) {
        status = batch_add_part(batch, value->as.bytes, &child->entry.payload, error);
    } else {
        child->entry.kind = CAIRN_RAW;
        child->entry.payload = value->as.bytes;
    }
    child->entry.size = child->entry.payload.size;
    batch->bytes += child->name.size + child->entry.payload.size;
    return status;
}

static enum cairn_status add_message(struct batch *batch, enum cairn_ids ids,
                                     const struct cairn_value *stored,
                                     struct cairn_id *place,
                                     struct cairn_error *error) {
    enum cairn_status status = batch_place(ids, stored, place, error);
    if (status)
        return status;
    struct cairn_operation pack = {
        .kind = CAIRN_MAKE_PACK, .child_count = stored->count, .keep = true};
    pack.children =
        cairn_arena_take(&batch->arena, stored->count * sizeof *pack.children + 1);
    if (!pack.children ||
        !cairn_arena_copy(&batch->arena, cairn_id_slice(place), &pack.path))
        return no_memory(error);
    for (size_t i = 0; i < stored->count && !status; i++)
        status =
            make_child(batch, ids, &stored->as.fields[i], &pack.children[i], error);
    return status ? status : batch_add(batch, pack, error);
}

enum cairn_status batch_add_message(struct batch *batch,
                                    const struct cairn_value *stored,
                                    struct cairn_id *place, struct cairn_error *error) {
    return add_message(batch, batch->cache->options.ids, stored, place, error);
}

static enum cairn_status add_link(struct batch *batch, struct cairn_slice from,
                                  const struct cairn_id *place,
                                  struct cairn_error *error) {
    struct cairn_operation link = {.kind = CAIRN_MAKE_LINK};
    if (!cairn_is_id(from) || cairn_slice_equal(from, cairn_id_slice(place)))
        return CAIRN_OK;
    if (!cairn_arena_copy(&batch->arena, from, &link.path) ||
        !cairn_arena_copy(&batch->arena, cairn_id_slice(place), &link.value))
        return no_memory(error);
    return batch_add(batch, link, error);
}

enum cairn_status batch_add_ids(struct batch *batch, const struct cairn_value *stored,
                                const struct cairn_id *place, struct cairn_id *goes_by,
                                struct cairn_error *error) {
    enum cairn_ids ids = batch->cache->options.ids;
    const struct cairn_value *commitments = commitments_of(stored);
    struct cairn_id content;
    *goes_by = *place;
    if (!commitments)
        return CAIRN_OK;
    enum cairn_status status = cairn_id_of_message(stored, ids, &content, error);
    if (!status)
        status = cairn_id_of_committed(stored, ids, goes_by, error);
    if (!status)
        status = add_link(batch, cairn_id_slice(&content), place, error);
    for (size_t i = 0; i < commitments->count && !status; i++)
        status = add_link(batch, commitments->as.fields[i].key, place, error);
    return status ? status : add_link(batch, cairn_id_slice(goes_by), place, error);
}

static void note(struct parts *parts, struct cairn_slice path) {
    struct cairn_slice hash;
    if (name_is_data(path, &hash))
        parts_note(parts, hash);
    else if (path.size == CAIRN_ID_SIZE)
        parts_note(parts, path);
}

/* What is written, and what it refers to. */
static void note_references(struct batch *batch) {
    struct parts *parts = &batch->cache->parts;
    for (size_t i = 0; i < batch->count && parts_are_swept(parts); i++) {
        struct cairn_operation *operation = &batch->operations[i];
        note(parts, operation->path);
        if (operation->kind == CAIRN_MAKE_LINK)
            note(parts, operation->value);
        for (size_t c = 0; c < operation->child_count; c++)
            if (operation->children[c].entry.kind == CAIRN_LINK)
                note(parts, operation->children[c].entry.payload);
    }
}

/* Where the store cannot keep metadata, values go unmarked. */
static void unmark(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        batch->operations[i].metadata = (struct cairn_slice){"", 0};
}

enum cairn_status batch_apply(struct batch *batch, const struct cairn_context *context,
                              unsigned flags, struct cairn_error *error) {
    struct cairn_chain *chain = batch->cache->chain;
    flags |= CAIRN_STORE_IN_STEPS;
    parts_enter(&batch->cache->parts);
    note_references(batch);
    enum cairn_status status = cairn_chain_apply(chain, context, batch->operations,
                                                 batch->count, flags, NULL, error);
    if (status == CAIRN_UNSUPPORTED && batch->has_parts) {
        unmark(batch);
        status = cairn_chain_apply(chain, context, batch->operations, batch->count,
                                   flags, NULL, error);
    }
    parts_leave(&batch->cache->parts);
    return status;
}

static enum cairn_status copy_bytes(struct cairn_slice bytes, struct cairn_arena *arena,
                                    struct cairn_slice *out,
                                    struct cairn_error *error) {
    return cairn_arena_copy(arena, bytes, out) ? CAIRN_OK : no_memory(error);
}

static enum cairn_status copy_fields(const struct cairn_value *value,
                                     struct cairn_arena *arena, struct cairn_value *out,
                                     struct cairn_error *error) {
    struct cairn_pair *fields =
        cairn_arena_take(arena, value->count * sizeof *fields + 1);
    enum cairn_status status = fields ? CAIRN_OK : no_memory(error);
    for (size_t i = 0; i < value->count && !status; i++) {
        status = copy_bytes(value->as.fields[i].key, arena, &fields[i].key, error);
        if (!status)
            status =
                value_copy(&value->as.fields[i].value, arena, &fields[i].value, error);
    }
    out->as.fields = fields;
    return status;
}

static enum cairn_status copy_items(const struct cairn_value *value,
                                    struct cairn_arena *arena, struct cairn_value *out,
                                    struct cairn_error *error) {
    struct cairn_value *items =
        cairn_arena_take(arena, value->count * sizeof *items + 1);
    enum cairn_status status = items ? CAIRN_OK : no_memory(error);
    for (size_t i = 0; i < value->count && !status; i++)
        status = value_copy(&value->as.items[i], arena, &items[i], error);
    out->as.items = items;
    return status;
}

enum cairn_status value_copy(const struct cairn_value *value, struct cairn_arena *arena,
                             struct cairn_value *out, struct cairn_error *error) {
    *out = *value;
    switch (value->type) {
    case CAIRN_VALUE_BYTES:
    case CAIRN_VALUE_ATOM:
        return copy_bytes(value->as.bytes, arena, &out->as.bytes, error);
    case CAIRN_VALUE_MESSAGE:
        return copy_fields(value, arena, out, error);
    case CAIRN_VALUE_LIST:
        return copy_items(value, arena, out, error);
    case CAIRN_VALUE_INTEGER:
    case CAIRN_VALUE_FLOAT:
        break;
    }
    return CAIRN_OK;
}
