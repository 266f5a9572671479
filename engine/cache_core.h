/* cache_core.h -- the insides of a cache, shared by the files that make it up. */
#ifndef CAIRN_CACHE_CORE_H
#define CAIRN_CACHE_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cairn/cache.h"
#include "parts.h"
#include "queue.h"
#include "usage.h"

enum { RESULT_LOCKS = 64, KEPT_COUNTS = 256 };

struct cache_counters {
    _Atomic uint64_t hits, misses, bypasses, stale, stored, refused, purged, evicted;
    _Atomic uint64_t computed, compute_failed, coalesced;
};

struct cairn_cache {
    struct cairn_chain *chain;
    const struct cairn_policy *policy;
    struct cairn_cache_options options;
    char *node_line; /* what options.node.line points at */
    uint64_t seed;   /* of hashes kept in memory: a secret of this process */

    struct cache_counters counters;
    _Atomic uint64_t calls; /* of resolve, numbered */
    atomic_bool trimming;
    _Atomic int64_t latest_ms;    /* when a result was kept last */
    _Atomic int64_t result_bytes; /* what results take; -1: not counted yet */
    bool unpacked;                /* a store that is written to has no packs */
    uint32_t outside;             /* bits of the chain's members that are not local */
    pthread_mutex_t result_locks[RESULT_LOCKS]; /* striped by hashpath: who changes a
                                                   record, its link and its tags */
    pthread_mutex_t trim_lock;                  /* one trim at a time */
    _Atomic uint32_t kept[KEPT_COUNTS]; /* results, striped by hashpath: who looked up
                                           before one was kept looks again */
    struct cairn_flights *flights;      /* results being computed, by hashpath */
    struct usage usage;
    struct parts parts;
    struct queue queue;
};

static inline void cache_count(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

uint64_t cache_hash(const struct cairn_cache *cache, struct cairn_slice bytes);

/* The context with which the cache reads: what comes from outside is not copied to
 * other members before it is checked. `room` may be what is returned. */
const struct cairn_context *cache_checked(struct cairn_cache *cache,
                                          const struct cairn_context *context,
                                          struct cairn_context *room);
bool cache_admits(void *arg, struct cairn_slice path, const struct cairn_entry *entry);

/* Looks behind the queue whether results have outgrown the budget (evict.c). */
void cache_consider_trim(struct cairn_cache *cache, int64_t now_ms);

#endif
