/* wire.c -- varints, words and runs of bytes. */
#include "wire.h"

#include <endian.h>

bool wire_append_varint(struct cairn_bytes *out, uint64_t value) {
    char bytes[10];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (char)value;
    return cairn_bytes_append(out, (struct cairn_slice){bytes, size});
}

bool wire_append_word(struct cairn_bytes *out, uint64_t word) {
    uint64_t little = htole64(word);
    return cairn_bytes_append(out,
                              (struct cairn_slice){(char *)&little, sizeof little});
}

bool wire_append_run(struct cairn_bytes *out, struct cairn_slice run) {
    return wire_append_varint(out, run.size) && cairn_bytes_append(out, run);
}

static void skip(struct cairn_slice *rest, size_t size) {
    *rest = cairn_slice_sub(*rest, size, rest->size - size);
}

bool wire_take_varint(struct cairn_slice *rest, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < rest->size && i < 10; i++) {
        uint64_t byte = (unsigned char)rest->data[i];
        if (i == 9 && byte > 1)
            return false; /* over 64 bits */
        value |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            skip(rest, i + 1);
            return true;
        }
    }
    return false;
}

bool wire_take_word(struct cairn_slice *rest, uint64_t *out) {
    if (rest->size < 8)
        return false;
    uint64_t little;
    memcpy(&little, rest->data, sizeof little);
    *out = le64toh(little);
    skip(rest, sizeof little);
    return true;
}

bool wire_take_run(struct cairn_slice *rest, struct cairn_slice *out) {
    uint64_t size;
    if (!wire_take_varint(rest, &size) || size > rest->size)
        return false;
    *out = cairn_slice_sub(*rest, 0, (size_t)size);
    skip(rest, (size_t)size);
    return true;
}
