/* metadata.h -- the small flat table that may stand beside an entry.
 *
 * Encoded as varint count, then per field varint key size, key, a type byte and the
 * value: 's' varint size + bytes, 'i' 8 bytes little-endian two's complement, 'f' 8
 * bytes IEEE 754 little-endian, 't' and 'u' (true, untrue) nothing. A store
 * refuses over CAIRN_METADATA_MAX bytes with `limit`; a backend may hold less (fs: 2
 * KiB).
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_METADATA_H
#define CAIRN_METADATA_H

#include "cairn/codec.h"

#define CAIRN_METADATA_MAX 65536

enum cairn_field_type {
    CAIRN_FIELD_STRING = 's',
    CAIRN_FIELD_INTEGER = 'i',
    CAIRN_FIELD_NUMBER = 'f',
    CAIRN_FIELD_BOOLEAN = 't',
};

struct cairn_field {
    struct cairn_slice key;
    enum cairn_field_type type;
    union {
        struct cairn_slice string;
        int64_t integer;
        double number;
        bool boolean;
    } value;
};

/* Appends the encoding of `count` fields; nothing for none. */
enum cairn_status cairn_metadata_encode(const struct cairn_field *fields, size_t count,
                                        struct cairn_bytes *out,
                                        struct cairn_error *error);

struct cairn_metadata_walk {
    struct cairn_slice rest;
    uint64_t left;
};

/* An empty slice is an empty table. CAIRN_CORRUPT for bytes that are no metadata. */
enum cairn_status cairn_metadata_open(struct cairn_slice metadata,
                                      struct cairn_metadata_walk *walk,
                                      struct cairn_error *error);
/* CAIRN_NOT_FOUND after the last field. */
enum cairn_status cairn_metadata_next(struct cairn_metadata_walk *walk,
                                      struct cairn_field *out,
                                      struct cairn_error *error);

#endif
