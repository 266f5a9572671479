/* http_encode.c -- a stored message as fields and a body.
 *
 * FORMATS.md specifies the form ("Messages as HTTP"). Where `safe` is asked, decoding
 * gives back what was encoded, whatever it holds: whatever a field would change, or
 * would be mistaken for something this code writes, becomes a part of its own. */
#include <stdlib.h>

#include "digest.h"
#include "http_parts.h"
#include "message_types.h"
#include "put.h"

struct encoding {
    const struct cairn_value *stored;
    struct cairn_arena *arena;
    struct cairn_error *error;
    bool safe;

    struct cairn_slice inline_key;
    bool names_data;       /* a field says that the body is `data` */
    bool hides_inline_key; /* `inline-body-key` is a key like any other */

    struct cairn_http_field *fields;
    size_t field_count;
    struct http_part *parts;
    size_t part_count, part_room;
    size_t names_size; /* of all parts: a long key counts for each beneath it */
    struct cairn_http_field *ids; /* keys that are ids, and their values */
    size_t id_count;
};

/* A key and where it is: the way to it is what a part is named by. */
struct place {
    const struct place *parent;
    struct cairn_slice key;
    bool escaped;
    size_t depth;
};

static bool is(struct cairn_slice key, const char *name) {
    return cairn_slice_equal(key, cairn_slice_of(name));
}

static enum cairn_status no_memory(struct encoding *e) {
    return cairn_fail(e->error, CAIRN_NO_MEMORY, "no memory for the form of a message");
}

/* -- Parts ------------------------------------------------------------------------ */

static size_t name_room(const struct place *place, bool escaped) {
    size_t room = 0;
    for (; place; place = place->parent)
        room += place->key.size * (escaped ? 3 : 1) + 1;
    return room;
}

static char *put_name(char *out, const struct place *place, bool escaped) {
    if (place->parent)
        out = put_text(put_name(out, place->parent, escaped), "/");
    for (size_t i = 0; i < place->key.size; i++) {
        char c = place->key.data[i];
        bool stays =
            !escaped || (c != '%' && http_in_token(c)) || (c >= 'A' && c <= 'Z');
        if (stays)
            *out++ = c;
        else
            out = put_percent(out, (unsigned char)c);
    }
    return out;
}

static struct place place_at(const struct encoding *e, const struct place *parent,
                             struct cairn_slice key) {
    bool escaped = e->safe && !http_is_plain_key(key);
    return (struct place){.parent = parent,
                          .key = key,
                          .escaped = escaped || (parent && parent->escaped),
                          .depth = parent ? parent->depth + 1 : 1};
}

static enum cairn_status grow_parts(struct encoding *e) {
    size_t room = e->part_room ? 2 * e->part_room : 8;
    struct http_part *parts = cairn_arena_take(e->arena, room * sizeof *parts);
    if (!parts)
        return no_memory(e);
    if (e->part_count)
        memcpy(parts, e->parts, e->part_count * sizeof *parts);
    e->parts = parts;
    e->part_room = room;
    return CAIRN_OK;
}

static enum cairn_status add_part(struct encoding *e, const struct place *place,
                                  struct http_part part) {
    if (e->part_count == e->part_room && grow_parts(e))
        return CAIRN_NO_MEMORY;
    size_t room = name_room(place, place->escaped);
    e->names_size += room;
    if (e->names_size > CAIRN_MESSAGE_MAX)
        return cairn_fail(e->error, CAIRN_LIMIT,
                          "the paths to the parts of a message take more than 256 MiB");
    char *name = cairn_arena_take(e->arena, room);
    if (!name)
        return no_memory(e);
    part.name.data = name;
    part.name.size = (size_t)(put_name(name, place, place->escaped) - name);
    part.escaped = place->escaped;
    part.is_inline = !place->parent && cairn_slice_equal(place->key, e->inline_key);
    e->parts[e->part_count++] = part;
    return CAIRN_OK;
}

static enum cairn_status add_value(struct encoding *e, const struct place *place,
                                   struct cairn_slice bytes) {
    return add_part(e, place, (struct http_part){.has_body = true, .body = bytes});
}

