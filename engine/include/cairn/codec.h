/* codec.h -- what is kept at a path, and its bytes.
 *
 * An entry is a raw value, a link, or a group. Backends that keep one blob per key
 * store exactly what cairn_entry_encode makes; engine/FORMATS.md specifies it byte
 * by byte. A header without fields is the one byte 1 (link), 2 (raw) or 3 (group),
 * which is also how HyperBEAM's RocksDB store tags links and raw values.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_CODEC_H
#define CAIRN_CODEC_H

#include <stdint.h>

#include "cairn/status.h"

enum cairn_kind {
    CAIRN_LINK = 1,      /* payload: the target, a normal path */
    CAIRN_RAW = 2,       /* payload: the value, see `form` */
    CAIRN_GROUP = 3,     /* payload: empty, or a pack (pack.h) of inline children */
    CAIRN_TOMBSTONE = 4, /* hides a child of the same name in the group's pack */
};

/* How a raw value's payload relates to the value. */
enum cairn_form {
    CAIRN_PLAIN = 0,  /* it is the value */
    CAIRN_ZSTD = 1,   /* one Zstandard frame (RFC 8878) of `size` bytes of value */
    CAIRN_CHUNKED = 2 /* a chunk list (engine/FORMATS.md); the engine keeps the rest */
};

/* Borrowed throughout: every slice belongs to whatever the entry was decoded from. */
struct cairn_entry {
    enum cairn_kind kind;
    enum cairn_form form;
    struct cairn_slice payload;
    uint64_t size;       /* of the value (raw) or target (link), in bytes */
    int64_t created_ms;  /* since the Unix epoch; 0: not known */
    int64_t modified_ms; /* 0: as created */
    int64_t expires_ms;  /* 0: never. At and after it, the entry is not there */
    bool covers; /* expires, with an inline child of its name under it: what drops it
                    must leave a tombstone */
    struct cairn_slice metadata; /* metadata.h; empty: none */
};

/* Appends the header (kind, form, times, metadata) without the payload. Backends
 * that keep payloads elsewhere (fs) store this part beside them. */
enum cairn_status cairn_entry_encode_header(const struct cairn_entry *entry,
                                            struct cairn_bytes *out,
                                            struct cairn_error *error);

/* Header and payload. */
enum cairn_status cairn_entry_encode(const struct cairn_entry *entry,
                                     struct cairn_bytes *out,
                                     struct cairn_error *error);

/* The inverse; `out` points into `bytes`. For CAIRN_PLAIN raw values and links `size`
 * is the payload's. CAIRN_CORRUPT for anything cairn_entry_encode could not have
 * made: unknown kind, flag or form, truncated fields. */
enum cairn_status cairn_entry_decode(struct cairn_slice bytes, struct cairn_entry *out,
                                     struct cairn_error *error);

#endif
