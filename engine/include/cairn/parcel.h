/* parcel.h -- a value on its way between threads: one block of memory that nobody
 * changes, counted.
 *
 * Threads: one parcel may be read, retained and released by any thread at any time. */
#ifndef CAIRN_PARCEL_H
#define CAIRN_PARCEL_H

#include <stdatomic.h>

#include "cairn/message.h"

struct cairn_parcel {
    struct cairn_value value; /* borrows from this block */
    size_t size_bytes;        /* of the block */
    atomic_uint users;
};

/* A copy of `value`, with all it borrows. CAIRN_LIMIT beyond CAIRN_MESSAGE_DEPTH levels
 * or CAIRN_MESSAGE_MAX bytes. */
enum cairn_status cairn_parcel_new(const struct cairn_value *value,
                                   struct cairn_parcel **out,
                                   struct cairn_error *error);
struct cairn_parcel *
cairn_parcel_retain(struct cairn_parcel *parcel);       /* NULL is fine */
void cairn_parcel_release(struct cairn_parcel *parcel); /* NULL is fine */

#endif
