/* bytes.h -- borrowed and owned bytes. The type says who frees.
 *
 * Bytes are never text: no terminator is counted or relied upon, any value may
 * occur. Sizes are in bytes. */
#ifndef CAIRN_BYTES_H
#define CAIRN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Borrowed: valid as long as whatever it was taken from. */
struct cairn_slice {
    const char *data;
    size_t size;
};

/* Owned and growing: whoever holds the struct frees it. {0} is empty. */
struct cairn_bytes {
    char *data;
    size_t size;
    size_t capacity;
};

static inline struct cairn_slice cairn_slice_of(const char *text) {
    return (struct cairn_slice){text, strlen(text)};
}

static inline struct cairn_slice cairn_slice_sub(struct cairn_slice whole, size_t from,
                                                 size_t size) {
    return (struct cairn_slice){whole.data + from, size};
}

static inline bool cairn_slice_equal(struct cairn_slice a, struct cairn_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Byte order, the shorter first: what every listing sorts by. */
static inline int cairn_slice_compare(struct cairn_slice a, struct cairn_slice b) {
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    if (order)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

static inline struct cairn_slice cairn_bytes_slice(const struct cairn_bytes *bytes) {
    return (struct cairn_slice){bytes->data, bytes->size};
}

/* False when there is no memory; `bytes` is as it was. */
bool cairn_bytes_reserve(struct cairn_bytes *bytes, size_t more);
bool cairn_bytes_append(struct cairn_bytes *bytes, struct cairn_slice tail);

/* Empties and frees; the struct may be used again. */
void cairn_bytes_free(struct cairn_bytes *bytes);

#endif
