/* http_decode.c -- from fields and a body back to the stored message.
 *
 * Parts come in any order. They are sorted by their paths, segment by segment, and a
 * map is made of each run that shares a path: linear in what there is, at any depth. */
#include <stdlib.h>

#include "digest.h"
#include "http_parts.h"
#include "http_tree.h"
#include "message_types.h"
#include "scan.h"

struct decoding {
    struct cairn_arena *arena;
    struct cairn_error *error;
    struct cairn_pair *top; /* what was a field, in any order */
    size_t top_count;
    struct leaf *leaves;
    size_t leaf_count;
    struct cairn_slice inline_key, named;    /* normal, and as the field has it */
    struct cairn_slice content_type, digest; /* NULL: none */
    struct cairn_slice ids;                  /* the dictionary of ids; NULL: none */
};

static bool is(struct cairn_slice key, const char *name) {
    return cairn_slice_equal(key, cairn_slice_of(name));
}

static enum cairn_status no_memory(struct decoding *d) {
    return cairn_fail(d->error, CAIRN_NO_MEMORY, "no memory for a message");
}

static struct cairn_value bytes_value(struct cairn_slice bytes) {
    return (struct cairn_value){.type = CAIRN_VALUE_BYTES, .as.bytes = bytes};
}

/* -- Fields ----------------------------------------------------------------------- */

/* Lower case whatever its size: ids are no names of fields. */
static bool lower_case(struct cairn_slice name, struct cairn_arena *arena,
                       struct cairn_slice *out) {
    if (!is_id_sized(name))
        return key_normalize(name, arena, out);
    char *copy = cairn_arena_take(arena, name.size);
    for (size_t i = 0; copy && i < name.size; i++) {
        char c = name.data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    *out = (struct cairn_slice){copy, name.size};
    return copy != NULL;
}

/* Fields of one name are one, their values joined (RFC 9110, section 5.3). They are in
 * order, and those of one name in the order in which they came. */
static enum cairn_status join_values(struct decoding *d, struct cairn_pair *fields,
                                     size_t count, struct cairn_slice *out) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += fields[i].value.as.bytes.size + 2;
    char *text = cairn_arena_take(d->arena, size), *end = text;
    if (!text)
        return no_memory(d);
    for (size_t i = 0; i < count; i++) {
        struct cairn_slice value = fields[i].value.as.bytes;
        if (i) {
            memcpy(end, ", ", 2);
            end += 2;
        }
        if (value.size)
            memcpy(end, value.data, value.size);
        end += value.size;
    }
    *out = (struct cairn_slice){text, (size_t)(end - text)};
    return CAIRN_OK;
}

/* By name, then in the order in which they came, which `count` remembers. */
static int compare_fields(const void *a, const void *b) {
    const struct cairn_pair *left = a, *right = b;
    int order = cairn_slice_compare(left->key, right->key);
    return order ? order
                 : (left->value.count > right->value.count) -
                       (left->value.count < right->value.count);
}

static enum cairn_status collect_fields(struct decoding *d,
                                        const struct cairn_http_form *form) {
    struct cairn_pair *all = cairn_arena_take(d->arena, form->count * sizeof *all + 1);
    if (!all)
        return no_memory(d);
    for (size_t i = 0; i < form->count; i++) {
        if (!lower_case(form->fields[i].name, d->arena, &all[i].key))
            return no_memory(d);
        all[i].value = bytes_value(form->fields[i].value);
        all[i].value.count = i;
    }
    qsort(all, form->count, sizeof *all, compare_fields);
    for (size_t from = 0, to; from < form->count; from = to) {
        struct cairn_slice value = all[from].value.as.bytes;
        for (to = from + 1;
             to < form->count && cairn_slice_equal(all[from].key, all[to].key);)
            to++;
        if (to - from > 1 && join_values(d, &all[from], to - from, &value))
            return CAIRN_NO_MEMORY;
        all[d->top_count].key = all[from].key;
        all[d->top_count++].value = bytes_value(value);
    }
    d->top = all;
    return CAIRN_OK;
}

/* Fields that are about the message, and not of it, are taken out. */
static enum cairn_status sift_fields(struct decoding *d) {
    size_t kept = 0;
    for (size_t i = 0; i < d->top_count; i++) {
        struct cairn_slice key = d->top[i].key, value = d->top[i].value.as.bytes;
        if (is(key, "content-digest"))
            d->digest = value;
        else if (is(key, "ao-ids"))
            d->ids = value;
        else if (!is(key, "body-keys") && !is(key, "signature") &&
                 !is(key, "signature-input"))
            d->top[kept++] = d->top[i];
        if (is(key, "inline-body-key"))
            d->named = value;
        if (is(key, "content-type"))
            d->content_type = value;
    }
    d->top_count = kept;
    if (d->named.data && !key_normalize(d->named, d->arena, &d->inline_key))
        return no_memory(d);
    return CAIRN_OK;
}

