/* json_read.c -- from JSON to a value, with libjansson, which tells 1 from 1.0.
 *
 * Its tree is copied into the arena and freed. How large that tree can become is known
 * from the text's commas before it is made. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cairn/message.h"
#include "digest.h"
#include "keyed.h"

struct reader {
    struct cairn_arena *arena;
    struct cairn_error *error;
    unsigned depth; /* of lists and messages around */
};

/* Where in the tree: for messages. Outermost: no parent. */
struct place {
    const struct place *parent;
    const char *key; /* NULL: a list's item */
    size_t index;    /* from 1 */
};

static enum cairn_status read_value(struct reader *r, const struct place *place,
                                    const json_t *json, struct cairn_value *out);

/* -- Failing ---------------------------------------------------------------------- */

/* Writes "a.b[2]", cut off where the room ends. */
static size_t spell(const struct place *place, char *out, size_t room) {
    size_t size = place->parent ? spell(place->parent, out, room) : 0;
    int more = 0;
    if (!place->parent)
        return 0;
    if (place->key)
        more = snprintf(out + size, room - size, "%s%s", size ? "." : "", place->key);
    else
        more = snprintf(out + size, room - size, "[%zu]", place->index);
    return more < 0                     ? size
           : (size_t)more < room - size ? size + (size_t)more
                                        : room - 1;
}

static enum cairn_status fail(const struct reader *r, const struct place *place,
                              enum cairn_status status, const char *reason) {
    char where[200] = "";
    size_t size = spell(place, where, sizeof where);
    return cairn_fail(r->error, status, "json: %s%s%s", where, size ? ": " : "",
                      reason);
}

static enum cairn_status refuse(const struct reader *r, const struct place *place,
                                const char *reason) {
    return fail(r, place, CAIRN_INVALID_ARGUMENT, reason);
}

static enum cairn_status no_memory(const struct reader *r) {
    return cairn_fail(r->error, CAIRN_NO_MEMORY, "json: no memory");
}

static enum cairn_status enter(struct reader *r, const struct place *place) {
    if (++r->depth <= CAIRN_MESSAGE_DEPTH)
        return CAIRN_OK;
    char reason[64];
    snprintf(reason, sizeof reason, "more than %d levels of nesting",
             CAIRN_MESSAGE_DEPTH);
    return fail(r, place, CAIRN_LIMIT, reason);
}

/* -- Scalars ---------------------------------------------------------------------- */

static struct cairn_slice text_of(const json_t *json) {
    return (struct cairn_slice){json_string_value(json), json_string_length(json)};
}

static enum cairn_status read_base64(struct reader *r, const struct place *place,
                                     const json_t *json, struct cairn_slice *out) {
    struct cairn_slice text = text_of(json);
    size_t size;
    if (!json_is_string(json))
        return refuse(r, place, "$base64 holds a string");
    unsigned char *bytes = cairn_arena_take(r->arena, text.size / 4 * 3 + 3);
    if (!bytes)
        return no_memory(r);
    if (!base64_decode(text, bytes, &size))
        return refuse(r, place, "$base64 holds what is not base64");
    *out = (struct cairn_slice){(const char *)bytes, size};
    return CAIRN_OK;
}

/* A string, or {"$base64": ...}. */
static enum cairn_status read_bytes(struct reader *r, const struct place *place,
                                    const json_t *json, struct cairn_slice *out) {
    const json_t *encoded = json_object_get(json, "$base64");
    if (encoded && json_object_size(json) == 1)
        return read_base64(r, place, encoded, out);
    if (!json_is_string(json))
        return refuse(r, place, "a string or $base64 expected");
    return cairn_arena_copy(r->arena, text_of(json), out) ? CAIRN_OK : no_memory(r);
}

static enum cairn_status read_integer(struct reader *r, const struct place *place,
                                      const json_t *json, struct cairn_value *out) {
    struct cairn_slice text = text_of(json);
    size_t sign = text.size && text.data[0] == '-', digits = sign;
    if (!json_is_string(json))
        return refuse(r, place, "$integer holds a string");
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (digits == sign || digits < text.size)
        return refuse(r, place, "$integer holds what is no whole number");
    errno = 0;
    out->type = CAIRN_VALUE_INTEGER;
    out->as.integer = strtoll(text.data, NULL, 10);
    return errno ? refuse(r, place, "$integer holds a number of more than 64 bits")
                 : CAIRN_OK;
}

