/* http_multipart.c -- a multipart body taken apart (RFC 2046, RFC 7578).
 *
 * The line ending is what the first delimiter ends with. With CRLF, everything else is
 * taken to the letter, for that is how the parts of messages are written: a line feed
 * alone is a byte like any other, and behind the colon stands one blank. */
#include <ctype.h>
#include <strings.h>

#include "http_parts.h"
#include "message_types.h"
#include "scan.h"

enum { PARTS_MAX = 1 << 20, BOUNDARY_MAX = 256 };

struct reading {
    struct cairn_arena *arena;
    struct cairn_error *error;
    struct cairn_slice line_end;      /* "\r\n" or "\n" */
    char delimiter[2 + BOUNDARY_MAX]; /* "--" and the boundary */
    size_t delimiter_size;
    size_t lines; /* of the heads of all parts so far */
};

static enum cairn_status refuse(struct reading *r, const char *what) {
    return cairn_fail(r->error, CAIRN_INVALID_ARGUMENT, "a multipart body %s", what);
}

static enum cairn_status no_memory(struct reading *r) {
    return cairn_fail(r->error, CAIRN_NO_MEMORY, "no memory for the parts of a body");
}

static struct cairn_slice skip(struct cairn_slice text, size_t size) {
    return cairn_slice_sub(text, size, text.size - size);
}

static bool begins(struct cairn_slice text, struct cairn_slice with) {
    return text.size >= with.size &&
           (!with.size || memcmp(text.data, with.data, with.size) == 0);
}

/* -- Parameters of a field -------------------------------------------------------- */

static struct cairn_slice take_until(struct cairn_slice *text, char end) {
    const char *at = text->size ? memchr(text->data, end, text->size) : NULL;
    size_t size = at ? (size_t)(at - text->data) : text->size;
    struct cairn_slice taken = cairn_slice_sub(*text, 0, size);
    *text = skip(*text, size);
    return taken;
}

/* Takes `;name=value`; the value may stand in quotes, or lack. */
static enum cairn_status take_parameter(struct cairn_slice *rest,
                                        struct cairn_arena *arena,
                                        struct cairn_slice *name,
                                        struct cairn_slice *value) {
    size_t size = 0;
    enum cairn_status status = CAIRN_OK;
    if (rest->data[0] != ';')
        return CAIRN_INVALID_ARGUMENT;
    *rest = skip(*rest, 1);
    scan_blanks(rest);
    while (size < rest->size && rest->data[size] != '=' && rest->data[size] != ';')
        size++;
    *name = cairn_slice_sub(*rest, 0, size);
    *rest = skip(*rest, size);
    *value = (struct cairn_slice){NULL, 0};
    if (begins(*rest, cairn_slice_of("="))) {
        *rest = skip(*rest, 1);
        if (begins(*rest, cairn_slice_of("\"")))
            status = scan_string(rest, arena, value);
        else
            *value = take_until(rest, ';');
    }
    scan_blanks(rest);
    return status == CAIRN_NOT_FOUND ? CAIRN_INVALID_ARGUMENT : status;
}

/* The value of a parameter behind the first `;`. CAIRN_NOT_FOUND if there is none,
 * CAIRN_INVALID_ARGUMENT if the field makes no sense; neither with a message. */
static enum cairn_status parameter(struct cairn_slice field, const char *name,
                                   struct cairn_arena *arena, struct cairn_slice *out) {
    struct cairn_slice rest = field, key;
    take_until(&rest, ';');
    while (rest.size) {
        enum cairn_status status = take_parameter(&rest, arena, &key, out);
        if (status)
            return status;
        if (key.size == strlen(name) && strncasecmp(key.data, name, key.size) == 0)
            return CAIRN_OK;
    }
    return CAIRN_NOT_FOUND;
}

/* -- A part ----------------------------------------------------------------------- */