static void remove_field(struct decoding *d, const char *name) {
    size_t kept = 0;
    for (size_t i = 0; i < d->top_count; i++)
        if (!is(d->top[i].key, name))
            d->top[kept++] = d->top[i];
    d->top_count = kept;
}

/* Other digests than SHA-256 are left unread, as RFC 9530 allows. */
static enum cairn_status check_digest(struct decoding *d, struct cairn_slice body) {
    struct cairn_slice mark = cairn_slice_of("sha-256=:");
    unsigned char hash[DIGEST_SIZE], given[DIGEST_SIZE + 16];
    size_t size = 0;
    if (!d->digest.data)
        return CAIRN_OK;
    const char *at = memmem(d->digest.data, d->digest.size, mark.data, mark.size);
    if (!at)
        return CAIRN_OK;
    struct cairn_slice text = {at + mark.size, 0};
    const char *end = d->digest.data + d->digest.size;
    while (text.data + text.size < end && text.data[text.size] != ':')
        text.size++;
    enum cairn_status status = digest_sha256(&body, 1, hash, d->error);
    if (status)
        return status;
    if (text.size > 44 || !base64_decode(text, given, &size) || size != sizeof hash ||
        memcmp(given, hash, sizeof hash) != 0)
        return cairn_fail_at(d->error, CAIRN_UNVERIFIED,
                             "the content-digest is not that of the body", d->digest);
    return CAIRN_OK;
}

/* -- Parts as leaves -------------------------------------------------------------- */

/* One key of a part's path. */
static enum cairn_status read_segment(struct decoding *d, const struct http_part *part,
                                      struct cairn_slice text,
                                      struct cairn_slice *out) {
    if (!part->escaped)
        return key_normalize(text, d->arena, out) ? CAIRN_OK : no_memory(d);
    enum cairn_status status = scan_percent(text, d->arena, out);
    if (status == CAIRN_CORRUPT)
        return cairn_fail_at(d->error, CAIRN_INVALID_ARGUMENT,
                             "a part whose name is not percent-escaped", part->name);
    return status ? no_memory(d) : CAIRN_OK;
}

static enum cairn_status split(struct decoding *d, const struct http_part *part,
                               struct leaf *leaf) {
    struct cairn_slice rest = part->name;
    leaf->depth = 1;
    for (size_t i = 0; i < rest.size; i++)
        leaf->depth += rest.data[i] == '/';
    if (leaf->depth + part->is_map > CAIRN_MESSAGE_DEPTH)
        return cairn_fail(d->error, CAIRN_LIMIT,
                          "an HTTP message of more than 64 levels of nesting");
    leaf->segments = cairn_arena_take(d->arena, leaf->depth * sizeof *leaf->segments);
    if (!leaf->segments)
        return no_memory(d);
    for (size_t i = 0; i < leaf->depth; i++) {
        const char *slash = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
        size_t size = slash ? (size_t)(slash - rest.data) : rest.size;
        enum cairn_status status =
            read_segment(d, part, cairn_slice_sub(rest, 0, size), &leaf->segments[i]);
        if (status)
            return status;
        if (slash)
            rest = cairn_slice_sub(rest, size + 1, rest.size - size - 1);
    }
    return CAIRN_OK;
}

static enum cairn_status part_fields(struct decoding *d, const struct http_part *part,
                                     struct leaf *leaf) {
    leaf->is_map = true;
    leaf->fields = cairn_arena_take(d->arena, (part->count + 1) * sizeof *leaf->fields);
    if (!leaf->fields)
        return no_memory(d);
    for (size_t i = 0; i < part->count; i++)
        leaf->fields[leaf->count++] = (struct cairn_pair){
            part->fields[i].name, bytes_value(part->fields[i].value)};
    if (part->has_body)
        leaf->fields[leaf->count++] =
            (struct cairn_pair){cairn_slice_of("body"), bytes_value(part->body)};
    return CAIRN_OK;
}

