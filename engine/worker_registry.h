/* worker_registry.h -- which group has which worker.
 *
 * The groups lie in stripes by their hash, each with a lock and a table of its own.
 * A worker that was replaced stays in its stripe until it is over, but is not found any
 * more: `is_displaced`. */
#ifndef WORKER_REGISTRY_H
#define WORKER_REGISTRY_H

#include <pthread.h>

#include "cairn/worker.h"

enum { REGISTRY_STRIPES = 64 };

struct registry_stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct cairn_worker **buckets; /* lists by `hash`; a power of two; NULL: none yet */
    size_t bucket_count, count;
};

struct registry {
    struct registry_stripe stripes[REGISTRY_STRIPES];
    uint64_t seed; /* of the hashes: a secret of this process */
};

enum cairn_status registry_open(struct registry *registry, struct cairn_error *error);
void registry_close(struct registry *registry); /* when it is empty */

uint64_t registry_hash(const struct registry *registry, struct cairn_slice group);
struct registry_stripe *registry_lock(struct registry *registry, uint64_t hash);
void registry_unlock(struct registry_stripe *stripe);

/* With the lock held. */
struct cairn_worker *registry_find(const struct registry_stripe *stripe, uint64_t hash,
                                   struct cairn_slice group);
/* Under the group and hash that it has. CAIRN_NO_MEMORY. */
enum cairn_status registry_add(struct registry_stripe *stripe,
                               struct cairn_worker *worker, struct cairn_error *error);
void registry_remove(struct registry_stripe *stripe, struct cairn_worker *worker);

/* Those of two hashes, in an order in which nobody waits for each other. */
void registry_lock_both(struct registry *registry, uint64_t one, uint64_t other);
void registry_unlock_both(struct registry *registry, uint64_t one, uint64_t other);
struct registry_stripe *registry_stripe(struct registry *registry, uint64_t hash);

/* All, while the stripe of each is locked. */
void registry_each(struct registry *registry,
                   void (*visit)(void *arg, struct cairn_worker *worker), void *arg);

#endif
