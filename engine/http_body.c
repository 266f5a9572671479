/* http_body.c -- parts as a multipart body.
 *
 * The boundary is the hash of the parts, and always 43 bytes long: they are laid out at
 * their final places and the boundary is filled in between them. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "digest.h"
#include "http_parts.h"
#include "message_types.h"
#include "put.h"

static const char disposition_name[] = "content-disposition";

/* -- What a field can carry ------------------------------------------------------- */

bool http_is_plain_key(struct cairn_slice key) {
    bool any_case = is_id_sized(key);
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        if (!http_in_token(c) && !(any_case && c >= 'A' && c <= 'Z'))
            return false;
    }
    return key.size > 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool http_is_one_line(struct cairn_slice value) {
    if (!value.size)
        return true;
    return !memchr(value.data, '\n', value.size) &&
           !memchr(value.data, '\r', value.size) &&
           !memchr(value.data, '\0', value.size);
}

bool http_is_plain_value(struct cairn_slice value) {
    if (!value.size)
        return true;
    return !is_blank(value.data[0]) && !is_blank(value.data[value.size - 1]) &&
           http_is_one_line(value);
}

bool http_is_multipart(struct cairn_slice content_type) {
    static const char type[] = "multipart/form-data";
    size_t size = sizeof type - 1;
    if (content_type.size < size || strncasecmp(content_type.data, type, size) != 0)
        return false;
    return content_type.size == size || content_type.data[size] == ';' ||
           is_blank(content_type.data[size]);
}

/* -- A part ----------------------------------------------------------------------- */

/* A map that has nothing but a body goes by the body's name: else it would be taken
 * for a value. */
static bool is_named_body(const struct http_part *part) {
    return part->is_map && !part->count;
}

static size_t disposition_size(const struct http_part *part) {
    return part->name.size + sizeof "form-data;name=\"/body\";escape=percent";
}

static char *put_disposition(char *out, const struct http_part *part) {
    out = put_text(put_text(out, disposition_name), ": ");
    if (part->is_inline && !is_named_body(part))
        return put_text(out, "inline");
    out = put_text(out, "form-data;name=\"");
    out = put_slice(out, part->name);
    out = put_text(out, is_named_body(part) ? "/body\"" : "\"");
    return put_text(out, part->escaped ? ";escape=percent" : "");
}

static size_t part_room(const struct http_part *part) {
    size_t room = sizeof disposition_name + 2 + disposition_size(part) + 4;
    for (size_t i = 0; i < part->count; i++)
        room += part->fields[i].name.size + part->fields[i].value.size + 4;
    return room + part->body.size;
}

static char *put_part(char *out, const struct http_part *part) {
    struct cairn_slice disposition = cairn_slice_of(disposition_name);
    bool before = false; /* the disposition is written */
    for (size_t i = 0; i < part->count; i++) {
        const struct cairn_http_field *field = &part->fields[i];
        if (!before && cairn_slice_compare(disposition, field->name) < 0) {
            out = put_text(put_disposition(out, part), "\r\n");
            before = true;
        }
        out = put_text(put_slice(out, field->name), ": ");
        out = put_slice(out, field->value);
        if (!before || i + 1 < part->count)
            out = put_text(out, "\r\n");
    }
    if (!before)
        out = put_disposition(out, part);
    return part->has_body ? put_slice(put_text(out, "\r\n\r\n"), part->body) : out;
}

/* -- The body --------------------------------------------------------------------- */

static int compare_parts(const void *a, const void *b) {
    const struct http_part *left = a, *right = b;
    int order = cairn_slice_compare(left->name, right->name);
    return order ? order : (int)left->escaped - (int)right->escaped;
}

/* What is laid out: places for the boundary, and the parts as they are hashed. */
struct layout {
    char *text, *end;
    char **boundaries;
    struct cairn_slice *pieces; /* the parts, and the line breaks between them */
    size_t piece_count;
};