static enum cairn_status add_leaf(struct decoding *d, const struct http_part *part) {
    struct leaf leaf = {.depth = 1, .segments = &d->inline_key, .bytes = part->body};
    enum cairn_status status = CAIRN_OK;
    if (!part->is_inline)
        status = split(d, part, &leaf);
    if (!status && part->is_map)
        status = part_fields(d, part, &leaf);
    if (status)
        return status;
    if (!part->is_map && !part->escaped && leaf.depth == 1 &&
        is(leaf.segments[0], "ao-ids")) {
        if (d->ids.data)
            return http_tree_twice(leaf.segments[0], d->error);
        d->ids = part->body.data ? part->body : cairn_slice_of("");
        return CAIRN_OK;
    }
    d->leaves[d->leaf_count++] = leaf;
    return CAIRN_OK;
}

static enum cairn_status read_body(struct decoding *d, struct cairn_slice body) {
    struct http_part sole = {.is_inline = true, .has_body = true, .body = body};
    struct http_part *parts = &sole;
    size_t count = 1;
    enum cairn_status status = CAIRN_OK;
    if (d->content_type.data && http_is_multipart(d->content_type)) {
        remove_field(d, "content-type");
        status =
            http_body_read(body, d->content_type, d->arena, &parts, &count, d->error);
    }
    if (status)
        return status;
    d->leaves = cairn_arena_take(d->arena, count * sizeof *d->leaves + 1);
    if (!d->leaves)
        return no_memory(d);
    for (size_t i = 0; i < count && !status; i++)
        status = add_leaf(d, &parts[i]);
    return status;
}

/* -- The dictionary of ids -------------------------------------------------------- */

static enum cairn_status bad_ids(struct decoding *d) {
    return cairn_fail_at(d->error, CAIRN_INVALID_ARGUMENT,
                         "ao-ids that are no dictionary of ids", d->ids);
}

/* One member, `ID="value"`. */
static enum cairn_status take_id(struct decoding *d, struct cairn_slice *rest,
                                 struct cairn_pair *out) {
    const char *equals = memchr(rest->data, '=', rest->size);
    size_t size = equals ? (size_t)(equals - rest->data) : 0;
    struct cairn_slice value;
    out->key = cairn_slice_sub(*rest, 0, size);
    if (!equals || !is_id_sized(out->key))
        return bad_ids(d);
    *rest = cairn_slice_sub(*rest, size + 1, rest->size - size - 1);
    enum cairn_status status = scan_string(rest, d->arena, &value);
    if (status == CAIRN_NO_MEMORY)
        return no_memory(d);
    out->value = bytes_value(value);
    return status || !scan_comma(rest) ? bad_ids(d) : CAIRN_OK;
}

/* Adds them to the fields. Each has 32 bytes at least, which bounds their number. */
static enum cairn_status add_ids(struct decoding *d) {
    struct cairn_slice rest = d->ids;
    size_t most = d->top_count + d->ids.size / 32 + 1;
    struct cairn_pair *all = cairn_arena_take(d->arena, most * sizeof *all);
    if (!all)
        return no_memory(d);
    if (d->top_count)
        memcpy(all, d->top, d->top_count * sizeof *all);
    d->top = all;
    scan_blanks(&rest);
    while (rest.size) {
        enum cairn_status status = take_id(d, &rest, &all[d->top_count]);
        if (status)
            return status;
        d->top_count++;
    }
    return CAIRN_OK;
}

/* `inline-body-key: data` without `body` beside it is not the message's own. */
static void drop_inline_key(struct decoding *d) {
    bool data = false, body = false;
    for (size_t i = 0; i < d->leaf_count; i++) {
        data = data || is(d->leaves[i].segments[0], "data");
        body = body || is(d->leaves[i].segments[0], "body");
    }
    if (is(d->named, "data") && data && !body)
        remove_field(d, "inline-body-key");
}

enum cairn_status cairn_http_decode(const struct cairn_http_form *form,
                                    struct cairn_arena *arena, struct cairn_value *out,
                                    struct cairn_error *error) {
    struct decoding d = {
        .arena = arena, .error = error, .inline_key = cairn_slice_of("body")};
    struct cairn_slice body = form->has_body ? form->body : cairn_slice_of("");
    enum cairn_status status = collect_fields(&d, form);
    if (!status)
        status = sift_fields(&d);
    if (!status)
        status = check_digest(&d, body);
    if (!status && form->has_body)
        status = read_body(&d, body);
    if (!status && d.ids.data)
        status = add_ids(&d);
    if (status)
        return status;
    drop_inline_key(&d);
    return http_tree_build(d.leaves, d.leaf_count, d.top, d.top_count, arena, out,
                           error);
}
