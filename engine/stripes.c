/* stripes.c -- locks for paths. */
#include "stripes.h"

#include <string.h>

void stripes_init(struct stripes *stripes) {
    for (int i = 0; i < STRIPE_COUNT; i++)
        pthread_rwlock_init(&stripes->locks[i], NULL);
}

void stripes_destroy(struct stripes *stripes) {
    for (int i = 0; i < STRIPE_COUNT; i++)
        pthread_rwlock_destroy(&stripes->locks[i]);
}

void stripe_set_add(struct stripe_set *set, uint64_t hash, bool exclusive) {
    unsigned i = hash % STRIPE_COUNT;
    uint64_t *words = exclusive ? set->exclusive : set->shared;
    words[i / 64] |= (uint64_t)1 << (i % 64);
}

void stripe_set_add_all(struct stripe_set *set) {
    memset(set->exclusive, 0xff, sizeof set->exclusive);
}

void stripe_set_merge(struct stripe_set *set, const struct stripe_set *other) {
    for (int i = 0; i < STRIPE_WORDS; i++) {
        set->shared[i] |= other->shared[i];
        set->exclusive[i] |= other->exclusive[i];
    }
}

bool stripe_set_covers(const struct stripe_set *held, const struct stripe_set *needed) {
    for (int i = 0; i < STRIPE_WORDS; i++) {
        if (needed->exclusive[i] & ~held->exclusive[i])
            return false;
        if (needed->shared[i] & ~(held->shared[i] | held->exclusive[i]))
            return false;
    }
    return true;
}

void stripes_lock(struct stripes *stripes, const struct stripe_set *set) {
    for (int i = 0; i < STRIPE_WORDS; i++) {
        uint64_t left = set->shared[i] | set->exclusive[i];
        for (; left; left &= left - 1) {
            int bit = __builtin_ctzll(left);
            pthread_rwlock_t *lock = &stripes->locks[i * 64 + bit];
            if (set->exclusive[i] >> bit & 1)
                pthread_rwlock_wrlock(lock);
            else
                pthread_rwlock_rdlock(lock);
        }
    }
}

void stripes_unlock(struct stripes *stripes, const struct stripe_set *set) {
    for (int i = 0; i < STRIPE_WORDS; i++) {
        uint64_t left = set->shared[i] | set->exclusive[i];
        for (; left; left &= left - 1)
            pthread_rwlock_unlock(&stripes->locks[i * 64 + __builtin_ctzll(left)]);
    }
}
