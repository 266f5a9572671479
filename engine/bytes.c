/* bytes.c -- growing buffers; doubling, so that appending costs O(1) amortised. */
#include "cairn/bytes.h"

#include <stdint.h>
#include <stdlib.h>

bool cairn_bytes_reserve(struct cairn_bytes *bytes, size_t more) {
    if (bytes->capacity - bytes->size >= more)
        return true;
    if (more > SIZE_MAX / 2 - bytes->size)
        return false;

    size_t capacity = bytes->capacity * 2;
    if (capacity < bytes->size + more)
        capacity = bytes->size + more;
    char *data = realloc(bytes->data, capacity);
    if (!data)
        return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

bool cairn_bytes_append(struct cairn_bytes *bytes, struct cairn_slice tail) {
    if (tail.size == 0)
        return true;
    if (!cairn_bytes_reserve(bytes, tail.size))
        return false;
    memcpy(bytes->data + bytes->size, tail.data, tail.size);
    bytes->size += tail.size;
    return true;
}

void cairn_bytes_free(struct cairn_bytes *bytes) {
    free(bytes->data);
    *bytes = (struct cairn_bytes){0};
}
