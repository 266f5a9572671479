/* message_typed.c -- from stored to typed: what `ao-types` notes gets its type again.
 */
#include "message_types.h"

struct typing {
    struct cairn_arena *arena;
    struct cairn_error *error;
    size_t depth;
};

static enum cairn_status type_message(struct typing *t,
                                      const struct cairn_value *stored,
                                      struct cairn_value *out);

static enum cairn_status no_memory(struct typing *t) {
    return cairn_fail(t->error, CAIRN_NO_MEMORY, "message: no memory");
}

/* True where there is nothing to be typed. */
static bool is_plain(const struct cairn_value *stored) {
    for (size_t i = 0; i < stored->count; i++)
        if (stored->as.fields[i].value.type != CAIRN_VALUE_BYTES ||
            cairn_slice_equal(stored->as.fields[i].key, cairn_slice_of("ao-types")))
            return false;
    return true;
}

static enum cairn_status read_notes(struct typing *t, const struct cairn_value *stored,
                                    struct note **notes, size_t *count) {
    const struct cairn_value *text =
        cairn_message_find(stored, cairn_slice_of("ao-types"));
    *count = 0;
    if (!text)
        return CAIRN_OK;
    if (text->type != CAIRN_VALUE_BYTES)
        return cairn_fail(t->error, CAIRN_CORRUPT, "ao-types that are a message");
    return notes_parse(text->as.bytes, t->arena, notes, count, t->error);
}

/* A map with the keys 1, 2, ... as the list of its values. */
static enum cairn_status type_items(struct typing *t, struct cairn_slice key,
                                    const struct cairn_value *stored,
                                    struct cairn_value *out) {
    struct cairn_value map;
    enum cairn_status status = type_message(t, stored, &map);
    if (status)
        return status;
    struct cairn_value *items =
        cairn_arena_take(t->arena, map.count * sizeof *items + 1);
    if (!items)
        return no_memory(t);
    for (size_t i = 0; i < map.count; i++) {
        size_t place = item_place(map.as.fields[i].key, map.count);
        if (!place)
            return cairn_fail_at(t->error, CAIRN_CORRUPT,
                                 "ao-types says list, but the keys are not 1, 2, ...",
                                 key);
        items[place - 1] = map.as.fields[i].value;
    }
    *out = (struct cairn_value){
        .type = CAIRN_VALUE_LIST, .count = map.count, .as.items = items};
    return CAIRN_OK;
}

/* The value beside a note, or without one. */
static enum cairn_status type_value(struct typing *t, const struct cairn_pair *field,
                                    enum note_type note, struct cairn_value *out) {
    if (field->value.type == CAIRN_VALUE_MESSAGE && !note)
        return type_message(t, &field->value, out);
    if (field->value.type == CAIRN_VALUE_MESSAGE && note == NOTE_LIST)
        return type_items(t, field->key, &field->value, out);
    if (note >= NOTE_EMPTY_BINARY || field->value.type != CAIRN_VALUE_BYTES)
        return cairn_fail_at(t->error, CAIRN_CORRUPT,
                             "ao-types says what the value is not", field->key);
    if (note)
        return value_read(field->value.as.bytes, note, t->arena, out, t->error);
    *out = field->value;
    return CAIRN_OK;
}

static bool is_kept(struct cairn_slice key) {
    return !key_is_left_out(key) && !cairn_slice_equal(key, cairn_slice_of("ao-types"));
}

/* Fields and notes side by side, both in order. A note of a value that is not there
 * says nothing, unless it is of an empty one that a message can have. */
static enum cairn_status type_fields(struct typing *t, const struct cairn_value *stored,
                                     const struct note *notes, size_t note_count,
                                     struct cairn_value *out) {
    enum cairn_status status = CAIRN_OK;
    size_t at = 0, note = 0;
    while (!status && (at < stored->count || note < note_count)) {
        const struct cairn_pair *field = &stored->as.fields[at];
        int order = at == stored->count ? 1
                    : note == note_count
                        ? -1
                        : cairn_slice_compare(field->key, notes[note].key);
        struct cairn_pair *next = &out->as.fields[out->count];
        if (order > 0) {
            next->key = notes[note].key;
            next->value = note_empty_value(notes[note].type);
            out->count += notes[note].type >= NOTE_EMPTY_BINARY && is_kept(next->key);
        } else if (!cairn_slice_equal(field->key, cairn_slice_of("ao-types"))) {
            next->key = field->key;
            status = type_value(t, field, order == 0 ? notes[note].type : NOTE_NONE,
                                &next->value);
            out->count++;
        }
        at += order <= 0;
        note += order >= 0;
    }
    return status;
}

static enum cairn_status type_message(struct typing *t,
                                      const struct cairn_value *stored,
                                      struct cairn_value *out) {
    struct note *notes = NULL;
    size_t count = 0;
    *out = *stored;
    if (is_plain(stored))
        return CAIRN_OK;
    if (++t->depth > CAIRN_MESSAGE_DEPTH)
        return cairn_fail(t->error, CAIRN_LIMIT,
                          "a message of more than 64 levels of nesting");
    enum cairn_status status = read_notes(t, stored, &notes, &count);
    if (status)
        return status;
    out->count = 0;
    out->as.fields = cairn_arena_take(
        t->arena, (stored->count + count) * sizeof *out->as.fields + 1);
    if (!out->as.fields)
        return no_memory(t);
    status = type_fields(t, stored, notes, count, out);
    t->depth--;
    return status;
}

enum cairn_status cairn_message_type(const struct cairn_value *stored,
                                     struct cairn_arena *arena, struct cairn_value *out,
                                     struct cairn_error *error) {
    struct typing t = {.arena = arena, .error = error};
    if (stored->type != CAIRN_VALUE_MESSAGE)
        return cairn_fail(error, CAIRN_CORRUPT, "a stored message is no single value");
    return type_message(&t, stored, out);
}