static enum cairn_status not_stored(struct encoding *e, struct cairn_slice key) {
    return cairn_fail_at(e->error, CAIRN_INVALID_ARGUMENT,
                         "not in stored form, which has bytes and messages with "
                         "something in them only",
                         key);
}

/* A value within a map that its part cannot carry as a field. */
static bool needs_part(const struct encoding *e, struct cairn_slice key,
                       struct cairn_slice value) {
    if (value.size > FIELD_VALUE_MAX)
        return true;
    if (!e->safe || is(key, "body"))
        return false;
    return !http_is_plain_key(key) || !http_is_plain_value(value) ||
           is(key, "content-disposition");
}

static enum cairn_status add_map(struct encoding *e, const struct place *place,
                                 const struct cairn_value *map);

static enum cairn_status add_field(struct encoding *e, const struct place *place,
                                   const struct cairn_pair *field,
                                   struct http_part *part) {
    struct place here = place_at(e, place, field->key);
    if (field->value.type == CAIRN_VALUE_MESSAGE)
        return add_map(e, &here, &field->value);
    if (field->value.type != CAIRN_VALUE_BYTES)
        return not_stored(e, field->key);
    struct cairn_slice bytes = field->value.as.bytes;
    if (needs_part(e, field->key, bytes))
        return add_value(e, &here, bytes);
    if (is(field->key, "body")) {
        part->has_body = true;
        part->body = bytes;
    } else if (!is(field->key, "content-disposition")) {
        part->fields[part->count++] = (struct cairn_http_field){field->key, bytes};
    }
    return CAIRN_OK;
}

/* A map's own values in one part, and what is beneath it in others. */
static enum cairn_status add_map(struct encoding *e, const struct place *place,
                                 const struct cairn_value *map) {
    struct http_part part = {.is_map = true};
    enum cairn_status status = CAIRN_OK;
    if (place->depth >= CAIRN_MESSAGE_DEPTH)
        return cairn_fail(e->error, CAIRN_LIMIT,
                          "a message of more than 64 levels of nesting");
    if (!map->count && e->safe)
        return not_stored(e, place->key);
    part.fields = cairn_arena_take(e->arena, map->count * sizeof *part.fields + 1);
    if (!part.fields)
        return no_memory(e);
    for (size_t i = 0; i < map->count && !status; i++)
        status = add_field(e, place, &map->as.fields[i], &part);
    if (status || (!part.count && !part.has_body))
        return status;
    return add_part(e, place, part);
}

/* -- The inline key --------------------------------------------------------------- */

static bool has(const struct encoding *e, const char *key) {
    return cairn_message_find(e->stored, cairn_slice_of(key)) != NULL;
}

/* The message itself says which key is inline, in a way that survives a field. */
static bool is_named(const struct encoding *e, const struct cairn_value *named) {
    if (!named || named->type != CAIRN_VALUE_BYTES)
        return false;
    struct cairn_slice key = named->as.bytes;
    return !e->safe || (key.size <= FIELD_VALUE_MAX && http_is_plain_value(key) &&
                        !is(key, "inline-body-key") && !is(key, "ao-ids"));
}

/* `inline-body-key: data` is also what a message gets that has `data` and no `body`;
 * one that says so itself must differ from one that does not. */
static void choose_inline_key(struct encoding *e) {
    const struct cairn_value *named =
        cairn_message_find(e->stored, cairn_slice_of("inline-body-key"));
    bool data = !has(e, "body") && has(e, "data");
    bool is_ours = is_named(e, named);
    if (is_ours && !(e->safe && data && is(named->as.bytes, "data"))) {
        e->inline_key = named->as.bytes;
        return;
    }
    e->hides_inline_key = named != NULL;
    e->names_data = data;
    e->inline_key = cairn_slice_of(data ? "data" : "body");
}

/* -- Fields ----------------------------------------------------------------------- */

