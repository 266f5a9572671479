/* memory.h -- what the files of the memory backend share. Only memory*.c include it.
 *
 * memory.c is the backend, memory_table.c the items and where they are found,
 * memory_evict.c what a bounded store forgets. */
#ifndef CAIRN_BACKENDS_MEMORY_H
#define CAIRN_BACKENDS_MEMORY_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <pthread.h>
#include <stdatomic.h>

#include "cairn/backend.h"
#include "cairn/path.h"

enum { MEMORY_SHARDS = 64 };

struct item;
RB_HEAD(names, item);
TAILQ_HEAD(queue, item);

/* What only changes and listings touch comes first, so that what a read touches lies in
 * as few cache lines as can be: the counts, the path and the payload. */
struct item {
    RB_ENTRY(item) in_order;  /* guarded by the parent's shard */
    TAILQ_ENTRY(item) by_age; /* newest first; guarded by the item's shard */
    struct names children;    /* guarded by the item's shard */
    uint64_t hash;

    char *large; /* the payload, if it is not in `bytes`: owned */
    size_t payload_size;
    atomic_uint refs; /* the table's, and one for each reader */
    uint32_t path_size;
    uint32_t name_at; /* where the path's last segment begins */
    uint32_t header_size;
    bool hit; /* since the hand came by. Guarded by the item's shard */
    bool
        evictable; /* a raw value or a group, not over or under a pack: never changes */
    char bytes[];  /* path, header, payload */
};

/* A pointer to an item in the low 48 bits, which is all that user space has on the
 * machines there are, and 16 bits of its hash above it; 0: free. Half the size of a
 * pointer beside a hash means that twice as much of the table is in the cache. */
typedef uint64_t slot_t;

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    slot_t *slots;
    size_t slot_count, used; /* a power of two; at most half of it */
    struct queue queue;
    struct item *hand; /* the next to be looked at; NULL: the oldest */
    uint64_t evictions;
};

struct memory {
    struct shard shards[MEMORY_SHARDS];
    uint64_t seed;
    uint64_t max_bytes; /* 0: not bounded */
    atomic_uint_fast64_t bytes;
};

static inline struct cairn_slice path_of(const struct item *item) {
    return (struct cairn_slice){item->bytes, item->path_size};
}

static inline struct cairn_slice name_of(const struct item *item) {
    return (struct cairn_slice){item->bytes + item->name_at,
                                item->path_size - item->name_at};
}

/* -- memory_table.c: items, and the shards they are in ------------------------------
 */

/* What an item takes, all told. */
size_t item_weight(const struct item *item);

/* A staged payload is only counted: it is taken over when nothing can fail any more. */
enum cairn_status item_new(const struct memory *memory,
                           const struct cairn_change *change, struct item **out,
                           struct cairn_error *error);
void item_retain(struct item *item);
void item_release(void *item);

/* What an item says. Its slices point into the item. */
void item_entry(const struct item *item, struct cairn_entry *out);

/* The top bits: the low ones choose the slot. */
static inline unsigned shard_number(uint64_t hash) {
    return hash >> 58;
}

uint64_t memory_hash(const struct memory *memory, struct cairn_slice path);
struct shard *memory_shard(struct memory *memory, uint64_t hash);

/* For whoever will look for an item with that hash in a moment: asks for its slot, and
 * when that has come for the item in it. No lock is held. */
void shard_fetch_slot(const struct shard *shard, uint64_t hash);
void shard_fetch_item(struct shard *shard, uint64_t hash);

/* The bits of the shards of `path` and its parent; locking goes from low to high. */
uint64_t memory_bits(const struct memory *memory, struct cairn_slice path);
void memory_lock(struct memory *memory, uint64_t bits);
void memory_unlock(struct memory *memory, uint64_t bits);

/* The rest wants the locks of the shards concerned. */

bool shard_init(struct shard *shard);
void shard_clear(struct shard *shard);
void shard_destroy(struct shard *shard);
bool shard_reserve(struct shard *shard, size_t more); /* false without memory */
struct item *shard_find(const struct shard *shard, uint64_t hash,
                        struct cairn_slice path);
/* Puts an item where nothing is. A slot is reserved. */
void shard_add(struct shard *shard, struct item *item);

struct item *memory_find(struct memory *memory, struct cairn_slice path);

/* Puts `item` in; what was there under its path is replaced, its children kept. A slot
 * is reserved. */
void memory_insert(struct memory *memory, struct item *parent, struct item *item);
void memory_erase(struct memory *memory, struct item *parent, struct item *item);

/* The first child of `group` whose name is not before `name`, or is behind it; and the
 * one after. NULL: no more, or no memory. */
struct item *group_first(struct item *group, struct cairn_slice name, bool behind);
struct item *group_next(struct item *child);

/* -- memory_evict.c ------------------------------------------------------------------
 */

/* Accounts for `more` bytes and makes room for them, beginning with shard `start`.
 * CAIRN_LIMIT if that cannot be; then nothing is accounted for. No lock is held. */
enum cairn_status memory_make_room(struct memory *memory, uint64_t more, unsigned start,
                                   struct cairn_error *error);

/* Takes an item out of the shard's queue, whose hand may point at it. */
void shard_unqueue(struct shard *shard, struct item *item);

#endif
