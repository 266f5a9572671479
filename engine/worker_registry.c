/* worker_registry.c -- tables of workers in stripes. */
#include "worker_registry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "worker_core.h"

enum { BUCKETS_FIRST = 16 };

enum cairn_status registry_open(struct registry *registry, struct cairn_error *error) {
    if (getrandom(&registry->seed, sizeof registry->seed, 0) != sizeof registry->seed)
        return cairn_fail(error, CAIRN_IO, "workers: no random numbers can be had");
    for (size_t i = 0; i < REGISTRY_STRIPES; i++)
        pthread_mutex_init(&registry->stripes[i].lock, NULL);
    return CAIRN_OK;
}

void registry_close(struct registry *registry) {
    for (size_t i = 0; i < REGISTRY_STRIPES; i++) {
        free(registry->stripes[i].buckets);
        pthread_mutex_destroy(&registry->stripes[i].lock);
    }
}

/* -- Where a hash belongs ---------------------------------------------------------- */

uint64_t registry_hash(const struct registry *registry, struct cairn_slice group) {
    return XXH3_64bits_withSeed(group.data, group.size, registry->seed);
}

/* The highest bits; the table takes the lowest ones. */
struct registry_stripe *registry_stripe(struct registry *registry, uint64_t hash) {
    return &registry->stripes[hash >> 58];
}

struct registry_stripe *registry_lock(struct registry *registry, uint64_t hash) {
    struct registry_stripe *stripe = registry_stripe(registry, hash);
    pthread_mutex_lock(&stripe->lock);
    return stripe;
}

void registry_unlock(struct registry_stripe *stripe) {
    pthread_mutex_unlock(&stripe->lock);
}

void registry_lock_both(struct registry *registry, uint64_t one, uint64_t other) {
    struct registry_stripe *a = registry_stripe(registry, one);
    struct registry_stripe *b = registry_stripe(registry, other);
    pthread_mutex_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        pthread_mutex_lock(a < b ? &b->lock : &a->lock);
}

void registry_unlock_both(struct registry *registry, uint64_t one, uint64_t other) {
    struct registry_stripe *a = registry_stripe(registry, one);
    struct registry_stripe *b = registry_stripe(registry, other);
    pthread_mutex_unlock(&a->lock);
    if (a != b)
        pthread_mutex_unlock(&b->lock);
}

static struct cairn_worker **bucket_of(const struct registry_stripe *stripe,
                                       uint64_t hash) {
    return &stripe->buckets[hash & (stripe->bucket_count - 1)];
}

/* -- Tables ------------------------------------------------------------------------ */

struct cairn_worker *registry_find(const struct registry_stripe *stripe, uint64_t hash,
                                   struct cairn_slice group) {
    if (!stripe->buckets)
        return NULL;
    struct cairn_worker *worker = *bucket_of(stripe, hash);
    while (worker && (worker->hash != hash || worker->is_displaced ||
                      !cairn_slice_equal(worker->group, group)))
        worker = worker->next;
    return worker;
}

/* Without memory the lists get longer, which is slower and not wrong. */
static void grow(struct registry_stripe *stripe) {
    struct registry_stripe old = *stripe;
    size_t count = old.buckets ? old.bucket_count * 2 : BUCKETS_FIRST;
    struct cairn_worker **buckets = calloc(count, sizeof(struct cairn_worker *));
    if (!buckets)
        return;
    stripe->buckets = buckets;
    stripe->bucket_count = count;
    for (size_t i = 0; i < old.bucket_count; i++)
        for (struct cairn_worker *worker = old.buckets[i], *next; worker;
             worker = next) {
            next = worker->next;
            struct cairn_worker **bucket = bucket_of(stripe, worker->hash);
            worker->next = *bucket;
            *bucket = worker;
        }
    free(old.buckets);
}

enum cairn_status registry_add(struct registry_stripe *stripe,
                               struct cairn_worker *worker, struct cairn_error *error) {
    if (stripe->count >= stripe->bucket_count)
        grow(stripe);
    if (!stripe->buckets)
        return cairn_fail(error, CAIRN_NO_MEMORY, "workers: no memory for a table");
    struct cairn_worker **bucket = bucket_of(stripe, worker->hash);
    worker->next = *bucket;
    *bucket = worker;
    stripe->count++;
    return CAIRN_OK;
}

void registry_remove(struct registry_stripe *stripe, struct cairn_worker *worker) {
    struct cairn_worker **link = bucket_of(stripe, worker->hash);
    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
    stripe->count--;
}

void registry_each(struct registry *registry,
                   void (*visit)(void *arg, struct cairn_worker *worker), void *arg) {
    for (size_t i = 0; i < REGISTRY_STRIPES; i++) {
        struct registry_stripe *stripe = &registry->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        for (size_t j = 0; j < stripe->bucket_count; j++)
            for (struct cairn_worker *worker = stripe->buckets[j]; worker;
                 worker = worker->next)
                visit(arg, worker);
        pthread_mutex_unlock(&stripe->lock);
    }
}