static enum cairn_status take_layout(const struct http_part *parts, size_t count,
                                     struct cairn_arena *arena, struct layout *out,
                                     struct cairn_error *error) {
    size_t room = CAIRN_ID_SIZE + sizeof "----";
    for (size_t i = 0; i < count; i++) {
        room += CAIRN_ID_SIZE + sizeof "--\r\n\r\n" + part_room(&parts[i]);
        if (room > 2 * CAIRN_MESSAGE_MAX)
            return cairn_fail(error, CAIRN_LIMIT,
                              "the parts of a message take more than 512 MiB");
    }
    out->text = out->end = cairn_arena_take(arena, room);
    out->boundaries = cairn_arena_take(arena, (count + 1) * sizeof *out->boundaries);
    out->pieces = cairn_arena_take(arena, 2 * count * sizeof *out->pieces);
    out->piece_count = 0;
    if (!out->text || !out->boundaries || !out->pieces)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a body");
    return CAIRN_OK;
}

static char *put_boundary(char *out, char **place) {
    *place = put_text(out, "--");
    return *place + CAIRN_ID_SIZE;
}

static void lay_out(const struct http_part *parts, size_t count, struct layout *out) {
    char *end = out->text;
    for (size_t i = 0; i < count; i++) {
        char *from = put_text(put_boundary(end, &out->boundaries[i]), "\r\n");
        end = put_part(from, &parts[i]);
        if (i)
            out->pieces[out->piece_count++] = cairn_slice_of("\r\n");
        out->pieces[out->piece_count++] =
            (struct cairn_slice){from, (size_t)(end - from)};
        end = put_text(end, "\r\n");
    }
    out->end = put_text(put_boundary(end, &out->boundaries[count]), "--");
}

/* The names in a list of strings. */
static char *put_names(char *out, const struct http_part *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        out = put_text(out, i ? ", \"" : "\"");
        for (size_t at = 0; at < parts[i].name.size; at++) {
            char c = parts[i].name.data[at];
            if (c == '"' || c == '\\')
                *out++ = '\\';
            *out++ = c;
        }
        *out++ = '"';
    }
    return out;
}

static enum cairn_status describe(const struct http_part *parts, size_t count,
                                  const struct cairn_id *boundary,
                                  struct cairn_arena *arena, struct http_body *out,
                                  struct cairn_error *error) {
    size_t room = 1;
    for (size_t i = 0; i < count; i++)
        room += 2 * parts[i].name.size + 4;
    char *keys = cairn_arena_take(arena, room);
    char *type = cairn_arena_take(arena, 64 + CAIRN_ID_SIZE);
    if (!keys || !type)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a body");
    out->keys =
        (struct cairn_slice){keys, (size_t)(put_names(keys, parts, count) - keys)};
    char *end = put_text(type, "multipart/form-data; boundary=\"");
    end = put_text(put_slice(end, cairn_id_slice(boundary)), "\"");
    out->content_type = (struct cairn_slice){type, (size_t)(end - type)};
    return CAIRN_OK;
}

enum cairn_status http_body_write(struct http_part *parts, size_t count,
                                  struct cairn_arena *arena, struct http_body *out,
                                  struct cairn_error *error) {
    struct layout layout = {0};
    struct cairn_id boundary;
    unsigned char hash[DIGEST_SIZE];
    qsort(parts, count, sizeof *parts, compare_parts);
    enum cairn_status status = take_layout(parts, count, arena, &layout, error);
    if (status)
        return status;
    lay_out(parts, count, &layout);
    status = digest_sha256(layout.pieces, layout.piece_count, hash, error);
    if (status)
        return status;
    cairn_id_encode(hash, &boundary);
    for (size_t i = 0; i <= count; i++)
        memcpy(layout.boundaries[i], boundary.text, CAIRN_ID_SIZE);
    out->text = (struct cairn_slice){layout.text, (size_t)(layout.end - layout.text)};
    return describe(parts, count, &boundary, arena, out, error);
}