/* Its name, from `form-data;name="o/m"`, or that it goes by none. */
static enum cairn_status read_disposition(struct reading *r, struct cairn_slice field,
                                          struct http_part *out) {
    struct cairn_slice escape;
    static const char word[] = "inline";
    size_t size = sizeof word - 1;
    out->is_inline = field.size >= size && strncasecmp(field.data, word, size) == 0 &&
                     (field.size == size || field.data[size] == ';' ||
                      isblank((unsigned char)field.data[size]));
    if (out->is_inline)
        return CAIRN_OK;
    enum cairn_status status = parameter(field, "name", r->arena, &out->name);
    if (status == CAIRN_NO_MEMORY)
        return no_memory(r);
    if (status)
        return refuse(r, "has a part without a name");
    status = parameter(field, "escape", r->arena, &escape);
    out->escaped = !status && cairn_slice_equal(escape, cairn_slice_of("percent"));
    if (!status && !out->escaped)
        return refuse(r, "has a name escaped in a way nobody knows");
    if (status == CAIRN_INVALID_ARGUMENT)
        return refuse(r, "has a disposition that makes no sense");
    return status == CAIRN_NO_MEMORY ? no_memory(r) : CAIRN_OK;
}

/* One line, `name: value`. */
static enum cairn_status read_field(struct reading *r, struct cairn_slice line,
                                    struct http_part *part, bool *disposed) {
    const char *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
    struct cairn_http_field *field = &part->fields[part->count];
    if (!colon)
        return refuse(r, "has a part with a line that is no field");
    size_t size = (size_t)(colon - line.data);
    field->value = skip(line, size + 1);
    if (r->line_end.size == 1) {
        scan_blanks(&field->value);
        while (field->value.size &&
               isspace((unsigned char)field->value.data[field->value.size - 1]))
            field->value.size--;
    } else if (begins(field->value, cairn_slice_of(" "))) {
        field->value = skip(field->value, 1);
    }
    if (!key_normalize(cairn_slice_sub(line, 0, size), r->arena, &field->name))
        return no_memory(r);
    if (!cairn_slice_equal(field->name, cairn_slice_of("content-disposition"))) {
        part->count++;
        return CAIRN_OK;
    }
    if (*disposed)
        return refuse(r, "has a part with two dispositions");
    *disposed = true;
    return read_disposition(r, field->value, part);
}

/* Where the first line ends; NULL if it does not. */
static const char *find_line_end(const struct reading *r, struct cairn_slice text) {
    const char *from = text.data, *end = text.data + text.size;
    bool carriage = r->line_end.size == 2;
    while (from < end && (from = memchr(from, '\n', (size_t)(end - from)))) {
        if (!carriage)
            return from;
        if (from > text.data && from[-1] == '\r')
            return from - 1;
        from++;
    }
    return NULL;
}

/* Takes a line without its end; false behind the last one. */
static bool next_line(const struct reading *r, struct cairn_slice *text,
                      struct cairn_slice *out) {
    if (!text->data)
        return false;
    const char *end = find_line_end(r, *text);
    *out = *text;
    if (!end) {
        *text = (struct cairn_slice){NULL, 0};
        return true;
    }
    out->size = (size_t)(end - text->data);
    *text = skip(*text, out->size + r->line_end.size);
    return true;
}

static size_t count_lines(const struct reading *r, struct cairn_slice text) {
    struct cairn_slice line;
    size_t count = 0;
    while (next_line(r, &text, &line) && line.size)
        count++;
    return count;
}

static enum cairn_status read_part(struct reading *r, struct cairn_slice text,
                                   struct http_part *out) {
    struct cairn_slice line;
    bool disposed = false;
    *out = (struct http_part){0};
    size_t lines = count_lines(r, text);
    r->lines += lines;
    if (r->lines > CAIRN_MESSAGE_MAX / sizeof *out->fields)
        return cairn_fail(r->error, CAIRN_LIMIT, "a body with too many fields");
    out->fields = cairn_arena_take(r->arena, lines * sizeof *out->fields + 1);
    if (!out->fields)
        return no_memory(r);
    while (next_line(r, &text, &line)) {
        if (!line.size) { /* the rest is the body, also where there is no more of it */
            out->has_body = text.data != NULL;
            out->body = text;
            break;
        }
        enum cairn_status status = read_field(r, line, out, &disposed);
        if (status)
            return status;
    }
    out->is_map = out->count > 0;
    if (!disposed)
        return refuse(r, "has a part without content-disposition");
    return out->is_map || out->has_body ? CAIRN_OK
                                        : refuse(r, "has a part with nothing in it");
}

