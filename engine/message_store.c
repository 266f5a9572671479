/* message_store.c -- from typed to stored.
 *
 * A message that is stored already is looked through once and shared; of any other the
 * arrays of fields are new and the bytes shared. */
#include <stdio.h>
#include <stdlib.h>

#include "message_types.h"

/* -- What is left out, what is stored already ------------------------------------- */

static bool is_device(struct cairn_slice key) {
    return cairn_slice_equal(key, cairn_slice_of("device"));
}

static bool is_notes(struct cairn_slice key) {
    return cairn_slice_equal(key, cairn_slice_of("ao-types"));
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

enum { FEW = 24 }; /* up to as many are sorted by insertion */

struct storing {
    struct cairn_arena *arena;
    struct cairn_error *error;
    size_t size; /* keys and values so far */
    size_t depth;
};

/* One message on its way: its fields in order, then what they become. */
struct draft {
    struct entry {
        struct cairn_slice key; /* normal */
        const struct cairn_value *value;
    } * entries;
    size_t entry_count;
    struct cairn_pair *fields;
    size_t count;
    struct note *notes; /* of what was not bytes, in order */
    size_t note_count;
    struct cairn_slice given; /* an `ao-types` that was there; NULL: none */
};

static enum cairn_status store_message(struct storing *s,
                                       const struct cairn_value *message,
                                       struct cairn_value *out);

static enum cairn_status no_memory(struct storing *s) {
    return cairn_fail(s->error, CAIRN_NO_MEMORY, "message: no memory");
}

static enum cairn_status charge(struct storing *s, size_t size) {
    s->size += size;
    if (s->size > CAIRN_MESSAGE_MAX)
        return cairn_fail(s->error, CAIRN_LIMIT, "a message of more than 256 MiB");
    return CAIRN_OK;
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    return cairn_slice_compare(left->key, right->key);
}

static void sort_entries(struct entry *entries, size_t count) {
    if (count > FEW) {
        qsort(entries, count, sizeof *entries, compare_entries);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct entry moved = entries[i];
        size_t at = i;
        for (; at && compare_entries(&entries[at - 1], &moved) > 0; at--)
            entries[at] = entries[at - 1];
        entries[at] = moved;
    }
}

/* Keys that were one but for their case are one entry, if their values are. */
static enum cairn_status merge_entries(struct storing *s, struct draft *draft) {
    size_t kept = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct entry *entry = &draft->entries[i];
        if (kept && cairn_slice_equal(draft->entries[kept - 1].key, entry->key)) {
            if (cairn_value_equal(draft->entries[kept - 1].value, entry->value))
                continue;
            return cairn_fail_at(s->error, CAIRN_INVALID_ARGUMENT,
                                 "a message with two values at one key", entry->key);
        }
        draft->entries[kept++] = *entry;
    }
    draft->entry_count = kept;
    return CAIRN_OK;
}

static enum cairn_status collect(struct storing *s, const struct cairn_value *message,
                                 struct draft *draft) {
    draft->entries =
        cairn_arena_take(s->arena, message->count * sizeof *draft->entries + 1);
    if (!draft->entries)
        return no_memory(s);
    for (size_t i = 0; i < message->count; i++) {
        struct entry *entry = &draft->entries[draft->entry_count];
        if (!key_normalize(message->as.fields[i].key, s->arena, &entry->key))
            return no_memory(s);
        entry->value = &message->as.fields[i].value;
        draft->entry_count += !key_is_left_out(entry->key);
    }
    sort_entries(draft->entries, draft->entry_count);
    return merge_entries(s, draft);
}

