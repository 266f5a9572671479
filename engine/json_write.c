/* json_write.c -- from a value to JSON, straight into bytes: a second tree would only
 * be copied again, and libjansson writes 0.1 as 0.10000000000000001. */
#include "cairn/message.h"
#include "digest.h"
#include "keyed.h"
#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_MOST ((int64_t)1 << 53) /* what every reader of JSON keeps apart */

struct writer {
    struct cairn_bytes *out;
    unsigned indent;
    unsigned depth; /* of brackets that are open */
    unsigned level; /* of lists and messages around */
    bool no_memory; /* told at the end; until then nothing is appended any more */
    struct cairn_error *error;
};

static enum cairn_status put_value(struct writer *w, const struct cairn_value *value);

/* -- Text ------------------------------------------------------------------------- */

static void put(struct writer *w, struct cairn_slice bytes) {
    if (!w->no_memory && !cairn_bytes_append(w->out, bytes))
        w->no_memory = true;
}

static void put_text(struct writer *w, const char *text) {
    put(w, cairn_slice_of(text));
}

static void new_line(struct writer *w) {
    if (!w->indent)
        return;
    put_text(w, "\n");
    for (unsigned i = 0; i < w->depth * w->indent; i++)
        put_text(w, " ");
}

static void open_bracket(struct writer *w, const char *bracket) {
    put_text(w, bracket);
    w->depth++;
}

static void close_bracket(struct writer *w, const char *bracket, bool empty) {
    w->depth--;
    if (!empty)
        new_line(w);
    put_text(w, bracket);
}

/* Between two elements, and before the first. */
static void next_element(struct writer *w, bool first) {
    if (!first)
        put_text(w, ",");
    new_line(w);
}

static void put_escape(struct writer *w, char c) {
    static const char *const names[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", (unsigned char)c);
    if (c == '"' || c == '\\')
        put_text(w, c == '"' ? "\\\"" : "\\\\");
    else if ((size_t)c < sizeof names / sizeof *names && names[(size_t)c])
        put_text(w, names[(size_t)c]);
    else
        put_text(w, text);
}

/* Of UTF-8. */
static void put_string(struct writer *w, struct cairn_slice bytes) {
    size_t from = 0;
    put_text(w, "\"");
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        put(w, cairn_slice_sub(bytes, from, i - from));
        put_escape(w, (char)c);
        from = i + 1;
    }
    put(w, cairn_slice_sub(bytes, from, bytes.size - from));
    put_text(w, "\"");
}

static void put_key(struct writer *w, struct cairn_slice key) {
    put_string(w, key);
    put_text(w, w->indent ? ": " : ":");
}

/* -- What JSON lacks -------------------------------------------------------------- */

/* An object with one key, which stays on one line where a scalar is in it. */
static void open_dollar(struct writer *w, const char *key) {
    put_text(w, "{");
    put_key(w, cairn_slice_of(key));
}

static bool is_text(struct cairn_slice bytes) {
    return utf8_valid(bytes) && (!bytes.size || !memchr(bytes.data, '\0', bytes.size));
}

static void put_bytes(struct writer *w, struct cairn_slice bytes) {
    if (is_text(bytes)) {
        put_string(w, bytes);
        return;
    }
    open_dollar(w, "$base64");
    put_text(w, "\"");
    if (!w->no_memory && !base64_append(bytes, w->out))
        w->no_memory = true;
    put_text(w, "\"}");
}

static void put_atom(struct writer *w, struct cairn_slice name) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (cairn_slice_equal(name, cairn_slice_of(words[i]))) {
            put_text(w, words[i]);
            return;
        }
    }
    open_dollar(w, "$atom");
    put_bytes(w, name);
    put_text(w, "}");
}

/* -- Numbers ---------------------------------------------------------------------- */

static void put_integer(struct writer *w, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    if (value >= -WHOLE_MOST && value <= WHOLE_MOST) {
        put_text(w, text);
        return;
    }
    open_dollar(w, "$integer");
    put_string(w, cairn_slice_of(text));
    put_text(w, "}");
}

/* The locale's decimal point, whatever its bytes are, as a point. Returns the size. */
static size_t normalize_point(char *text) {
    size_t size = 0;
    for (size_t i = 0; text[i]; i++) {
        if (strchr("0123456789+-e", text[i]))
            text[size++] = text[i];
        else if (size && text[size - 1] != '.')
            text[size++] = '.';
    }
    return size;
}

/* The fewest digits that are read back as the same number; with a point or an exponent,
 * so that it is still a float. */
static enum cairn_status put_float(struct writer *w, double number) {
    char text[40];
    if (!isfinite(number))
        return cairn_fail(w->error, CAIRN_INVALID_ARGUMENT,
                          "json: a float that is not finite");
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    size_t size = normalize_point(text);
    put(w, (struct cairn_slice){text, size});
    if (!memchr(text, '.', size) && !memchr(text, 'e', size))
        put_text(w, ".0");
    return CAIRN_OK;
}

