/* metadata.c -- a flat table as bytes. The layout is in metadata.h. */
#include "cairn/metadata.h"

#include "wire.h"

enum { UNTRUE = 'u' };

static bool append_field(struct cairn_bytes *out, const struct cairn_field *field) {
    char type = (char)field->type;
    if (field->type == CAIRN_FIELD_BOOLEAN && !field->value.boolean)
        type = UNTRUE;
    if (!wire_append_run(out, field->key) ||
        !cairn_bytes_append(out, (struct cairn_slice){&type, 1}))
        return false;

    uint64_t word;
    switch (field->type) {
    case CAIRN_FIELD_STRING:
        return wire_append_run(out, field->value.string);
    case CAIRN_FIELD_INTEGER:
        return wire_append_word(out, (uint64_t)field->value.integer);
    case CAIRN_FIELD_NUMBER:
        memcpy(&word, &field->value.number, sizeof word);
        return wire_append_word(out, word);
    default:
        return true;
    }
}

enum cairn_status cairn_metadata_encode(const struct cairn_field *fields, size_t count,
                                        struct cairn_bytes *out,
                                        struct cairn_error *error) {
    bool room = count == 0 || wire_append_varint(out, count);
    for (size_t i = 0; i < count && room; i++)
        room = append_field(out, &fields[i]);
    if (!room)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for metadata");
    return CAIRN_OK;
}

enum cairn_status cairn_metadata_open(struct cairn_slice metadata,
                                      struct cairn_metadata_walk *walk,
                                      struct cairn_error *error) {
    *walk = (struct cairn_metadata_walk){.rest = metadata};
    if (metadata.size == 0)
        return CAIRN_OK;
    if (!wire_take_varint(&walk->rest, &walk->left))
        return cairn_fail(error, CAIRN_CORRUPT, "metadata without its count");
    return CAIRN_OK;
}

static bool take_value(struct cairn_slice *rest, char type, struct cairn_field *out) {
    uint64_t word;
    switch (type) {
    case CAIRN_FIELD_STRING:
        out->type = CAIRN_FIELD_STRING;
        return wire_take_run(rest, &out->value.string);
    case CAIRN_FIELD_INTEGER:
        out->type = CAIRN_FIELD_INTEGER;
        if (!wire_take_word(rest, &word))
            return false;
        out->value.integer = (int64_t)word;
        return true;
    case CAIRN_FIELD_NUMBER:
        out->type = CAIRN_FIELD_NUMBER;
        if (!wire_take_word(rest, &word))
            return false;
        memcpy(&out->value.number, &word, sizeof word);
        return true;
    case CAIRN_FIELD_BOOLEAN:
    case UNTRUE:
        out->type = CAIRN_FIELD_BOOLEAN;
        out->value.boolean = type == CAIRN_FIELD_BOOLEAN;
        return true;
    default:
        return false;
    }
}

enum cairn_status cairn_metadata_next(struct cairn_metadata_walk *walk,
                                      struct cairn_field *out,
                                      struct cairn_error *error) {
    if (walk->left == 0) {
        if (walk->rest.size)
            return cairn_fail(error, CAIRN_CORRUPT, "metadata with bytes behind it");
        return CAIRN_NOT_FOUND;
    }
    if (!wire_take_run(&walk->rest, &out->key) || walk->rest.size == 0)
        return cairn_fail(error, CAIRN_CORRUPT, "metadata that is cut off");
    char type = walk->rest.data[0];
    walk->rest = cairn_slice_sub(walk->rest, 1, walk->rest.size - 1);
    if (!take_value(&walk->rest, type, out))
        return cairn_fail(error, CAIRN_CORRUPT, "metadata that is cut off");
    walk->left--;
    return CAIRN_OK;
}
