/* stripes.h -- locks for paths: a fixed number of them, shared by hash.
 *
 * Whoever changes something first takes, in one go and in order of their numbers (so
 * that no two callers wait for each other), the stripes of all that it looked at
 * (shared) and all that it changes (exclusive). */
#ifndef CAIRN_STRIPES_H
#define CAIRN_STRIPES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { STRIPE_COUNT = 128, STRIPE_WORDS = STRIPE_COUNT / 64 };

struct stripes {
    pthread_rwlock_t locks[STRIPE_COUNT];
};

struct stripe_set {
    uint64_t shared[STRIPE_WORDS];
    uint64_t exclusive[STRIPE_WORDS];
};

void stripes_init(struct stripes *stripes);
void stripes_destroy(struct stripes *stripes);

/* `hash` is of the path. */
void stripe_set_add(struct stripe_set *set, uint64_t hash, bool exclusive);
void stripe_set_add_all(struct stripe_set *set); /* every stripe, exclusive */
void stripe_set_merge(struct stripe_set *set, const struct stripe_set *other);
/* True if whoever holds `held` holds all that `needed` asks for. */
bool stripe_set_covers(const struct stripe_set *held, const struct stripe_set *needed);

void stripes_lock(struct stripes *stripes, const struct stripe_set *set);
void stripes_unlock(struct stripes *stripes, const struct stripe_set *set);

#endif
