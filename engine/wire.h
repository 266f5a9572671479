/* wire.h -- the few shapes that the engine's formats are made of.
 *
 * A varint is an unsigned LEB128 of at most 64 bits, a word 8 bytes little-endian, a
 * run a varint size and that many bytes. Appending is false without memory; taking
 * moves `rest` past what was read and is false when it does not hold that much. */
#ifndef CAIRN_WIRE_H
#define CAIRN_WIRE_H

#include <endian.h>
#include <stdint.h>

#include "cairn/bytes.h"

bool wire_append_varint(struct cairn_bytes *out, uint64_t value);
bool wire_append_word(struct cairn_bytes *out, uint64_t word);
bool wire_append_run(struct cairn_bytes *out, struct cairn_slice run);

/* Inlined: what a read finds is taken apart with these. */

static inline void wire_skip(struct cairn_slice *rest, size_t size) {
    *rest = cairn_slice_sub(*rest, size, rest->size - size);
}

static inline bool wire_take_varint(struct cairn_slice *rest, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < rest->size && i < 10; i++) {
        uint64_t byte = (unsigned char)rest->data[i];
        if (i == 9 && byte > 1)
            return false; /* over 64 bits */
        value |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            wire_skip(rest, i + 1);
            return true;
        }
    }
    return false;
}

static inline bool wire_take_word(struct cairn_slice *rest, uint64_t *out) {
    if (rest->size < 8)
        return false;
    uint64_t little;
    memcpy(&little, rest->data, sizeof little);
    *out = le64toh(little);
    wire_skip(rest, sizeof little);
    return true;
}

static inline bool wire_take_run(struct cairn_slice *rest, struct cairn_slice *out) {
    uint64_t size;
    if (!wire_take_varint(rest, &size) || size > rest->size)
        return false;
    *out = cairn_slice_sub(*rest, 0, (size_t)size);
    wire_skip(rest, (size_t)size);
    return true;
}

#endif
