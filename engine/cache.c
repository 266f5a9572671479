/* cache.c -- a cache: opened, counted, closed. */
#include "cache_core.h"

#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h> /* inlined: it is on the way of every hit */

enum { QUEUE_BYTES = 16 << 20 };

uint64_t cache_hash(const struct cairn_cache *cache, struct cairn_slice bytes) {
    return XXH3_64bits_withSeed(bytes.data, bytes.size, cache->seed);
}

const struct cairn_context *cache_checked(struct cairn_cache *cache,
                                          const struct cairn_context *context,
                                          struct cairn_context *room) {
    if (!cache->outside)
        return context;
    *room = context ? *context : (struct cairn_context){0};
    room->admit = cache_admits;
    room->admit_arg = cache;
    return room;
}

static void look_at_members(struct cairn_cache *cache) {
    struct cairn_member_facts members[CAIRN_CHAIN_MAX];
    size_t count = cairn_chain_members(cache->chain, NULL, members, CAIRN_CHAIN_MAX);
    for (size_t i = 0; i < count; i++) {
        struct cairn_store *store = cairn_chain_store(cache->chain, i);
        if (members[i].scope != CAIRN_SCOPE_LOCAL)
            cache->outside |= UINT32_C(1) << i;
        cache->unpacked |= members[i].flags & CAIRN_MEMBER_WRITES &&
                           !(cairn_store_capabilities(store) & CAIRN_CAN_PACK);
    }
}

static enum cairn_status keep_options(struct cairn_cache *cache,
                                      const struct cairn_cache_options *options,
                                      struct cairn_error *error) {
    if (options)
        cache->options = *options;
    struct cairn_directives *node = &cache->options.node;
    if (!cache->options.lookup_scopes)
        cache->options.lookup_scopes = CAIRN_SCOPE_LOCAL;
    if (!node->given)
        return CAIRN_OK;
    cache->node_line = malloc(node->line.size + 1);
    if (!cache->node_line)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a cache");
    if (node->line.size)
        memcpy(cache->node_line, node->line.data, node->line.size);
    node->line.data = cache->node_line;
    return CAIRN_OK;
}

enum cairn_status cairn_cache_open(struct cairn_chain *chain,
                                   const struct cairn_policy *policy,
                                   const struct cairn_cache_options *options,
                                   struct cairn_cache **out,
                                   struct cairn_error *error) {
    struct cairn_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a cache");
    cache->chain = chain;
    cache->policy = policy;
    enum cairn_status status = keep_options(cache, options, error);
    if (!status && getrandom(&cache->seed, sizeof cache->seed, 0) != sizeof cache->seed)
        status = cairn_fail(error, CAIRN_IO, "the system has no random numbers");
    if (!status)
        status = cairn_flights_open(&cache->flights, error);
    if (status) {
        free(cache->node_line);
        free(cache);
        return status;
    }
    size_t queue_bytes = cache->options.queue_bytes;
    atomic_init(&cache->result_bytes, -1);
    look_at_members(cache);
    pthread_mutex_init(&cache->trim_lock, NULL);
    for (size_t i = 0; i < RESULT_LOCKS; i++)
        pthread_mutex_init(&cache->result_locks[i], NULL);
    parts_init(&cache->parts);
    queue_init(&cache->queue, queue_bytes ? queue_bytes : QUEUE_BYTES);
    *out = cache;
    return CAIRN_OK;
}

void cairn_cache_close(struct cairn_cache *cache) {
    if (!cache)
        return;
    queue_destroy(&cache->queue);
    cairn_flights_close(cache->flights);
    parts_destroy(&cache->parts);
    pthread_mutex_destroy(&cache->trim_lock);
    for (size_t i = 0; i < RESULT_LOCKS; i++)
        pthread_mutex_destroy(&cache->result_locks[i]);
    free(cache->node_line);
    free(cache);
}

struct cairn_chain *cairn_cache_chain(struct cairn_cache *cache) {
    return cache->chain;
}

enum cairn_status cairn_cache_flush(struct cairn_cache *cache, uint64_t *lost,
                                    struct cairn_error *error) {
    return queue_flush(&cache->queue, lost, error);
}

enum cairn_status cairn_cache_id(struct cairn_cache *cache,
                                 const struct cairn_value *message,
                                 struct cairn_id *out, struct cairn_error *error) {
    struct cairn_arena arena;
    struct cairn_value stored;
    cairn_arena_init(&arena);
    enum cairn_status status = cairn_message_store(message, &arena, &stored, error);
    if (!status)
        status = cairn_id_of_committed(&stored, cache->options.ids, out, error);
    cairn_arena_free(&arena);
    return status;
}

void cairn_cache_counts(struct cairn_cache *cache, struct cairn_cache_counts *out) {
    struct cache_counters *counters = &cache->counters;
    struct queue *queue = &cache->queue;
    *out = (struct cairn_cache_counts){
        .hits = atomic_load(&counters->hits),
        .misses = atomic_load(&counters->misses),
        .bypasses = atomic_load(&counters->bypasses),
        .stale = atomic_load(&counters->stale),
        .stored = atomic_load(&counters->stored),
        .refused = atomic_load(&counters->refused),
        .purged = atomic_load(&counters->purged),
        .evicted = atomic_load(&counters->evicted),
        .computed = atomic_load(&counters->computed),
        .compute_failed = atomic_load(&counters->compute_failed),
        .coalesced = atomic_load(&counters->coalesced),
    };
    int64_t bytes = atomic_load(&cache->result_bytes);
    out->result_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    pthread_mutex_lock(&queue->lock);
    out->queued = queue->given;
    out->lost = queue->lost_ever;
    pthread_mutex_unlock(&queue->lock);
}
