/* message_store.c -- from typed to stored.
 *
 * A message that is stored already is looked through once and shared; of any other the
 * arrays of fields are new and the bytes shared. */
#include <stdio.h>

#include "message_draft.h"

/* -- What is left out, what is stored already ------------------------------------- */

static bool is_device(struct cairn_slice key) {
    return cairn_slice_equal(key, cairn_slice_of("device"));
}

static bool is_normal(struct cairn_slice key) {
    if (!is_id_sized(key))
        for (size_t i = 0; i < key.size; i++)
            if (key.data[i] >= 'A' && key.data[i] <= 'Z')
                return false;
    return true;
}

/* A key that stays as it is. */
static bool is_kept(struct cairn_slice key) {
    return is_normal(key) && !key_is_left_out(key) && !is_notes(key);
}

/* True for what is its own stored form, and surely so: notes would have to be read, so
 * a message with notes takes the long way. Adds up its size. */
static bool is_stored(const struct cairn_value *message, size_t depth, size_t *size) {
    if (depth > CAIRN_MESSAGE_DEPTH)
        return false;
    for (size_t i = 0; i < message->count; i++) {
        const struct cairn_pair *field = &message->as.fields[i];
        const struct cairn_value *value = &field->value;
        if (i && cairn_slice_compare(field[-1].key, field->key) >= 0)
            return false;
        if (!is_kept(field->key))
            return false;
        *size += field->key.size;
        if (value->type == CAIRN_VALUE_BYTES && value->as.bytes.size)
            *size += value->as.bytes.size;
        else if (value->type != CAIRN_VALUE_MESSAGE || !value->count ||
                 is_device(field->key) || !is_stored(value, depth + 1, size))
            return false;
    }
    return true;
}

/* -- From typed to stored --------------------------------------------------------- */

static enum cairn_status store_message(struct storing *s,
                                       const struct cairn_value *message,
                                       struct cairn_value *out);

static enum cairn_status charge(struct storing *s, size_t size) {
    s->size += size;
    if (s->size > CAIRN_MESSAGE_MAX)
        return cairn_fail(s->error, CAIRN_LIMIT, "a message of more than 256 MiB");
    return CAIRN_OK;
}

/* A list that no single value can hold: a map with the keys 1, 2, ... */
static enum cairn_status store_items(struct storing *s, const struct cairn_value *list,
                                     struct cairn_value *out) {
    enum { DIGITS_MAX = 20 };
    struct cairn_pair *fields =
        cairn_arena_take(s->arena, list->count * sizeof *fields);
    char *digits = cairn_arena_take(s->arena, list->count * DIGITS_MAX + 1);
    if (!fields || !digits)
        return draft_no_memory(s);
    for (size_t i = 0; i < list->count; i++) {
        int size = sprintf(digits, "%zu", i + 1);
        fields[i].key = (struct cairn_slice){digits, (size_t)size};
        fields[i].value = list->as.items[i];
        digits += size;
    }
    struct cairn_value map = {
        .type = CAIRN_VALUE_MESSAGE, .count = list->count, .as.fields = fields};
    return store_message(s, &map, out);
}

static enum cairn_status store_list(struct storing *s, const struct cairn_value *list,
                                    struct cairn_value *out, enum note_type *note) {
    *note = list->count ? NOTE_LIST : NOTE_EMPTY_LIST;
    if (!list->count)
        return CAIRN_OK;
    if (!list_is_flat(list))
        return store_items(s, list, out);
    return value_write(list, s->arena, &out->as.bytes, s->error);
}

/* The stored form of a value, and what is to be noted of it; with the empty ones there
 * is nothing but the note. */
static enum cairn_status store_value(struct storing *s, const struct cairn_value *value,
                                     struct cairn_value *out, enum note_type *note) {
    enum cairn_status status;
    *out = (struct cairn_value){.type = CAIRN_VALUE_BYTES};
    switch (value->type) {
    case CAIRN_VALUE_BYTES:
        *note = value->as.bytes.size ? NOTE_NONE : NOTE_EMPTY_BINARY;
        out->as.bytes = value->as.bytes;
        return CAIRN_OK;
    case CAIRN_VALUE_MESSAGE:
        status = store_message(s, value, out);
        *note = out->count ? NOTE_NONE : NOTE_EMPTY_MESSAGE;
        return status;
    case CAIRN_VALUE_LIST:
        return store_list(s, value, out, note);
    case CAIRN_VALUE_INTEGER:
        *note = NOTE_INTEGER;
        break;
    case CAIRN_VALUE_FLOAT:
        *note = NOTE_FLOAT;
        break;
    case CAIRN_VALUE_ATOM:
        *note = NOTE_ATOM;
        break;
    }
    return value_write(value, s->arena, &out->as.bytes, s->error);
}

