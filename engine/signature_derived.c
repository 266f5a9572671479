/* signature_derived.c -- what is covered of a message besides its fields (RFC 9421,
 * section 2.2). */
#include "signature_component.h"

#include <stdio.h>

static bool is(struct cairn_slice text, const char *word) {
    return cairn_slice_equal(text, cairn_slice_of(word));
}

/* Appends a value that came with the message, if it did. */
static enum cairn_status append(struct covered *covered,
                                const struct cairn_item *component,
                                struct cairn_slice value, struct cairn_bytes *out) {
    if (!value.data)
        return signature_refuse(covered, component, "the message does not have it");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < ' ' || value.data[i] > '~')
            return signature_refuse(covered, component,
                                    "its value has a character that is not printable "
                                    "ASCII");
    }
    return cairn_bytes_append(out, value) ? CAIRN_OK : signature_no_memory(covered);
}

static enum cairn_status append_lower(struct covered *covered,
                                      const struct cairn_item *component,
                                      struct cairn_slice value,
                                      struct cairn_bytes *out) {
    size_t from = out->size;
    enum cairn_status status = append(covered, component, value, out);
    for (size_t i = from; !status && i < out->size; i++) {
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] = (char)(out->data[i] - 'A' + 'a');
    }
    return status;
}

static bool is_digits(struct cairn_slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return true;
}

static bool is_scheme(struct cairn_slice scheme, const char *word) {
    for (size_t i = 0; i < scheme.size; i++) {
        if (!word[i] || (scheme.data[i] | 0x20) != word[i])
            return false;
    }
    return scheme.size == strlen(word);
}

/* The host in lower case; a port that the scheme implies is left out. */
static enum cairn_status append_authority(struct covered *covered,
                                          const struct cairn_item *component,
                                          struct cairn_bytes *out) {
    struct cairn_slice value = covered->message->authority;
    struct cairn_slice scheme = covered->message->scheme;
    size_t colon = value.size;
    while (colon && value.data[colon - 1] != ':')
        colon--;
    if (colon) { /* an IPv6 address without port ends with a bracket: no digits */
        struct cairn_slice port = cairn_slice_sub(value, colon, value.size - colon);
        if (is_digits(port) &&
            (port.size == 0 || (is(port, "443") && is_scheme(scheme, "https")) ||
             (is(port, "80") && is_scheme(scheme, "http"))))
            value.size = colon - 1;
    }
    return append_lower(covered, component, value, out);
}

/* An empty path is written as a slash. */
static enum cairn_status append_path(struct covered *covered,
                                     const struct cairn_item *component,
                                     struct cairn_bytes *out) {
    struct cairn_slice path = covered->message->path;
    if (path.data && !path.size)
        path = cairn_slice_of("/");
    return append(covered, component, path, out);
}

/* With its question mark, which stands alone where the target has a path only. */
static enum cairn_status append_query(struct covered *covered,
                                      const struct cairn_item *component,
                                      struct cairn_bytes *out) {
    struct cairn_slice query = covered->message->query;
    if (query.size && query.data[0] != '?')
        return signature_refuse(covered, component, "a query begins with `?`");
    if (!query.size && (query.data || covered->message->path.data))
        query = cairn_slice_of("?");
    return append(covered, component, query, out);
}

/* In origin form, or as CONNECT has it. */
static enum cairn_status append_target(struct covered *covered,
                                       const struct cairn_item *component,
                                       struct cairn_bytes *out) {
    const struct cairn_http_message *message = covered->message;
    if (is(message->method, "CONNECT"))
        return append(covered, component, message->authority, out);
    enum cairn_status status = append_path(covered, component, out);
    return status || !message->query.size ? status
                                          : append_query(covered, component, out);
}

static enum cairn_status append_status(struct covered *covered,
                                       const struct cairn_item *component,
                                       struct cairn_bytes *out) {
    char text[16];
    int status = covered->message->status;
    if (status && (status < 100 || status > 999))
        return signature_refuse(covered, component, "a status has three digits");
    snprintf(text, sizeof text, "%d", status);
    struct cairn_slice value = {status ? text : NULL, strlen(text)};
    return append(covered, component, value, out);
}

static enum cairn_status append_method(struct covered *covered,
                                       const struct cairn_item *component,
                                       struct cairn_bytes *out) {
    return append(covered, component, covered->message->method, out);
}

static enum cairn_status append_scheme(struct covered *covered,
                                       const struct cairn_item *component,
                                       struct cairn_bytes *out) {
    return append_lower(covered, component, covered->message->scheme, out);
}

static enum cairn_status append_uri(struct covered *covered,
                                    const struct cairn_item *component,
                                    struct cairn_bytes *out) {
    return append(covered, component, covered->message->target_uri, out);
}

static const struct {
    const char *name;
    enum cairn_status (*append)(struct covered *covered,
                                const struct cairn_item *component,
                                struct cairn_bytes *out);
} derivations[] = {
    {"@authority", append_authority},
    {"@method", append_method},
    {"@path", append_path},
    {"@query", append_query},
    {"@request-target", append_target},
    {"@scheme", append_scheme},
    {"@status", append_status},
    {"@target-uri", append_uri},
};

enum cairn_status signature_derived(struct covered *covered,
                                    const struct cairn_item *component,
                                    struct cairn_bytes *out) {
    if (is(component->as.bytes, "@query-param"))
        return signature_query_parameter(covered, component, out);
    if (component->parameter_count)
        return signature_refuse(covered, component,
                                "a parameter that this component does not have");
    for (size_t i = 0; i < sizeof derivations / sizeof *derivations; i++) {
        if (is(component->as.bytes, derivations[i].name))
            return derivations[i].append(covered, component, out);
    }
    return signature_refuse(covered, component, "there is no such derived component");
}
