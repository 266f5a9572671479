/* pack.h -- children carried inline in their group's own value.
 *
 * A pack is the payload of a group entry: names in byte order, each with an encoded
 * entry (codec.h) that is raw or a link. It makes a message one entry. Format:
 * varint count, then per child varint name size, name, varint entry size, entry.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_PACK_H
#define CAIRN_PACK_H

#include "cairn/codec.h"

struct cairn_pack_child {
    struct cairn_slice name;  /* one segment */
    struct cairn_entry entry; /* CAIRN_RAW or CAIRN_LINK */
};

/* Sorts `children` by name (in place) and appends the pack. CAIRN_INVALID_ARGUMENT
 * for a name that occurs twice or is no segment, or an entry that may not be inline. */
enum cairn_status cairn_pack_encode(struct cairn_pack_child *children, size_t count,
                                    struct cairn_bytes *out, struct cairn_error *error);

/* A walk over a pack, in byte order of names. */
struct cairn_pack_walk {
    struct cairn_slice rest;
    struct cairn_slice last; /* the name before, to check the order */
    uint64_t left;           /* children still to come */
};

/* CAIRN_CORRUPT if the bytes are not a pack. An empty payload is an empty pack. */
enum cairn_status cairn_pack_open(struct cairn_slice pack, struct cairn_pack_walk *walk,
                                  struct cairn_error *error);
/* CAIRN_NOT_FOUND after the last child; CAIRN_CORRUPT when truncated or out of order.
 */
enum cairn_status cairn_pack_next(struct cairn_pack_walk *walk,
                                  struct cairn_pack_child *out,
                                  struct cairn_error *error);

/* One child by name; CAIRN_NOT_FOUND (error left alone) if it is not in the pack. */
enum cairn_status cairn_pack_find(struct cairn_slice pack, struct cairn_slice name,
                                  struct cairn_entry *out, struct cairn_error *error);

#endif
