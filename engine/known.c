/* known.c -- groups that are known to be there. */
#include "known.h"

/* Mixes the epoch in (the multiplier is 2^64 / golden ratio, odd). */
static uint64_t mark(uint64_t hash, uint64_t epoch) {
    return (hash ^ (epoch * 0x9e3779b97f4a7c15u)) | 1;
}

bool known_has(struct known *known, uint64_t hash, uint64_t epoch) {
    _Atomic uint64_t *slot = &known->slots[(hash >> 32) % KNOWN_SLOTS];
    return atomic_load_explicit(slot, memory_order_relaxed) == mark(hash, epoch);
}

void known_add(struct known *known, uint64_t hash, uint64_t epoch) {
    _Atomic uint64_t *slot = &known->slots[(hash >> 32) % KNOWN_SLOTS];
    atomic_store_explicit(slot, mark(hash, epoch), memory_order_relaxed);
}
