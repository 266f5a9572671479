/* arena.h -- many small pieces that are freed together.
 *
 * The first KiB lies in the struct itself: most uses never allocate. */
#ifndef CAIRN_ARENA_H
#define CAIRN_ARENA_H

#include "cairn/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used; /* of the first room, or of the newest block */
    _Alignas(max_align_t) char first[1024];
};

void arena_init(struct arena *arena);
void arena_free(struct arena *arena);

/* NULL without memory. Aligned for any type. */
void *arena_take(struct arena *arena, size_t size);

/* A copy of `bytes` that lives as long as the arena; false without memory. */
bool arena_copy(struct arena *arena, struct cairn_slice bytes, struct cairn_slice *out);

#endif
