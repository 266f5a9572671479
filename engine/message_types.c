/* message_types.c -- values as bytes beside the name of their type, and back.
 *
 * Everything is written into room that was taken for the longest it can become. */
#include "message_types.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "put.h"
#include "scan.h"

enum {
    NUMBER_ROOM = 40,    /* "-1.79769313486231570815e+308" and shorter */
    TYPE_ROOM = 24,      /* "(ao-type-integer) " and shorter */
    LIST_LEVELS_MAX = 2, /* lists in lists, as one value; each doubles backslashes */
};

static const char *const names[] = {"",           "integer",      "float",
                                    "atom",       "list",         "empty-binary",
                                    "empty-list", "empty-message"};

const char *note_name(enum note_type type) {
    return names[type];
}

enum note_type note_named(struct cairn_slice name) {
    for (enum note_type type = NOTE_INTEGER; type <= NOTE_EMPTY_MESSAGE; type++)
        if (cairn_slice_equal(name, cairn_slice_of(names[type])))
            return type;
    return NOTE_NONE;
}

struct cairn_value note_empty_value(enum note_type note) {
    enum cairn_value_type type = note == NOTE_EMPTY_BINARY ? CAIRN_VALUE_BYTES
                                 : note == NOTE_EMPTY_LIST ? CAIRN_VALUE_LIST
                                                           : CAIRN_VALUE_MESSAGE;
    return (struct cairn_value){.type = type};
}

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "message: no memory");
}

/* -- Writing ---------------------------------------------------------------------- */

/* Escaped `level` times over, as in a string within a string: 2^level - 1 backslashes
 * before each quote and backslash. */
static char *put_byte(char *out, char byte, unsigned level) {
    if (byte == '"' || byte == '\\') {
        size_t slashes = ((size_t)1 << level) - 1;
        memset(out, '\\', slashes);
        out += slashes;
    }
    *out++ = byte;
    return out;
}

static char *put_bytes(char *out, struct cairn_slice bytes, unsigned level) {
    for (size_t i = 0; i < bytes.size; i++)
        out = put_byte(out, bytes.data[i], level);
    return out;
}

/* A script may have chosen a locale with another decimal point. */
static locale_t plain_locale;

static void make_plain_locale(void) {
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t c_locale(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_plain_locale);
    return plain_locale;
}

static char *put_float(char *out, double number) {
    locale_t plain = c_locale(), before = (locale_t)0;
    if (plain)
        before = uselocale(plain);
    out += snprintf(out, NUMBER_ROOM, "%.20e", number);
    if (plain)
        uselocale(before);
    return out;
}

static char *put_list(char *out, const struct cairn_value *list, unsigned level);

/* The bytes of a value, within strings `level` deep. */
static char *put_value(char *out, const struct cairn_value *value, unsigned level) {
    switch (value->type) {
    case CAIRN_VALUE_INTEGER:
        return out + snprintf(out, NUMBER_ROOM, "%lld", (long long)value->as.integer);
    case CAIRN_VALUE_FLOAT:
        return put_float(out, value->as.number);
    case CAIRN_VALUE_ATOM:
        out = put_byte(out, '"', level);
        out = put_bytes(out, value->as.bytes, level + 1);
        return put_byte(out, '"', level);
    case CAIRN_VALUE_LIST:
        return put_list(out, value, level);
    default:
        return put_bytes(out, value->as.bytes, level);
    }
}

static enum note_type note_of(const struct cairn_value *value) {
    static const enum note_type types[] = {
        [CAIRN_VALUE_BYTES] = NOTE_NONE,  [CAIRN_VALUE_INTEGER] = NOTE_INTEGER,
        [CAIRN_VALUE_FLOAT] = NOTE_FLOAT, [CAIRN_VALUE_ATOM] = NOTE_ATOM,
        [CAIRN_VALUE_LIST] = NOTE_LIST,   [CAIRN_VALUE_MESSAGE] = NOTE_NONE,
    };
    return types[value->type];
}

