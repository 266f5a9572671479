/* arena.h -- many small pieces that are freed together.
 *
 * The first KiB lies in the struct itself: most uses never allocate. The struct must
 * not be moved while it is in use.
 *
 * Threads: one arena belongs to one thread at a time. */
#ifndef CAIRN_ARENA_H
#define CAIRN_ARENA_H

#include "cairn/bytes.h"

struct cairn_arena_block;

struct cairn_arena {
    struct cairn_arena_block *blocks;
    size_t used; /* of the first room, or of the newest block */
    _Alignas(max_align_t) char first[1024];
};

void cairn_arena_init(struct cairn_arena *arena);
void cairn_arena_free(struct cairn_arena *arena);

/* NULL without memory. Aligned for any type; not zeroed. */
void *cairn_arena_take(struct cairn_arena *arena, size_t size);

/* A copy of `bytes` that lives as long as the arena; false without memory. */
bool cairn_arena_copy(struct cairn_arena *arena, struct cairn_slice bytes,
                      struct cairn_slice *out);

#endif
