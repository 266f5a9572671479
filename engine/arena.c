/* arena.c -- many small pieces that are freed together. */
#include "cairn/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_SIZE = 16384, ALIGNMENT = alignof(max_align_t) };

struct cairn_arena_block {
    struct cairn_arena_block *next;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void cairn_arena_init(struct cairn_arena *arena) {
    arena->blocks = NULL;
    arena->used = 0;
}

void cairn_arena_free(struct cairn_arena *arena) {
    while (arena->blocks) {
        struct cairn_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
}

void *cairn_arena_take(struct cairn_arena *arena, size_t size) {
    size_t room = arena->blocks ? arena->blocks->size : sizeof arena->first;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t from = arena->used;
    if (size > room - from) {
        size_t wanted = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct cairn_arena_block *block = malloc(sizeof *block + wanted);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        block->size = wanted;
        arena->blocks = block;
        from = 0;
    }
    arena->used = from + size;
    return (arena->blocks ? arena->blocks->bytes : arena->first) + from;
}

bool cairn_arena_copy(struct cairn_arena *arena, struct cairn_slice bytes,
                      struct cairn_slice *out) {
    char *copy = cairn_arena_take(arena, bytes.size ? bytes.size : 1);
    if (!copy)
        return false;
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    *out = (struct cairn_slice){copy, bytes.size};
    return true;
}