static enum cairn_status set_atom(const char *name, struct cairn_value *out) {
    out->type = CAIRN_VALUE_ATOM;
    out->as.bytes = cairn_slice_of(name);
    return CAIRN_OK;
}

/* -- Lists and messages ----------------------------------------------------------- */

static enum cairn_status read_list(struct reader *r, const struct place *place,
                                   const json_t *json, struct cairn_value *out) {
    enum cairn_status status = enter(r, place);
    if (status)
        return status;
    size_t count = json_array_size(json);
    struct cairn_value *items = cairn_arena_take(r->arena, count * sizeof *items);
    if (!items)
        return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        struct place inner = {.parent = place, .index = i + 1};
        if ((status = read_value(r, &inner, json_array_get(json, i), &items[i])))
            return status;
    }
    *out = (struct cairn_value){.type = CAIRN_VALUE_LIST, .count = count};
    out->as.items = items;
    r->depth--;
    return CAIRN_OK;
}

static void set_fields(struct cairn_pair *fields, size_t count,
                       struct cairn_value *out) {
    keyed_sort(&(struct keyed){fields, count, sizeof *fields});
    *out = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE, .count = count};
    out->as.fields = fields;
}

static enum cairn_status read_message(struct reader *r, const struct place *place,
                                      const json_t *json, struct cairn_value *out) {
    enum cairn_status status = enter(r, place);
    if (status)
        return status;
    size_t count = json_object_size(json), i = 0;
    struct cairn_pair *fields = cairn_arena_take(r->arena, count * sizeof *fields);
    if (!fields)
        return no_memory(r);
    for (void *at = json_object_iter((json_t *)json); at;
         at = json_object_iter_next((json_t *)json, at), i++) {
        struct place inner = {.parent = place, .key = json_object_iter_key(at)};
        if (!cairn_arena_copy(r->arena, cairn_slice_of(inner.key), &fields[i].key))
            return no_memory(r);
        status = read_value(r, &inner, json_object_iter_value(at), &fields[i].value);
        if (status)
            return status;
    }
    set_fields(fields, count, out);
    r->depth--;
    return CAIRN_OK;
}

/* {"$pairs": [[key, value], ...]} */
static enum cairn_status read_pairs(struct reader *r, const struct place *place,
                                    const json_t *json, struct cairn_value *out) {
    enum cairn_status status = enter(r, place);
    if (status)
        return status;
    size_t count = json_array_size(json);
    struct cairn_pair *fields = cairn_arena_take(r->arena, count * sizeof *fields);
    if (!fields)
        return no_memory(r);
    if (!json_is_array(json))
        return refuse(r, place, "$pairs holds a list");
    for (size_t i = 0; i < count; i++) {
        struct place inner = {.parent = place, .index = i + 1};
        const json_t *pair = json_array_get(json, i);
        if (json_array_size(pair) != 2)
            return refuse(r, &inner, "a pair is a list of a key and a value");
        status = read_bytes(r, &inner, json_array_get(pair, 0), &fields[i].key);
        if (status ||
            (status = read_value(r, &inner, json_array_get(pair, 1), &fields[i].value)))
            return status;
    }
    set_fields(fields, count, out);
    if (!keyed_ascending(&(struct keyed){fields, count, sizeof *fields}))
        return refuse(r, place, "$pairs holds a key twice");
    r->depth--;
    return CAIRN_OK;
}

/* An object with one key that begins with `$`: what JSON has no syntax for. */
static enum cairn_status read_dollar(struct reader *r, const struct place *place,
                                     const char *key, const json_t *json,
                                     struct cairn_value *out) {
    if (strcmp(key, "$message") == 0)
        return json_is_object(json) ? read_message(r, place, json, out)
                                    : refuse(r, place, "$message holds an object");
    if (strcmp(key, "$pairs") == 0)
        return read_pairs(r, place, json, out);
    if (strcmp(key, "$integer") == 0)
        return read_integer(r, place, json, out);
    if (strcmp(key, "$base64") == 0)
        return read_base64(r, place, json, &out->as.bytes);
    if (strcmp(key, "$atom") == 0) {
        out->type = CAIRN_VALUE_ATOM;
        return read_bytes(r, place, json, &out->as.bytes);
    }
    struct place inner = {.parent = place, .key = key};
    return refuse(r, &inner,
                  "a message with one key that begins with $ is written as $message");
}