static struct cairn_http_field *find_field(struct encoding *e, const char *name) {
    for (size_t i = 0; i < e->field_count; i++)
        if (is(e->fields[i].name, name))
            return &e->fields[i];
    return NULL;
}

static void set_field(struct encoding *e, const char *name, struct cairn_slice value) {
    struct cairn_http_field *field = find_field(e, name);
    if (!field)
        field = &e->fields[e->field_count++];
    *field = (struct cairn_http_field){cairn_slice_of(name), value};
}

/* What no message is known by: commitments are about it, the digest is of its body. */
static bool is_left_out(const struct encoding *e, const struct cairn_pair *field) {
    struct cairn_slice key = field->key;
    if (is(key, "commitments"))
        return !e->safe || field->value.type == CAIRN_VALUE_MESSAGE;
    if (is(key, "signature") || is(key, "signature-input"))
        return !e->safe;
    return is(key, "priv") || is(key, "content-digest");
}

/* Fields that this code writes itself, or leaves out when it reads. */
static bool is_reserved(const struct encoding *e, struct cairn_slice key) {
    return is(key, "ao-ids") || is(key, "body-keys") || is(key, "signature") ||
           is(key, "signature-input") ||
           (e->hides_inline_key && is(key, "inline-body-key"));
}

static bool goes_with_ids(const struct encoding *e, const struct cairn_pair *field) {
    if (!is_id_sized(field->key) || field->value.type != CAIRN_VALUE_BYTES)
        return false;
    return !e->safe ||
           (http_is_plain_key(field->key) && http_is_one_line(field->value.as.bytes));
}

static bool is_field(const struct encoding *e, struct cairn_slice key,
                     struct cairn_slice value) {
    if (value.size > FIELD_VALUE_MAX || is(key, "body"))
        return false;
    return !e->safe || (http_is_plain_key(key) && http_is_plain_value(value) &&
                        !is_reserved(e, key));
}

static enum cairn_status add_top(struct encoding *e, const struct cairn_pair *field) {
    struct cairn_slice key = field->key;
    struct place here = place_at(e, NULL, key);
    if (is_left_out(e, field))
        return CAIRN_OK;
    if (field->value.type == CAIRN_VALUE_MESSAGE)
        return add_map(e, &here, &field->value);
    if (field->value.type != CAIRN_VALUE_BYTES)
        return not_stored(e, key);
    struct cairn_slice bytes = field->value.as.bytes;
    if (goes_with_ids(e, field)) {
        e->ids[e->id_count++] = (struct cairn_http_field){key, bytes};
        return CAIRN_OK;
    }
    if (!cairn_slice_equal(key, e->inline_key) && is_field(e, key, bytes)) {
        e->fields[e->field_count++] = (struct cairn_http_field){key, bytes};
        return CAIRN_OK;
    }
    /* Unescaped, `ao-ids` is the dictionary below. */
    here.escaped = here.escaped || (e->safe && is(key, "ao-ids"));
    return add_value(e, &here, bytes);
}

/* All keys that are ids in one dictionary: a field's name has no case. */
static enum cairn_status add_ids(struct encoding *e) {
    size_t room = 1;
    for (size_t i = 0; i < e->id_count; i++)
        room += e->ids[i].name.size + 2 * e->ids[i].value.size + sizeof "=\"\", ";
    char *text = cairn_arena_take(e->arena, room), *end = text;
    if (!text)
        return no_memory(e);
    for (size_t i = 0; i < e->id_count; i++) {
        struct cairn_slice value = e->ids[i].value;
        end = put_slice(put_text(end, i ? ", " : ""), e->ids[i].name);
        end = put_text(end, "=\"");
        for (size_t at = 0; at < value.size; at++) {
            if (value.data[at] == '"' || value.data[at] == '\\')
                *end++ = '\\';
            *end++ = value.data[at];
        }
        *end++ = '"';
    }
    struct cairn_slice bytes = {text, (size_t)(end - text)};
    struct place here = {.key = cairn_slice_of("ao-ids"), .depth = 1};
    if (bytes.size > FIELD_VALUE_MAX || is(e->inline_key, "ao-ids"))
        return add_value(e, &here, bytes);
    set_field(e, "ao-ids", bytes);
    return CAIRN_OK;
}

