/* http_parts.h -- the parts of a multipart body, on the way out and on the way in.
 *
 * A part is one map with values of its own, or one value that no field can carry, and
 * goes by the path that leads there. */
#ifndef CAIRN_HTTP_PARTS_H
#define CAIRN_HTTP_PARTS_H

#include "cairn/http_form.h"

enum { FIELD_VALUE_MAX = 4096 }; /* a longer value goes into the body */

struct http_part {
    struct cairn_slice name; /* the path, '/' between; what parts are sorted by */
    bool escaped;            /* each segment of it is percent-escaped, and it says so */
    bool is_inline;          /* the inline key's: goes by no name */
    bool is_map;             /* false: one value, which is the body */
    struct cairn_http_field *fields; /* in order */
    size_t count;
    bool has_body;
    struct cairn_slice body;
};

/* The parts as a body, sorted in place by name; its boundary; the value of `body-keys`.
 * CAIRN_LIMIT if it would be too large. */
struct http_body {
    struct cairn_slice text, content_type, keys;
};
enum cairn_status http_body_write(struct http_part *parts, size_t count,
                                  struct cairn_arena *arena, struct http_body *out,
                                  struct cairn_error *error);

/* True for the content-type of a body that is taken apart. */
bool http_is_multipart(struct cairn_slice content_type);

/* The parts of such a body, as they come: names and values as they stand. CAIRN_LIMIT
 * for more than a million. */
enum cairn_status http_body_read(struct cairn_slice text,
                                 struct cairn_slice content_type,
                                 struct cairn_arena *arena, struct http_part **out,
                                 size_t *count, struct cairn_error *error);

/* -- What a field can carry ------------------------------------------------------- */

/* A token's characters (RFC 9110, section 5.6.2) but for capital letters. */
static inline bool http_in_token(char c) {
    static const uint64_t bits[2] = {0x3ff6cfa00000000, 0x57ffffffc0000000};
    unsigned char at = (unsigned char)c;
    return at < 128 && bits[at >> 6] >> (at & 63) & 1;
}

/* A token in lower case (an id in any): neither a field's name nor a part's changes
 * it. */
bool http_is_plain_key(struct cairn_slice key);

/* No line break and no NUL. */
bool http_is_one_line(struct cairn_slice value);

/* Nor a blank at either end: comes out of a field as it went in. */
bool http_is_plain_value(struct cairn_slice value);

#endif