/* -- The body --------------------------------------------------------------------- */

static enum cairn_status read_boundary(struct reading *r, struct cairn_slice type) {
    struct cairn_slice boundary;
    enum cairn_status status = parameter(type, "boundary", r->arena, &boundary);
    if (status == CAIRN_NO_MEMORY)
        return no_memory(r);
    if (status || !boundary.size || boundary.size > BOUNDARY_MAX)
        return refuse(r, "without a boundary in its content-type");
    memcpy(r->delimiter, "--", 2);
    memcpy(r->delimiter + 2, boundary.data, boundary.size);
    r->delimiter_size = 2 + boundary.size;
    return CAIRN_OK;
}

/* Where the next delimiter is that begins a line; NULL if there is none. */
static const char *find_delimiter(const struct reading *r, struct cairn_slice text,
                                  bool at_start) {
    struct cairn_slice delimiter = {r->delimiter, r->delimiter_size};
    if (at_start && begins(text, delimiter))
        return text.data;
    const char *line = text.size ? memchr(text.data, '\n', text.size) : NULL;
    for (; line; line = text.size ? memchr(text.data, '\n', text.size) : NULL) {
        text = skip(text, (size_t)(line + 1 - text.data));
        if (begins(text, delimiter))
            return text.data;
    }
    return NULL;
}

/* What stands between two delimiters, without the line break before the second. */
static struct cairn_slice between(const struct reading *r, struct cairn_slice text,
                                  const char *until) {
    size_t size = (size_t)(until - text.data);
    bool whole =
        size >= r->line_end.size &&
        memcmp(until - r->line_end.size, r->line_end.data, r->line_end.size) == 0;
    return cairn_slice_sub(text, 0, size - (whole ? r->line_end.size : 0));
}

/* Takes the end of a delimiter's line; false if the delimiter is the last one. */
static enum cairn_status end_delimiter(struct reading *r, struct cairn_slice *text,
                                       bool *last) {
    *last = begins(*text, cairn_slice_of("--"));
    if (*last)
        return CAIRN_OK;
    scan_blanks(text);
    if (!r->line_end.size)
        r->line_end =
            cairn_slice_of(begins(*text, cairn_slice_of("\r\n")) ? "\r\n" : "\n");
    if (!begins(*text, r->line_end))
        return refuse(r, "has a delimiter with something behind it");
    *text = skip(*text, r->line_end.size);
    return CAIRN_OK;
}

static enum cairn_status grow(struct reading *r, struct http_part **parts, size_t count,
                              size_t *room) {
    if (count == PARTS_MAX)
        return cairn_fail(r->error, CAIRN_LIMIT, "a body of more than a million parts");
    *room = *room ? 2 * *room : 8;
    struct http_part *more = cairn_arena_take(r->arena, *room * sizeof *more);
    if (!more)
        return no_memory(r);
    if (count)
        memcpy(more, *parts, count * sizeof *more);
    *parts = more;
    return CAIRN_OK;
}

enum cairn_status http_body_read(struct cairn_slice text,
                                 struct cairn_slice content_type,
                                 struct cairn_arena *arena, struct http_part **out,
                                 size_t *count, struct cairn_error *error) {
    struct reading r = {.arena = arena, .error = error};
    size_t room = 0;
    bool last = false;
    *count = 0;
    enum cairn_status status = read_boundary(&r, content_type);
    if (status)
        return status;
    const char *at = find_delimiter(&r, text, true);
    while (!last) {
        if (!at)
            return refuse(&r, "that ends before its last delimiter");
        text = skip(text, (size_t)(at - text.data) + r.delimiter_size);
        if ((status = end_delimiter(&r, &text, &last)) || last)
            return status;
        if (!(at = find_delimiter(&r, text, false)))
            continue;
        if (*count == room && (status = grow(&r, out, *count, &room)))
            return status;
        if ((status = read_part(&r, between(&r, text, at), &(*out)[(*count)++])))
            return status;
    }
    return CAIRN_OK;
}