static char *put_list(char *out, const struct cairn_value *list, unsigned level) {
    for (size_t i = 0; i < list->count; i++) {
        const struct cairn_value *item = &list->as.items[i];
        if (i)
            out = put_text(out, ", ");
        out = put_byte(out, '"', level);
        if (note_of(item)) {
            out = put_text(out, "(ao-type-");
            out = put_text(out, note_name(note_of(item)));
            out = put_text(out, ") ");
        }
        out = put_value(out, item, level + 1);
        out = put_byte(out, '"', level);
    }
    return out;
}

/* Room that put_value needs at most. */
static size_t room_of(const struct cairn_value *value, unsigned level) {
    size_t most = (size_t)1 << (level + 1); /* of one byte, or a quote */
    if (value->type == CAIRN_VALUE_BYTES || value->type == CAIRN_VALUE_ATOM)
        return (value->as.bytes.size + 2) * most;
    if (value->type != CAIRN_VALUE_LIST)
        return NUMBER_ROOM;
    size_t room = 1;
    for (size_t i = 0; i < value->count; i++)
        room += TYPE_ROOM + 2 * most + room_of(&value->as.items[i], level + 1);
    return room;
}

/* What begins like the name of a type would be read as one. */
static bool looks_typed(struct cairn_slice bytes) {
    struct cairn_slice mark = cairn_slice_of("(ao-type-");
    return bytes.size >= mark.size && memcmp(bytes.data, mark.data, mark.size) == 0;
}

static bool is_flat(const struct cairn_value *list, unsigned level) {
    for (size_t i = 0; i < list->count; i++) {
        const struct cairn_value *item = &list->as.items[i];
        if (item->type == CAIRN_VALUE_MESSAGE ||
            (item->type == CAIRN_VALUE_BYTES && looks_typed(item->as.bytes)))
            return false;
        if (item->type == CAIRN_VALUE_LIST &&
            (i == 0 || level == LIST_LEVELS_MAX || !is_flat(item, level + 1)))
            return false;
    }
    return true;
}

bool list_is_flat(const struct cairn_value *list) {
    return is_flat(list, 1);
}

static bool is_finite(const struct cairn_value *value) {
    if (value->type == CAIRN_VALUE_FLOAT)
        return isfinite(value->as.number);
    bool finite = true;
    for (size_t i = 0; value->type == CAIRN_VALUE_LIST && i < value->count; i++)
        finite = finite && is_finite(&value->as.items[i]);
    return finite;
}

enum cairn_status value_write(const struct cairn_value *value,
                              struct cairn_arena *arena, struct cairn_slice *out,
                              struct cairn_error *error) {
    if (!is_finite(value))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a float that is not finite cannot be kept");
    char *text = cairn_arena_take(arena, room_of(value, 0));
    if (!text)
        return no_memory(error);
    *out = (struct cairn_slice){text, (size_t)(put_value(text, value, 0) - text)};
    return CAIRN_OK;
}

/* -- Reading ---------------------------------------------------------------------- */