static enum cairn_status store_entry(struct storing *s, const struct entry *entry,
                                     struct draft *draft) {
    enum note_type note = NOTE_NONE;
    struct cairn_pair *field = &draft->fields[draft->count];
    field->key = entry->key;
    enum cairn_status status = store_value(s, entry->value, &field->value, &note);
    if (status)
        return status;
    bool is_map = field->value.type == CAIRN_VALUE_MESSAGE;
    if (is_map && field->value.count && is_device(entry->key))
        return cairn_fail(s->error, CAIRN_INVALID_ARGUMENT,
                          "the value at 'device' may not be a message");
    if (note)
        draft->notes[draft->note_count++] = (struct note){entry->key, note};
    draft->count += note < NOTE_EMPTY_BINARY;
    return charge(s, entry->key.size + (is_map ? 0 : field->value.as.bytes.size));
}

static enum cairn_status add_notes(struct storing *s, struct draft *draft) {
    struct cairn_slice text, key = cairn_slice_of("ao-types");
    if (!draft->note_count)
        return CAIRN_OK;
    enum cairn_status status =
        notes_write(draft->notes, draft->note_count, s->arena, &text, s->error);
    if (status)
        return status;
    size_t at = draft->count++;
    for (; at && cairn_slice_compare(draft->fields[at - 1].key, key) > 0; at--)
        draft->fields[at] = draft->fields[at - 1];
    draft->fields[at] =
        (struct cairn_pair){key, {.type = CAIRN_VALUE_BYTES, .as.bytes = text}};
    return charge(s, key.size + text.size);
}

/* -- A message -------------------------------------------------------------------- */

/* The notes of values that are not there come in order among the others. */
static void add_absent_notes(struct draft *draft, const struct cairn_slice *before) {
    while (draft->absent_count &&
           (!before || cairn_slice_compare(draft->absent->key, *before) < 0)) {
        draft->notes[draft->note_count++] = *draft->absent++;
        draft->absent_count--;
    }
}

static enum cairn_status store_entries(struct storing *s, struct draft *draft) {
    enum cairn_status status = CAIRN_OK;
    size_t room = draft->entry_count + 1, notes = room + draft->absent_count;
    draft->fields = cairn_arena_take(s->arena, room * sizeof *draft->fields);
    draft->notes = cairn_arena_take(s->arena, notes * sizeof *draft->notes);
    if (!draft->fields || !draft->notes)
        return draft_no_memory(s);
    for (size_t i = 0; i < draft->entry_count && !status; i++) {
        add_absent_notes(draft, &draft->entries[i].key);
        status = store_entry(s, &draft->entries[i], draft);
    }
    add_absent_notes(draft, NULL);
    return status ? status : add_notes(s, draft);
}

/* Most messages are a few strings: then there is nothing but their order to see to.
 * False if there is more. */
static bool store_plain(struct storing *s, const struct cairn_value *message,
                        struct cairn_value *out) {
    size_t count = message->count;
    if (!count || count > FEW)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct cairn_pair *field = &message->as.fields[i];
        if (field->value.type != CAIRN_VALUE_BYTES || !field->value.as.bytes.size ||
            !is_kept(field->key))
            return false;
    }
    struct cairn_pair *fields = cairn_arena_take(s->arena, count * sizeof *fields);
    for (size_t i = 0; fields && i < count; i++) {
        const struct cairn_pair *field = &message->as.fields[i];
        size_t at = i;
        for (; at && cairn_slice_compare(fields[at - 1].key, field->key) > 0; at--)
            fields[at] = fields[at - 1];
        if (at && cairn_slice_equal(fields[at - 1].key, field->key))
            return false;
        fields[at] = *field;
        s->size += field->key.size + field->value.as.bytes.size;
    }
    *out = (struct cairn_value){
        .type = CAIRN_VALUE_MESSAGE, .count = count, .as.fields = fields};
    return fields != NULL;
}

static enum cairn_status store_message(struct storing *s,
                                       const struct cairn_value *message,
                                       struct cairn_value *out) {
    struct draft draft = {0};
    size_t size = s->size;
    if (s->depth < CAIRN_MESSAGE_DEPTH && store_plain(s, message, out))
        return charge(s, 0);
    s->size = size;
    if (++s->depth > CAIRN_MESSAGE_DEPTH)
        return draft_too_deep(s);
    enum cairn_status status = draft_begin(s, message, &draft);
    if (!status)
        status = store_entries(s, &draft);
    *out = (struct cairn_value){
        .type = CAIRN_VALUE_MESSAGE, .count = draft.count, .as.fields = draft.fields};
    s->depth--;
    return status;
}

enum cairn_status cairn_message_store(const struct cairn_value *message,
                                      struct cairn_arena *arena,
                                      struct cairn_value *out,
                                      struct cairn_error *error) {
    struct storing s = {.arena = arena, .error = error};
    if (message->type != CAIRN_VALUE_MESSAGE)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a message expected, not a single value");
    if (!is_stored(message, 1, &s.size)) {
        s.size = 0;
        return store_message(&s, message, out);
    }
    *out = *message;
    return charge(&s, 0);
}
