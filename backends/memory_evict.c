/* memory_evict.c -- what a bounded store forgets, and when.
 *
 * SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): a hit sets one bit and
 * moves nothing; the hand goes from old to new, spares what was hit since it last came
 * by, and takes the first that was not: what a scan brings in leaves before what is
 * used. Raw values and groups without children may go; links, and groups with children,
 * stay. */
#include "memory.h"

void shard_unqueue(struct shard *shard, struct item *item) {
    if (shard->hand == item)
        shard->hand = TAILQ_PREV(item, queue, by_age);
    TAILQ_REMOVE(&shard->queue, item, by_age);
}

static bool may_go(const struct item *item) {
    return item->evictable && item->path_size && RB_EMPTY(&item->children);
}

/* The next victim of a locked shard, with a reference; NULL if none may go. */
static struct item *sieve(struct shard *shard) {
    for (size_t steps = 2 * shard->used + 1; steps > 0; steps--) {
        struct item *item =
            shard->hand ? shard->hand : TAILQ_LAST(&shard->queue, queue);
        if (!item)
            return NULL;
        shard->hand = TAILQ_PREV(item, queue, by_age);
        if (may_go(item) && !item->hit) {
            item_retain(item);
            return item;
        }
        item->hit = false;
    }
    return NULL;
}

/* How a look for a victim ended. */
enum look { NOBODY, SPARED, EVICTED };

/* The victim is chosen under one lock and taken under two, so it is looked at again;
 * and spared if a pack has come above it, whose child of that name it hides. */
static enum look evict_from(struct memory *memory, struct shard *shard) {
    pthread_mutex_lock(&shard->lock);
    struct item *victim = sieve(shard);
    pthread_mutex_unlock(&shard->lock);
    if (!victim)
        return NOBODY;
    enum look look = SPARED;
    uint64_t bits = memory_bits(memory, path_of(victim));
    memory_lock(memory, bits);
    struct item *parent = memory_find(memory, cairn_path_parent(path_of(victim)));
    if (memory_find(memory, path_of(victim)) == victim && may_go(victim) &&
        parent->payload_size == 0) {
        memory_erase(memory, parent, victim);
        shard->evictions++;
        look = EVICTED;
    }
    memory_unlock(memory, bits);
    item_release(victim);
    return look;
}

enum cairn_status memory_make_room(struct memory *memory, uint64_t more, unsigned start,
                                   struct cairn_error *error) {
    enum { SPARED_MOST = 10000 };
    uint64_t now = atomic_fetch_add(&memory->bytes, more) + more;
    if (!memory->max_bytes || now <= memory->max_bytes)
        return CAIRN_OK;
    unsigned barren = 0, spared = 0; /* shards in a row with nobody to go */
    for (unsigned i = start;
         more <= memory->max_bytes && barren < MEMORY_SHARDS && spared < SPARED_MOST;
         i++) {
        enum look look = evict_from(memory, &memory->shards[i % MEMORY_SHARDS]);
        barren = look == NOBODY ? barren + 1 : 0;
        spared += look == SPARED;
        if (atomic_load(&memory->bytes) <= memory->max_bytes)
            return CAIRN_OK;
    }
    atomic_fetch_sub(&memory->bytes, more);
    return cairn_fail(error, CAIRN_LIMIT,
                      "memory: no room for %llu bytes in a store of %llu",
                      (unsigned long long)more, (unsigned long long)memory->max_bytes);
}