static bool read_integer(struct cairn_slice text, int64_t *out) {
    bool negative = text.size && text.data[0] == '-';
    size_t at = negative;
    uint64_t value = 0, most = (uint64_t)INT64_MAX + negative;
    if (at == text.size)
        return false;
    for (; at < text.size; at++) {
        int next = text.data[at] - '0';
        if (next < 0 || next > 9 || value > (most - (uint64_t)next) / 10)
            return false;
        value = value * 10 + (uint64_t)next;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool read_float(struct cairn_slice text, double *out) {
    char copy[1100], *end; /* the longest exact decimal of a double has 1,076 digits */
    if (!text.size || text.size >= sizeof copy)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!text.data[i] || !strchr("0123456789+-.eE", text.data[i]))
            return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *out = c_locale() ? strtod_l(copy, &end, c_locale()) : strtod(copy, &end);
    return end == copy + text.size && isfinite(*out);
}

/* A name in quotes; a bare one is taken as well. */
static enum cairn_status read_atom(struct cairn_slice text, struct cairn_arena *arena,
                                   struct cairn_slice *out) {
    enum cairn_status status = scan_string(&text, arena, out);
    if (status == CAIRN_OK)
        return text.size ? CAIRN_CORRUPT : CAIRN_OK;
    if (status == CAIRN_NO_MEMORY || !text.size || text.data[0] == '"')
        return status == CAIRN_NO_MEMORY ? status : CAIRN_CORRUPT;
    for (size_t i = 0; i < text.size; i++)
        if (!isgraph((unsigned char)text.data[i]))
            return CAIRN_CORRUPT;
    *out = text;
    return CAIRN_OK;
}

static enum cairn_status read_list(struct cairn_slice text, unsigned level,
                                   struct cairn_arena *arena, struct cairn_value *out);

static enum cairn_status read_value(struct cairn_slice bytes, enum note_type type,
                                    unsigned level, struct cairn_arena *arena,
                                    struct cairn_value *out) {
    switch (type) {
    case NOTE_INTEGER:
        out->type = CAIRN_VALUE_INTEGER;
        return read_integer(bytes, &out->as.integer) ? CAIRN_OK : CAIRN_CORRUPT;
    case NOTE_FLOAT:
        out->type = CAIRN_VALUE_FLOAT;
        return read_float(bytes, &out->as.number) ? CAIRN_OK : CAIRN_CORRUPT;
    case NOTE_ATOM:
        out->type = CAIRN_VALUE_ATOM;
        return read_atom(bytes, arena, &out->as.bytes);
    case NOTE_LIST:
        return read_list(bytes, level, arena, out);
    default:
        return CAIRN_CORRUPT;
    }
}

/* An item of a list: a string, or of another type whose name it begins with. */
static enum cairn_status read_item(struct cairn_slice text, unsigned level,
                                   struct cairn_arena *arena, struct cairn_value *out) {
    if (!looks_typed(text)) {
        *out = (struct cairn_value){.type = CAIRN_VALUE_BYTES, .as.bytes = text};
        return CAIRN_OK;
    }
    size_t from = strlen("(ao-type-");
    const char *close = memmem(text.data, text.size, ") ", 2);
    if (!close)
        return CAIRN_CORRUPT;
    size_t end = (size_t)(close - text.data);
    enum note_type type = note_named(cairn_slice_sub(text, from, end - from));
    return read_value(cairn_slice_sub(text, end + 2, text.size - end - 2), type,
                      level + 1, arena, out);
}

/* How many items the list has at most, which is nearly always how many it has. */
static size_t count_commas(struct cairn_slice text) {
    size_t count = text.size > 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        if (quoted && text.data[i] == '\\')
            i++;
        else if (text.data[i] == '"')
            quoted = !quoted;
        else
            count += !quoted && text.data[i] == ',';
    }
    return count;
}

static enum cairn_status read_list(struct cairn_slice text, unsigned level,
                                   struct cairn_arena *arena, struct cairn_value *out) {
    scan_blanks(&text);
    size_t most = count_commas(text), count = 0;
    if (level > CAIRN_MESSAGE_DEPTH ||
        most > CAIRN_MESSAGE_MAX / sizeof(struct cairn_value))
        return CAIRN_LIMIT;
    struct cairn_value *items = cairn_arena_take(arena, most * sizeof *items + 1);
    if (!items)
        return CAIRN_NO_MEMORY;
    while (text.size) {
        struct cairn_slice item;
        enum cairn_status status = scan_string(&text, arena, &item);
        if (!status && count < most)
            status = read_item(item, level, arena, &items[count++]);
        if (status)
            return status == CAIRN_NOT_FOUND ? CAIRN_CORRUPT : status;
        if (!scan_comma(&text))
            return CAIRN_CORRUPT;
    }
    *out = (struct cairn_value){
        .type = CAIRN_VALUE_LIST, .count = count, .as.items = items};
    return CAIRN_OK;
}

enum cairn_status value_read(struct cairn_slice bytes, enum note_type type,
                             struct cairn_arena *arena, struct cairn_value *out,
                             struct cairn_error *error) {
    *out = (struct cairn_value){0};
    enum cairn_status status = read_value(bytes, type, 1, arena, out);
    if (status == CAIRN_NO_MEMORY)
        return no_memory(error);
    if (status == CAIRN_LIMIT)
        return cairn_fail(error, status, "a list that is too deep or too long");
    if (status) {
        char what[64];
        snprintf(what, sizeof what, "ao-types says %s, but the value is",
                 note_name(type));
        return cairn_fail_at(error, CAIRN_CORRUPT, what, bytes);
    }
    return CAIRN_OK;
}
