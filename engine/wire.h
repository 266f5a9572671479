/* wire.h -- the few shapes that the engine's formats are made of.
 *
 * A varint is an unsigned LEB128 of at most 64 bits, a word 8 bytes little-endian, a
 * run a varint size and that many bytes. Appending is false without memory; taking
 * moves `rest` past what was read and is false when it does not hold that much. */
#ifndef CAIRN_WIRE_H
#define CAIRN_WIRE_H

#include <stdint.h>

#include "cairn/bytes.h"

bool wire_append_varint(struct cairn_bytes *out, uint64_t value);
bool wire_append_word(struct cairn_bytes *out, uint64_t word);
bool wire_append_run(struct cairn_bytes *out, struct cairn_slice run);

bool wire_take_varint(struct cairn_slice *rest, uint64_t *out);
bool wire_take_word(struct cairn_slice *rest, uint64_t *out);
bool wire_take_run(struct cairn_slice *rest, struct cairn_slice *out);

#endif
