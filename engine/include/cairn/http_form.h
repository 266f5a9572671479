/* http_form.h -- a stored message as an HTTP message: fields and a body.
 *
 * What is small becomes a field, what is large or a map goes into the body, as
 * multipart/form-data where one value is not enough. engine/FORMATS.md specifies it.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_HTTP_FORM_H
#define CAIRN_HTTP_FORM_H

#include "cairn/id.h"

/* A field: its name in lower case. Both borrowed. */
struct cairn_http_field {
    struct cairn_slice name, value;
};

struct cairn_http_form {
    struct cairn_http_field *fields; /* in byte order of their names */
    size_t count;
    struct cairn_slice body;
    bool has_body;
};

/* All that is new lies in the arena. `body-keys` and `content-digest` are among the
 * fields; `commitments` are left out. */
enum cairn_status cairn_http_encode(const struct cairn_value *stored,
                                    enum cairn_ids ids, struct cairn_arena *arena,
                                    struct cairn_http_form *out,
                                    struct cairn_error *error);

/* The way back, to the stored message. Field names in any case and order, both line
 * endings. What is about the HTTP message, and not of the message it carries, is left
 * out: `content-digest`, `body-keys`, `signature`, `signature-input`, and keys that no
 * stored message has. CAIRN_INVALID_ARGUMENT for a multipart body that cannot be read,
 * CAIRN_LIMIT for too many parts or too deep, CAIRN_UNVERIFIED for a `content-digest`
 * that is not that of the body. */
enum cairn_status cairn_http_decode(const struct cairn_http_form *form,
                                    struct cairn_arena *arena, struct cairn_value *out,
                                    struct cairn_error *error);

#endif