/* -- The form --------------------------------------------------------------------- */

/* The inline key's bytes and nothing else: the body is they. */
static bool is_sole(const struct encoding *e) {
    return e->part_count == 1 && e->parts[0].is_inline && !e->parts[0].is_map;
}

/* The message's own content-type, where it would be taken for that of our body or has
 * to make way for it. */
static enum cairn_status move_content_type(struct encoding *e) {
    struct cairn_http_field *field = find_field(e, "content-type");
    struct place here = {.key = cairn_slice_of("content-type"), .depth = 1};
    if (!e->safe || !field || !e->part_count ||
        (is_sole(e) && !http_is_multipart(field->value)))
        return CAIRN_OK;
    struct cairn_slice value = field->value;
    *field = e->fields[--e->field_count];
    return add_value(e, &here, value);
}

static enum cairn_status add_digest(struct encoding *e, struct cairn_slice body) {
    unsigned char hash[DIGEST_SIZE];
    enum cairn_status status = digest_sha256(&body, 1, hash, e->error);
    if (status)
        return status;
    struct cairn_bytes text = {0};
    struct cairn_slice bytes = {(const char *)hash, sizeof hash}, copy;
    bool room = cairn_bytes_append(&text, cairn_slice_of("sha-256=:")) &&
                base64_append(bytes, &text) &&
                cairn_bytes_append(&text, cairn_slice_of(":")) &&
                cairn_arena_copy(e->arena, cairn_bytes_slice(&text), &copy);
    cairn_bytes_free(&text);
    if (!room)
        return no_memory(e);
    set_field(e, "content-digest", copy);
    return CAIRN_OK;
}

static enum cairn_status add_body(struct encoding *e, struct cairn_http_form *out) {
    struct http_body body;
    enum cairn_status status = move_content_type(e);
    if (status || !e->part_count)
        return status;
    out->has_body = true;
    if (is_sole(e)) {
        out->body = e->parts[0].body;
    } else {
        status = http_body_write(e->parts, e->part_count, e->arena, &body, e->error);
        if (status)
            return status;
        out->body = body.text;
        set_field(e, "content-type", body.content_type);
        set_field(e, "body-keys", body.keys);
    }
    return add_digest(e, out->body);
}

static int compare_fields(const void *a, const void *b) {
    const struct cairn_http_field *left = a, *right = b;
    return cairn_slice_compare(left->name, right->name);
}

static enum cairn_status encode(struct encoding *e, struct cairn_http_form *out) {
    enum cairn_status status = CAIRN_OK;
    choose_inline_key(e);
    for (size_t i = 0; i < e->stored->count && !status; i++)
        status = add_top(e, &e->stored->as.fields[i]);
    if (!status && e->id_count)
        status = add_ids(e);
    if (!status && e->names_data)
        set_field(e, "inline-body-key", cairn_slice_of("data"));
    if (!status)
        status = add_body(e, out);
    qsort(e->fields, e->field_count, sizeof *e->fields, compare_fields);
    out->fields = e->fields;
    out->count = e->field_count;
    return status;
}

enum cairn_status cairn_http_encode(const struct cairn_value *stored,
                                    enum cairn_ids ids, struct cairn_arena *arena,
                                    struct cairn_http_form *out,
                                    struct cairn_error *error) {
    enum { OURS = 5 }; /* ao-ids, inline-body-key, content-type, -digest, body-keys */
    struct encoding e = {.stored = stored,
                         .arena = arena,
                         .error = error,
                         .safe = ids == CAIRN_IDS_SAFE};
    *out = (struct cairn_http_form){0};
    if (stored->type != CAIRN_VALUE_MESSAGE)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a message expected, not a single value");
    e.fields = cairn_arena_take(arena, (stored->count + OURS) * sizeof *e.fields);
    e.ids = cairn_arena_take(arena, stored->count * sizeof *e.ids + 1);
    return e.fields && e.ids ? encode(&e, out) : no_memory(&e);
}