/* -- Lists and messages ----------------------------------------------------------- */

/* Of the field that begins with this key. */
static const struct cairn_value *value_at(const struct cairn_slice *key) {
    return &((const struct cairn_pair *)(const void *)key)->value;
}

static enum cairn_status put_list(struct writer *w, const struct cairn_value *list) {
    open_bracket(w, "[");
    for (size_t i = 0; i < list->count; i++) {
        next_element(w, i == 0);
        enum cairn_status status = put_value(w, &list->as.items[i]);
        if (status)
            return status;
    }
    close_bracket(w, "]", list->count == 0);
    return CAIRN_OK;
}

static enum cairn_status put_object(struct writer *w, struct cairn_slice *const *keys,
                                    size_t count) {
    open_bracket(w, "{");
    for (size_t i = 0; i < count; i++) {
        next_element(w, i == 0);
        put_key(w, *keys[i]);
        enum cairn_status status = put_value(w, value_at(keys[i]));
        if (status)
            return status;
    }
    close_bracket(w, "}", count == 0);
    return CAIRN_OK;
}

/* Keys that no object can have: a list of lists of key and value. */
static enum cairn_status put_pairs(struct writer *w, struct cairn_slice *const *keys,
                                   size_t count) {
    open_dollar(w, "$pairs");
    open_bracket(w, "[");
    for (size_t i = 0; i < count; i++) {
        next_element(w, i == 0);
        put_text(w, "[");
        put_bytes(w, *keys[i]);
        put_text(w, w->indent ? ", " : ",");
        enum cairn_status status = put_value(w, value_at(keys[i]));
        if (status)
            return status;
        put_text(w, "]");
    }
    close_bracket(w, "]", count == 0);
    put_text(w, "}");
    return CAIRN_OK;
}

static enum cairn_status put_fields(struct writer *w, struct cairn_slice *const *keys,
                                    size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i && cairn_slice_equal(*keys[i - 1], *keys[i]))
            return cairn_fail_at(w->error, CAIRN_INVALID_ARGUMENT,
                                 "json: a message has this key twice", *keys[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_text(*keys[i]))
            return put_pairs(w, keys, count);
    }
    bool dollar = count == 1 && keys[0]->size && keys[0]->data[0] == '$';
    if (dollar)
        open_dollar(w, "$message");
    enum cairn_status status = put_object(w, keys, count);
    if (dollar)
        put_text(w, "}");
    return status;
}

static enum cairn_status put_message(struct writer *w,
                                     const struct cairn_value *message) {
    size_t count = message->count;
    struct keyed list = {message->as.fields, count, sizeof *message->as.fields};
    struct cairn_slice **order = calloc(count + 1, sizeof *order);
    enum cairn_status status = CAIRN_OK;
    w->no_memory |= !order;
    if (order) {
        keyed_order(&list, order);
        status = put_fields(w, order, count);
    }
    free(order);
    return status;
}

static enum cairn_status put_container(struct writer *w,
                                       const struct cairn_value *value) {
    if (w->level == CAIRN_MESSAGE_DEPTH)
        return cairn_fail(w->error, CAIRN_LIMIT, "json: more than %d levels of nesting",
                          CAIRN_MESSAGE_DEPTH);
    w->level++;
    enum cairn_status status =
        value->type == CAIRN_VALUE_LIST ? put_list(w, value) : put_message(w, value);
    w->level--;
    return status;
}

static enum cairn_status put_value(struct writer *w, const struct cairn_value *value) {
    switch (value->type) {
    case CAIRN_VALUE_BYTES:
        put_bytes(w, value->as.bytes);
        return CAIRN_OK;
    case CAIRN_VALUE_INTEGER:
        put_integer(w, value->as.integer);
        return CAIRN_OK;
    case CAIRN_VALUE_FLOAT:
        return put_float(w, value->as.number);
    case CAIRN_VALUE_ATOM:
        put_atom(w, value->as.bytes);
        return CAIRN_OK;
    case CAIRN_VALUE_LIST:
    case CAIRN_VALUE_MESSAGE:
        return put_container(w, value);
    }
    return cairn_fail(w->error, CAIRN_INVALID_ARGUMENT, "json: a value of no type");
}

enum cairn_status cairn_value_to_json(const struct cairn_value *value, unsigned indent,
                                      struct cairn_bytes *out,
                                      struct cairn_error *error) {
    struct writer writer = {.out = out, .indent = indent, .error = error};
    size_t before = out->size;
    enum cairn_status status = put_value(&writer, value);
    if (!status && writer.no_memory)
        status = cairn_fail(error, CAIRN_NO_MEMORY, "json: no memory");
    if (status)
        out->size = before;
    return status;
}
