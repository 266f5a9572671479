/* structured.h -- Structured Field Values for HTTP (RFC 9651), parsed and serialised.
 *
 * Section 4.1 serialises, section 4.2 parses, both strictly; `CAIRN_STRUCTURED_LAX`
 * additionally takes dictionary and parameter keys with upper-case letters and
 * percent signs, any of `/?&+`, and those that begin otherwise than with a letter,
 * which keys of `ao-types` do.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_STRUCTURED_H
#define CAIRN_STRUCTURED_H

#include <stdint.h>

#include "cairn/arena.h"
#include "cairn/status.h"

/* Members, items of inner lists and parameters of one field, all together. */
#define CAIRN_STRUCTURED_MAX (1 << 20)

enum cairn_item_type {
    CAIRN_ITEM_INTEGER, /* up to 15 digits */
    CAIRN_ITEM_DECIMAL, /* up to 12 digits and 3 behind the point */
    CAIRN_ITEM_STRING,  /* printable ASCII */
    CAIRN_ITEM_TOKEN,
    CAIRN_ITEM_BYTES, /* a byte sequence, decoded */
    CAIRN_ITEM_BOOLEAN,
    CAIRN_ITEM_DATE,    /* seconds since the Unix epoch */
    CAIRN_ITEM_DISPLAY, /* a display string: UTF-8, decoded */
    CAIRN_ITEM_LIST,    /* an inner list; a member only */
};

struct cairn_parameter;

struct cairn_item {
    enum cairn_item_type type;
    union {
        int64_t integer; /* also of a date */
        double decimal;
        bool boolean;
        struct cairn_slice bytes; /* string, token, byte sequence, display string */
        struct cairn_item *items; /* of an inner list */
    } as;
    size_t count; /* of an inner list's items */
    struct cairn_parameter *parameters;
    size_t parameter_count;
};

struct cairn_parameter {
    struct cairn_slice key;
    struct cairn_item value; /* a bare item */
};

/* A member of a list (key empty) or dictionary, in the order of the field; of a key
 * that comes twice the last value, at the place of the first. */
struct cairn_member {
    struct cairn_slice key;
    struct cairn_item item;
};

enum cairn_structured_type {
    CAIRN_STRUCTURED_ITEM, /* gives one member */
    CAIRN_STRUCTURED_LIST,
    CAIRN_STRUCTURED_DICTIONARY,
};

enum cairn_structured_flag { CAIRN_STRUCTURED_LAX = 1 << 0 };

/* All that is new lies in the arena; slices of the text are shared. A field on several
 * lines is joined with ", " before. CAIRN_INVALID_ARGUMENT names the byte at which the
 * text stopped making sense, CAIRN_LIMIT says that there are more than
 * CAIRN_STRUCTURED_MAX. */
enum cairn_status cairn_structured_parse(struct cairn_slice text,
                                         enum cairn_structured_type type,
                                         unsigned flags, struct cairn_arena *arena,
                                         struct cairn_member **out, size_t *count,
                                         struct cairn_error *error);

/* Appends; nothing unless it succeeds. CAIRN_INVALID_ARGUMENT for what the syntax
 * cannot carry, a key that comes twice included; CAIRN_LIMIT as above. Decimals are
 * rounded to three digits behind the point. An empty list or dictionary appends
 * nothing. */
enum cairn_status cairn_structured_serialize(const struct cairn_member *members,
                                             size_t count,
                                             enum cairn_structured_type type,
                                             unsigned flags, struct cairn_bytes *out,
                                             struct cairn_error *error);

#endif
