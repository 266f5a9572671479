/* signature_base.h -- what an HTTP message signature signs (RFC 9421, section 2.5).
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_SIGNATURE_BASE_H
#define CAIRN_SIGNATURE_BASE_H

#include "cairn/http_form.h"
#include "cairn/structured.h"

/* The message that is signed. Derived components that are not given ({NULL, 0}) cannot
 * be covered. The query has its `?`; a path without a query has an empty one. The
 * request target is path and query, of CONNECT the authority. Fields may repeat and
 * come in any case and order; they are combined as section 2.1 says. */
struct cairn_http_message {
    struct cairn_slice method, target_uri, authority, scheme, path, query;
    int status; /* 0: a request */
    const struct cairn_http_field *fields;
    size_t count;
};

/* `input`: one member of Signature-Input, an inner list of component identifiers with
 * the signature's parameters. Component parameters sf, key, bs and name are understood;
 * tr and req are CAIRN_UNSUPPORTED. Appends the base, nothing unless it succeeds.
 * CAIRN_INVALID_ARGUMENT: a component that is not in the message, comes twice, or that
 * nobody knows; a value with a control character. */
enum cairn_status cairn_signature_base(const struct cairn_http_message *message,
                                       const struct cairn_item *input,
                                       struct cairn_bytes *out,
                                       struct cairn_error *error);

#endif
