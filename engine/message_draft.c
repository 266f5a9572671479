/* message_draft.c -- from the fields of a message to entries in order, and what a given
 * `ao-types` says of them. */
#include "message_draft.h"

#include <stdlib.h>

enum cairn_status draft_no_memory(struct storing *s) {
    return cairn_fail(s->error, CAIRN_NO_MEMORY, "message: no memory");
}

enum cairn_status draft_too_deep(struct storing *s) {
    return cairn_fail(s->error, CAIRN_LIMIT,
                      "a message of more than 64 levels of nesting");
}

/* -- Entries ---------------------------------------------------------------------- */

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

/* Takes `ao-types` out of the entries. */
static void take_given(struct draft *draft) {
    size_t kept = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        if (is_notes(draft->entries[i].key))
            draft->given = draft->entries[i].value;
        else
            draft->entries[kept++] = draft->entries[i];
    }
    draft->entry_count = kept;
}

static enum cairn_status collect(struct storing *s, const struct cairn_value *message,
                                 struct draft *draft) {
    draft->entries =
        cairn_arena_take(s->arena, message->count * sizeof *draft->entries + 1);
    if (!draft->entries)
        return draft_no_memory(s);
    for (size_t i = 0; i < message->count; i++) {
        struct entry *entry = &draft->entries[draft->entry_count];
        if (!key_normalize(message->as.fields[i].key, s->arena, &entry->key))
            return draft_no_memory(s);
        entry->value = &message->as.fields[i].value;
        draft->entry_count += !key_is_left_out(entry->key);
    }
    sort_entries(draft->entries, draft->entry_count);
    return merge_entries(s, draft);
}

/* -- Notes that were given -------------------------------------------------------- */

static enum cairn_status refuse(struct storing *s, const char *what,
                                struct cairn_slice key) {
    return cairn_fail_at(s->error, CAIRN_INVALID_ARGUMENT, what, key);
}

static bool is_left_out(struct cairn_slice key) {
    return key_is_left_out(key) || is_notes(key);
}

/* A map with the keys 1, 2, ... as the list of its values. */
static enum cairn_status to_list(struct storing *s, struct cairn_slice key,
                                 const struct cairn_value *map,
                                 struct cairn_value *out) {
    struct draft draft = {0};
    if (++s->depth > CAIRN_MESSAGE_DEPTH)
        return draft_too_deep(s);
    enum cairn_status status = draft_begin(s, map, &draft);
    s->depth--;
    if (status)
        return status;
    size_t count = draft.entry_count;
    struct cairn_value *items = cairn_arena_take(s->arena, count * sizeof *items + 1);
    if (!items)
        return draft_no_memory(s);
    if (!count || draft.absent_count)
        return refuse(s, "ao-types says list, but the keys are not 1, 2, ...", key);
    for (size_t i = 0; i < count; i++) {
        size_t place = item_place(draft.entries[i].key, count);
        if (!place)
            return refuse(s, "ao-types says list, but the keys are not 1, 2, ...", key);
        items[place - 1] = *draft.entries[i].value;
    }
    *out = (struct cairn_value){
        .type = CAIRN_VALUE_LIST, .count = count, .as.items = items};
    return CAIRN_OK;
}

/* A message without anything that is kept. */
static bool is_left_empty(const struct cairn_value *message) {
    bool empty = true;
    for (size_t i = 0; i < message->count && empty; i++)
        empty = key_is_left_out(message->as.fields[i].key);
    return empty;
}

/* Whether a value that has its type already is what the note says. */
static bool is_noted(const struct cairn_value *value, enum note_type note) {
    size_t size =
        value->type == CAIRN_VALUE_BYTES ? value->as.bytes.size : value->count;
    switch (note) {
    case NOTE_INTEGER:
        return value->type == CAIRN_VALUE_INTEGER;
    case NOTE_FLOAT:
        return value->type == CAIRN_VALUE_FLOAT;
    case NOTE_ATOM:
        return value->type == CAIRN_VALUE_ATOM;
    case NOTE_LIST:
        return value->type == CAIRN_VALUE_LIST && size;
    case NOTE_EMPTY_BINARY:
        return value->type == CAIRN_VALUE_BYTES && !size;
    case NOTE_EMPTY_LIST:
        return value->type == CAIRN_VALUE_LIST && !size;
    default:
        return value->type == CAIRN_VALUE_MESSAGE && is_left_empty(value);
    }
}

