/* message_notes.c -- `ao-types`: which type is noted at which key. */
#include <ctype.h>
#include <stdlib.h>

#include "message_types.h"
#include "put.h"
#include "scan.h"

enum { TYPE_ROOM = 24 }; /* `="empty-message", ` and shorter */

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "message: no memory");
}

static bool begins_with(struct cairn_slice key, const char *text) {
    size_t size = strlen(text);
    return key.size >= size && memcmp(key.data, text, size) == 0;
}

bool key_is_left_out(struct cairn_slice key) {
    return begins_with(key, "priv") ||
           cairn_slice_equal(key, cairn_slice_of("unsigned_id")) ||
           cairn_slice_equal(key, cairn_slice_of("content-digest"));
}

bool key_normalize(struct cairn_slice key, struct cairn_arena *arena,
                   struct cairn_slice *out) {
    size_t at = 0;
    while (at < key.size && (key.data[at] < 'A' || key.data[at] > 'Z'))
        at++;
    *out = key;
    if (at == key.size || is_id_sized(key))
        return true;
    char *lower = cairn_arena_take(arena, key.size);
    if (!lower)
        return false;
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    out->data = lower;
    return true;
}

size_t item_place(struct cairn_slice key, size_t count) {
    size_t place = 0;
    for (size_t i = 0; i < key.size && place <= count; i++) {
        unsigned next = (unsigned)(key.data[i] - '0');
        if (next > 9 || (i == 0 && next == 0))
            return 0;
        place = place * 10 + next;
    }
    return place <= count ? place : 0;
}

/* -- Writing ---------------------------------------------------------------------- */

static bool stays_in_key(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr(".-_/?&+", c));
}

static char *put_key(char *out, struct cairn_slice key) {
    for (size_t i = 0; i < key.size; i++) {
        unsigned char c = (unsigned char)key.data[i];
        if (stays_in_key(c))
            *out++ = (char)c;
        else
            out = put_percent(out, c);
    }
    return out;
}

enum cairn_status notes_write(const struct note *notes, size_t count,
                              struct cairn_arena *arena, struct cairn_slice *out,
                              struct cairn_error *error) {
    size_t room = 1;
    for (size_t i = 0; i < count; i++)
        room += notes[i].key.size * 3 + TYPE_ROOM;
    char *text = cairn_arena_take(arena, room), *end = text;
    if (!text)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        end = put_text(end, i ? ", " : "");
        end = put_key(end, notes[i].key);
        end = put_text(end, "=\"");
        end = put_text(end, note_name(notes[i].type));
        end = put_text(end, "\"");
    }
    *out = (struct cairn_slice){text, (size_t)(end - text)};
    return CAIRN_OK;
}

/* -- Reading ---------------------------------------------------------------------- */

/* Takes `key="type"`; the type may stand without quotes as well. */
static enum cairn_status take_note(struct cairn_slice *text, struct cairn_arena *arena,
                                   struct note *out) {
    const char *equals = memchr(text->data, '=', text->size);
    struct cairn_slice key, type;
    if (!equals)
        return CAIRN_CORRUPT;
    size_t size = (size_t)(equals - text->data);
    enum cairn_status status =
        scan_percent(cairn_slice_sub(*text, 0, size), arena, &key);
    if (status)
        return status;
    if (!key_normalize(key, arena, &out->key))
        return CAIRN_NO_MEMORY;
    *text = cairn_slice_sub(*text, size + 1, text->size - size - 1);
    status = scan_string(text, arena, &type);
    if (status == CAIRN_NOT_FOUND) {
        size_t end = 0;
        while (end < text->size &&
               (islower((unsigned char)text->data[end]) || text->data[end] == '-'))
            end++;
        type = cairn_slice_sub(*text, 0, end);
        *text = cairn_slice_sub(*text, end, text->size - end);
        status = CAIRN_OK;
    }
    out->type = note_named(type);
    return status ? status : out->type ? CAIRN_OK : CAIRN_CORRUPT;
}

static int compare_notes(const void *a, const void *b) {
    const struct note *left = a, *right = b;
    return cairn_slice_compare(left->key, right->key);
}

/* In order, each key once; false if two notes of one key differ. */
static bool sort_notes(struct note *notes, size_t *count, struct cairn_slice *twice) {
    size_t kept = 0;
    bool sorted = true;
    for (size_t i = 1; i < *count && sorted; i++)
        sorted = compare_notes(&notes[i - 1], &notes[i]) < 0;
    if (sorted)
        return true;
    qsort(notes, *count, sizeof *notes, compare_notes);
    for (size_t i = 0; i < *count; i++) {
        if (kept == 0 || compare_notes(&notes[kept - 1], &notes[i]) != 0)
            notes[kept++] = notes[i];
        else if (notes[kept - 1].type != notes[i].type) {
            *twice = notes[i].key;
            return false;
        }
    }
    *count = kept;
    return true;
}

enum cairn_status notes_parse(struct cairn_slice text, struct cairn_arena *arena,
                              struct note **out, size_t *count,
                              struct cairn_error *error) {
    struct cairn_slice rest = text;
    size_t most = 1;
    for (size_t i = 0; i < text.size; i++)
        most += text.data[i] == ',';
    if (most > CAIRN_MESSAGE_MAX / sizeof(struct note))
        return cairn_fail(error, CAIRN_LIMIT, "ao-types of too many keys");
    struct note *notes = cairn_arena_take(arena, most * sizeof *notes);
    enum cairn_status status = notes ? CAIRN_OK : CAIRN_NO_MEMORY;
    size_t found = 0;
    scan_blanks(&rest);
    while (!status && rest.size && found < most) {
        status = take_note(&rest, arena, &notes[found++]);
        if (!status && !scan_comma(&rest))
            status = CAIRN_CORRUPT;
    }
    if (status == CAIRN_NO_MEMORY)
        return no_memory(error);
    if (status || rest.size)
        return cairn_fail_at(error, CAIRN_CORRUPT,
                             "ao-types that are no dictionary of types", text);
    if (!sort_notes(notes, &found, &rest))
        return cairn_fail_at(error, CAIRN_CORRUPT, "ao-types says two things of", rest);
    *out = notes;
    *count = found;
    return CAIRN_OK;
}
