/* signature_component.h -- the value of one covered component (RFC 9421, section 2).
 *
 * Fields and query parameters are looked up by name in sorted lists, made once for a
 * message: whoever sends both the message and what it covers cannot make that slow. */
#ifndef CAIRN_SIGNATURE_COMPONENT_H
#define CAIRN_SIGNATURE_COMPONENT_H

#include "cairn/signature_base.h"

/* A field line, or a parameter of the query. */
struct named {
    struct cairn_slice name; /* in lower case; of a parameter percent-encoded */
    struct cairn_slice value;
    size_t place; /* in the message */

    /* Of a field's first line, once a member of it was asked for: where the members of
     * the dictionary are, in byte order of their keys. */
    struct cairn_slice **members;
    size_t member_count;
};

struct covered {
    const struct cairn_http_message *message;
    struct named *fields;
    size_t field_count;
    struct named *parameters; /* of the query; NULL until one is asked for */
    size_t parameter_count;
    struct cairn_arena *arena;
    struct cairn_error *error;
};

/* By name, those of one name in the order of the message. */
void named_sort(struct named *list, size_t count);
/* The first of this name; how many follow each other. NULL: none. */
struct named *named_find(struct named *list, size_t count, struct cairn_slice name,
                         size_t *found);

/* Takes the field lines of the message into `covered`. */
enum cairn_status signature_fields(struct covered *covered);

/* Each appends the component's value. */
enum cairn_status signature_field(struct covered *covered,
                                  const struct cairn_item *component,
                                  struct cairn_bytes *out);
enum cairn_status signature_query_parameter(struct covered *covered,
                                            const struct cairn_item *component,
                                            struct cairn_bytes *out);
/* Of a name that begins with `@`. */
enum cairn_status signature_derived(struct covered *covered,
                                    const struct cairn_item *component,
                                    struct cairn_bytes *out);

/* CAIRN_INVALID_ARGUMENT, naming the component. */
enum cairn_status signature_refuse(const struct covered *covered,
                                   const struct cairn_item *component,
                                   const char *reason);
enum cairn_status signature_no_memory(const struct covered *covered);

#endif
