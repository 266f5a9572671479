/* parts.h -- values and messages that may only be removed when nobody refers to them.
 *
 * A value at data/<hash> that was written as part of something carries metadata that
 * say so. While a sweep looks for references, everybody who writes one notes it here,
 * and the sweep asks again before it removes.
 *
 * Threads: any. */
#ifndef CAIRN_PARTS_H
#define CAIRN_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "cairn/id.h"

/* A set of hashes: open addressing, all zeros is free (and no SHA-256 we know). */
struct hash_set {
    unsigned char (*hashes)[CAIRN_HASH_SIZE];
    size_t count, size; /* a power of two */
};

bool hash_set_add(struct hash_set *set, const unsigned char hash[CAIRN_HASH_SIZE]);
bool hash_set_has(const struct hash_set *set,
                  const unsigned char hash[CAIRN_HASH_SIZE]);
void hash_set_free(struct hash_set *set);

struct parts {
    pthread_rwlock_t gate; /* shared: writing something that refers to values */
    pthread_mutex_t lock;  /* of what follows */
    bool overflow;
    atomic_bool sweeping; /* changes with the gate held alone only, or at the end */
    struct hash_set noted;
};

void parts_init(struct parts *parts);
void parts_destroy(struct parts *parts);

/* Around a write that refers to values; each value is noted in between. */
void parts_enter(struct parts *parts);
void parts_note(struct parts *parts, struct cairn_slice hash);
void parts_leave(struct parts *parts);

/* Between enter and leave: whether anything has to be noted. */
static inline bool parts_are_swept(const struct parts *parts) {
    return atomic_load_explicit(&parts->sweeping, memory_order_relaxed);
}

/* From begin to end everything that is referred to is noted. One sweep at a time:
 * false if there is one already. */
bool parts_sweep_begin(struct parts *parts);
void parts_sweep_end(struct parts *parts);

/* Runs `remove` unless `hash` was noted; nobody can note it meanwhile. */
enum cairn_status parts_remove(struct parts *parts,
                               const unsigned char hash[CAIRN_HASH_SIZE], bool *removed,
                               enum cairn_status (*remove)(void *arg), void *arg);

#endif