static enum cairn_status apply_note(struct storing *s, const struct note *note,
                                    struct entry *entry) {
    const struct cairn_value *value = entry->value;
    enum cairn_status status = CAIRN_CORRUPT;
    if (is_noted(value, note->type))
        return CAIRN_OK;
    struct cairn_value *typed = cairn_arena_take(s->arena, sizeof *typed);
    if (!typed)
        return draft_no_memory(s);
    entry->value = typed;
    if (value->type == CAIRN_VALUE_MESSAGE && note->type == NOTE_LIST)
        return to_list(s, entry->key, value, typed);
    if (value->type == CAIRN_VALUE_BYTES && value->as.bytes.size)
        status = value_read(value->as.bytes, note->type, s->arena, typed, s->error);
    return status == CAIRN_CORRUPT
               ? refuse(s, "ao-types says what the value is not", note->key)
               : status;
}

/* Of a value that is not there: an empty one is made, of what is never kept there is
 * nothing to say, and any other note stays, for a node may have taken the value out. */
static bool add_absent(struct storing *s, const struct note *note, struct draft *draft,
                       struct entry *entries, size_t *count) {
    if (is_left_out(note->key))
        return true;
    if (note->type < NOTE_EMPTY_BINARY) {
        draft->absent[draft->absent_count++] = *note;
        return true;
    }
    struct cairn_value *empty = cairn_arena_take(s->arena, sizeof *empty);
    if (!empty)
        return false;
    *empty = note_empty_value(note->type);
    entries[(*count)++] = (struct entry){note->key, empty};
    return true;
}

/* Entries and notes side by side, both in order. */
static enum cairn_status apply_notes(struct storing *s, const struct note *notes,
                                     size_t note_count, struct draft *draft) {
    enum cairn_status status = CAIRN_OK;
    size_t at = 0, note = 0, count = 0, room = draft->entry_count + note_count;
    struct entry *entries = cairn_arena_take(s->arena, room * sizeof *entries + 1);
    draft->absent = cairn_arena_take(s->arena, note_count * sizeof *notes + 1);
    if (!entries || !draft->absent)
        return draft_no_memory(s);
    while (!status && (at < draft->entry_count || note < note_count)) {
        int order = at == draft->entry_count ? 1
                    : note == note_count
                        ? -1
                        : cairn_slice_compare(draft->entries[at].key, notes[note].key);
        if (order > 0 && !add_absent(s, &notes[note], draft, entries, &count))
            return draft_no_memory(s);
        if (order == 0)
            status = apply_note(s, &notes[note], &draft->entries[at]);
        if (order <= 0)
            entries[count++] = draft->entries[at++];
        note += order >= 0;
    }
    draft->entries = entries;
    draft->entry_count = count;
    return status;
}

static enum cairn_status apply_given(struct storing *s, struct draft *draft) {
    struct note *notes = NULL;
    size_t count = 0;
    if (!draft->given)
        return CAIRN_OK;
    if (draft->given->type != CAIRN_VALUE_BYTES)
        return cairn_fail(s->error, CAIRN_INVALID_ARGUMENT,
                          "the value at 'ao-types' is a dictionary, as bytes");
    enum cairn_status status =
        notes_parse(draft->given->as.bytes, s->arena, &notes, &count, s->error);
    if (status)
        return status == CAIRN_CORRUPT ? CAIRN_INVALID_ARGUMENT : status;
    return apply_notes(s, notes, count, draft);
}

enum cairn_status draft_begin(struct storing *s, const struct cairn_value *message,
                              struct draft *draft) {
    enum cairn_status status = collect(s, message, draft);
    if (status)
        return status;
    take_given(draft);
    return apply_given(s, draft);
}