/* A list that no single value can hold: a map with the keys 1, 2, ... */
static enum cairn_status store_items(struct storing *s, const struct cairn_value *list,
                                     struct cairn_value *out) {
    enum { DIGITS_MAX = 20 };
    struct cairn_pair *fields =
        cairn_arena_take(s->arena, list->count * sizeof *fields);
    char *digits = cairn_arena_take(s->arena, list->count * DIGITS_MAX + 1);
    if (!fields || !digits)
        return no_memory(s);
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

/* -- Notes that were given -------------------------------------------------------- */

static bool is_item_key(struct cairn_slice key) {
    bool plain = key.size && key.data[0] != '0';
    for (size_t i = 0; i < key.size; i++)
        plain = plain && key.data[i] >= '0' && key.data[i] <= '9';
    return plain || is_notes(key);
}

/* Whether a given note can be true of the value beside it. A note without a value is
 * left as it is: a node may have taken the value out. */
static bool note_fits(struct storing *s, const struct note *note,
                      const struct draft *draft) {
    struct cairn_value stored = {
        .type = CAIRN_VALUE_MESSAGE, .count = draft->count, .as.fields = draft->fields};
    const struct cairn_value *value = cairn_message_find(&stored, note->key);
    struct cairn_value typed;
    if (!value)
        return true;
    if (value->type == CAIRN_VALUE_BYTES)
        return value_read(value->as.bytes, note->type, s->arena, &typed, NULL) ==
               CAIRN_OK;
    bool fits = note->type == NOTE_LIST;
    for (size_t i = 0; i < value->count; i++)
        fits = fits && is_item_key(value->as.fields[i].key);
    return fits;
}

/* The notes of the draft and those given, in order; a key in both has one type. */
static enum cairn_status merge_notes(struct storing *s, const struct draft *draft,
                                     const struct note *given, size_t given_count,
                                     struct note *out, size_t *count) {
    size_t own = 0, other = 0;
    while (own < draft->note_count || other < given_count) {
        int order = own == draft->note_count ? 1
                    : other == given_count
                        ? -1
                        : cairn_slice_compare(draft->notes[own].key, given[other].key);
        if (order == 0 ? draft->notes[own].type != given[other].type
                       : order > 0 && !note_fits(s, &given[other], draft))
            return cairn_fail_at(s->error, CAIRN_INVALID_ARGUMENT,
                                 "ao-types says what the value is not",
                                 given[other].key);
        out[(*count)++] = order > 0 ? given[other] : draft->notes[own];
        own += order <= 0;
        other += order >= 0;
    }
    return CAIRN_OK;
}

/* What is to stand at `ao-types`: the given text where nothing was added to it. */
static enum cairn_status write_notes(struct storing *s, const struct draft *draft,
                                     struct cairn_slice *out) {
    struct note *given = NULL;
    size_t given_count = 0, count = 0;
    enum cairn_status status = CAIRN_OK;
    if (draft->given.size)
        status = notes_parse(draft->given, s->arena, &given, &given_count, s->error);
    if (status)
        return status == CAIRN_CORRUPT ? CAIRN_INVALID_ARGUMENT : status;
    struct note *all =
        cairn_arena_take(s->arena, (draft->note_count + given_count) * sizeof *all + 1);
    if (!all)
        return no_memory(s);
    status = merge_notes(s, draft, given, given_count, all, &count);
    if (status)
        return status;
    *out = draft->given;
    return count == given_count ? CAIRN_OK
                                : notes_write(all, count, s->arena, out, s->error);
}

static enum cairn_status add_notes(struct storing *s, struct draft *draft) {
    struct cairn_slice text, key = cairn_slice_of("ao-types");
    if (!draft->note_count && !draft->given.size)
        return CAIRN_OK;
    enum cairn_status status = write_notes(s, draft, &text);
    if (status || !text.size)
        return status;
    size_t at = draft->count++;
    for (; at && cairn_slice_compare(draft->fields[at - 1].key, key) > 0; at--)
        draft->fields[at] = draft->fields[at - 1];
    draft->fields[at] =
        (struct cairn_pair){key, {.type = CAIRN_VALUE_BYTES, .as.bytes = text}};
    return charge(s, key.size + text.size);
}

/* -- A message -------------------------------------------------------------------- */

static enum cairn_status store_entries(struct storing *s, struct draft *draft) {
    enum cairn_status status = CAIRN_OK;
    size_t room = draft->entry_count + 1;
    draft->fields = cairn_arena_take(s->arena, room * sizeof *draft->fields);
    draft->notes = cairn_arena_take(s->arena, room * sizeof *draft->notes);
    if (!draft->fields || !draft->notes)
        return no_memory(s);
    for (size_t i = 0; i < draft->entry_count && !status; i++) {
        const struct entry *entry = &draft->entries[i];
        if (!is_notes(entry->key))
            status = store_entry(s, entry, draft);
        else if (entry->value->type == CAIRN_VALUE_BYTES)
            draft->given = entry->value->as.bytes;
        else
            status = cairn_fail(s->error, CAIRN_INVALID_ARGUMENT,
                                "the value at 'ao-types' is a dictionary, as bytes");
    }
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
        return cairn_fail(s->error, CAIRN_LIMIT,
                          "a message of more than 64 levels of nesting");
    enum cairn_status status = collect(s, message, &draft);
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
