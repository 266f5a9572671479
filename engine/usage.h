/* usage.h -- which results were asked for lately, approximately: what eviction weighs.
 *
 * A fixed table in memory, a slot by hash; of two results that meet in a slot the later
 * one has it. Nothing is written to the store for being read.
 *
 * Threads: any, without locks. */
#ifndef CAIRN_USAGE_H
#define CAIRN_USAGE_H

#include <stdatomic.h>
#include <stdint.h>

enum { USAGE_SLOTS = 8192 };

struct usage_slot {
    _Atomic uint64_t hash;
    _Atomic int64_t last_ms;
    _Atomic uint64_t hits;
};

struct usage {
    struct usage_slot slots[USAGE_SLOTS];
};

static inline void usage_note(struct usage *usage, uint64_t hash, int64_t now_ms) {
    struct usage_slot *slot = &usage->slots[hash % USAGE_SLOTS];
    const memory_order relaxed = memory_order_relaxed;
    if (atomic_load_explicit(&slot->hash, relaxed) != hash) {
        atomic_store_explicit(&slot->hash, hash, relaxed);
        atomic_store_explicit(&slot->hits, 0, relaxed);
    }
    atomic_store_explicit(&slot->last_ms, now_ms, relaxed);
    /* Of two hits at once one may be lost. To add atomically would be to wait for the
     * slot, which few hits find in the cache. */
    uint64_t hits = atomic_load_explicit(&slot->hits, relaxed);
    atomic_store_explicit(&slot->hits, hits + 1, relaxed);
}

static inline void usage_fetch(const struct usage *usage, uint64_t hash) {
    __builtin_prefetch(&usage->slots[hash % USAGE_SLOTS], 1);
}

/* -1: not known to have been asked for. */
static inline int64_t usage_idle_ms(struct usage *usage, uint64_t hash, int64_t now_ms,
                                    uint64_t *hits) {
    struct usage_slot *slot = &usage->slots[hash % USAGE_SLOTS];
    *hits = 0;
    if (atomic_load_explicit(&slot->hash, memory_order_relaxed) != hash)
        return -1;
    *hits = atomic_load_explicit(&slot->hits, memory_order_relaxed);
    int64_t idle = now_ms - atomic_load_explicit(&slot->last_ms, memory_order_relaxed);
    return idle < 0 ? 0 : idle;
}

#endif
