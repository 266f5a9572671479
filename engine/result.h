/* result.h -- what is known of a result that was kept: where it is, how long it is
 * fresh, what it cost. FORMATS.md tells the bytes. */
#ifndef CAIRN_RESULT_H
#define CAIRN_RESULT_H

#include "cairn/policy.h"

struct result {
    struct cairn_kept kept;
    struct cairn_slice target; /* an id, or data/<hash> */
    struct cairn_slice tags;   /* each followed by a NUL */
    bool linked;               /* a link at the hashpath leads to it, too */
    bool silent;               /* its request says nothing about caching */
};

/* Appends. */
enum cairn_status result_encode(const struct result *result, struct cairn_bytes *out,
                                struct cairn_error *error);
/* `out` points into `bytes`. CAIRN_CORRUPT. */
enum cairn_status result_decode(struct cairn_slice bytes, struct result *out,
                                struct cairn_error *error);

/* Steps through tags: start with *at = 0; false after the last. */
bool result_next_tag(struct cairn_slice tags, size_t *at, struct cairn_slice *out);

/* From when on nobody may be answered with it, also not with leave to be stale for a
 * day; 0: never. */
int64_t result_expiry_ms(const struct cairn_kept *kept);

#endif
