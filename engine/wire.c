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