static enum cairn_status read_object(struct reader *r, const struct place *place,
                                     const json_t *json, struct cairn_value *out) {
    void *first = json_object_iter((json_t *)json);
    if (json_object_size(json) == 1 && json_object_iter_key(first)[0] == '$')
        return read_dollar(r, place, json_object_iter_key(first),
                           json_object_iter_value(first), out);
    return read_message(r, place, json, out);
}

static enum cairn_status read_value(struct reader *r, const struct place *place,
                                    const json_t *json, struct cairn_value *out) {
    *out = (struct cairn_value){.type = CAIRN_VALUE_BYTES};
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return read_object(r, place, json, out);
    case JSON_ARRAY:
        return read_list(r, place, json, out);
    case JSON_STRING:
        return read_bytes(r, place, json, &out->as.bytes);
    case JSON_INTEGER:
        out->type = CAIRN_VALUE_INTEGER;
        out->as.integer = json_integer_value(json);
        return CAIRN_OK;
    case JSON_REAL:
        out->type = CAIRN_VALUE_FLOAT;
        out->as.number = json_real_value(json);
        return CAIRN_OK;
    case JSON_TRUE:
        return set_atom("true", out);
    case JSON_FALSE:
        return set_atom("false", out);
    case JSON_NULL:
        return set_atom("null", out);
    }
    return refuse(r, place, "a value of no known type");
}

/* -- The text --------------------------------------------------------------------- */

/* No more values than this are in the text: each but the first of its container has a
 * comma before it, each first one a bracket. */
static size_t most_values(struct cairn_slice text) {
    size_t count = 1;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted)
            i++;
        else if (!quoted && (c == ',' || c == '[' || c == '{'))
            count++;
    }
    return count;
}

/* libjansson takes a NUL for the end, whatever follows. */
static enum cairn_status check_nul(struct cairn_slice text, struct cairn_error *error) {
    const char *nul = text.size ? memchr(text.data, '\0', text.size) : NULL;
    int line = 1, column = 1;
    for (const char *at = text.data; nul && at < nul; at++) {
        column = *at == '\n' ? 1 : column + 1;
        line += *at == '\n';
    }
    return nul ? cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                            "json: line %d, column %d: a NUL byte", line, column)
               : CAIRN_OK;
}

static enum cairn_status parse(struct cairn_slice text, json_t **out,
                               struct cairn_error *error) {
    json_error_t failure;
    enum cairn_status status = check_nul(text, error);
    if (status)
        return status;
    *out =
        json_loadb(text.size ? text.data : "", text.size,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &failure);
    if (*out)
        return CAIRN_OK;
    if (json_error_code(&failure) == json_error_out_of_memory)
        return cairn_fail(error, CAIRN_NO_MEMORY, "json: no memory");
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "json: line %d, column %d: %s",
                      failure.line, failure.column, failure.text);
}

enum cairn_status cairn_value_from_json(struct cairn_slice text,
                                        struct cairn_arena *arena,
                                        struct cairn_value *out,
                                        struct cairn_error *error) {
    struct reader reader = {.arena = arena, .error = error};
    struct place outermost = {0};
    struct cairn_value value;
    json_t *json;
    if (text.size > CAIRN_MESSAGE_MAX ||
        most_values(text) > CAIRN_MESSAGE_MAX / sizeof *out)
        return cairn_fail(error, CAIRN_LIMIT,
                          "json: %zu bytes of text hold more than a message may",
                          text.size);
    enum cairn_status status = parse(text, &json, error);
    if (status)
        return status;
    status = read_value(&reader, &outermost, json, &value);
    json_decref(json);
    if (!status)
        *out = value;
    return status;
}
