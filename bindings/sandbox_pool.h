/* sandbox_pool.h -- small blocks that a state gave back, kept for its next ones.
 *
 * Scripts that are called often make the same few tables each time, and the collector
 * frees them hundreds at once: more than malloc has at hand without a search. Every
 * block is one of malloc's and has the room of its class, so it may be kept here or
 * freed as is convenient. What is kept is not held by the state and not counted in its
 * limits: it is at most POOL_BYTES. */
#ifndef CAIRN_SANDBOX_POOL_H
#define CAIRN_SANDBOX_POOL_H

#include <stdlib.h>
#include <string.h>

enum {
    POOL_GRAIN = 16,
    POOL_CLASSES = 13, /* up to 200 bytes */
#ifdef __SANITIZE_ADDRESS__
    POOL_BYTES = 0 /* a block that is used after it was given back is to be seen */
#else
    POOL_BYTES = 64 << 10
#endif
};

struct sandbox_pool {
    void *blocks[POOL_CLASSES]; /* each begins with a pointer to the next */
    size_t bytes;
};

/* 0: up to 8 bytes, 1: up to 24, ...: malloc's own classes. */
static inline size_t sandbox_pool_class(size_t size) {
    return (size + 7) / POOL_GRAIN;
}

static inline size_t sandbox_pool_room(size_t class) {
    return class * POOL_GRAIN + 8;
}

static inline void *sandbox_pool_take(struct sandbox_pool *pool, size_t size) {
    size_t class = sandbox_pool_class(size);
    if (class >= POOL_CLASSES)
        return malloc(size);
    void *block = pool->blocks[class];
    if (!block)
        return malloc(sandbox_pool_room(class));
    memcpy(&pool->blocks[class], block, sizeof block);
    pool->bytes -= sandbox_pool_room(class);
    return block;
}

static inline void sandbox_pool_give(struct sandbox_pool *pool, void *block,
                                     size_t size) {
    size_t class = sandbox_pool_class(size), room = sandbox_pool_room(class);
    if (class >= POOL_CLASSES || pool->bytes + room > POOL_BYTES) {
        free(block);
        return;
    }
    memcpy(block, &pool->blocks[class], sizeof block);
    pool->blocks[class] = block;
    pool->bytes += room;
}

/* As realloc does: NULL leaves the block as it was. */
static inline void *sandbox_pool_change(struct sandbox_pool *pool, void *block,
                                        size_t old, size_t size) {
    size_t had = sandbox_pool_class(old), wants = sandbox_pool_class(size);
    if (had >= POOL_CLASSES && wants >= POOL_CLASSES)
        return realloc(block, size);
    if (had == wants)
        return block;
    void *fresh = sandbox_pool_take(pool, size);
    if (fresh) {
        memcpy(fresh, block, old < size ? old : size);
        sandbox_pool_give(pool, block, old);
    }
    return fresh;
}

static inline void sandbox_pool_drain(struct sandbox_pool *pool) {
    for (size_t class = 0; class < POOL_CLASSES; class ++) {
        void *next;
        for (void *block = pool->blocks[class]; block; block = next) {
            memcpy(&next, block, sizeof next);
            free(block);
        }
        pool->blocks[class] = NULL;
    }
    pool->bytes = 0;
}

#endif
