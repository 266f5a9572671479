/* memory_table.c -- items, and the shards they are found in.
 *
 * A shard is a hash table of its own: open addressing with linear probing, at most half
 * full, so that an item is found with two waits for memory: its slot, and itself. */
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h> /* inlined: it is on the way of every read */

#include "memory.h"

enum { FIRST_SLOTS = 64 };

static int by_name(struct item *a, struct item *b) {
    return cairn_slice_compare(name_of(a), name_of(b));
}

RB_GENERATE_INTERNAL(names, item, in_order, by_name, __attribute__((unused)) static)

/* -- Items ------------------------------------------------------------------------ */

size_t item_weight(const struct item *item) {
    return sizeof *item + sizeof(slot_t) + item->path_size + item->header_size +
           item->payload_size;
}

void item_release(void *owner) {
    struct item *item = owner;
    if (atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) == 1) {
        free(item->large);
        free(item);
    }
}

void item_retain(struct item *item) {
    atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
}

/* A staged payload is only counted: it is taken over when nothing can fail any more. */
enum cairn_status item_new(const struct memory *memory,
                           const struct cairn_change *change, struct item **out,
                           struct cairn_error *error) {
    struct cairn_bytes header = {0};
    const struct cairn_bytes *staged = change->staged;
    struct cairn_slice payload = change->entry.payload;
    if (staged)
        payload = (struct cairn_slice){NULL, 0};
    enum cairn_status status =
        cairn_entry_encode_header(&change->entry, &header, error);
    if (status)
        return status;
    struct item *item =
        malloc(sizeof *item + change->path.size + header.size + payload.size);
    if (!item) {
        cairn_bytes_free(&header);
        return cairn_fail_at(error, CAIRN_NO_MEMORY, "memory: no memory for",
                             change->path);
    }
    struct cairn_slice name = cairn_path_name(change->path);
    *item = (struct item){
        .hash =
            XXH3_64bits_withSeed(change->path.data, change->path.size, memory->seed),
        .refs = 1,
        .evictable =
            change->entry.kind == CAIRN_RAW || change->entry.kind == CAIRN_GROUP,
        .path_size = (uint32_t)change->path.size,
        .header_size = (uint32_t)header.size,
        .name_at = (uint32_t)(change->path.size - name.size),
        .payload_size = staged ? staged->size : payload.size,
    };
    char *at = item->bytes;
    if (change->path.size)
        memcpy(at, change->path.data, change->path.size);
    memcpy(at + change->path.size, header.data, header.size);
    if (payload.size)
        memcpy(at + change->path.size + header.size, payload.data, payload.size);
    cairn_bytes_free(&header);
    *out = item;
    return CAIRN_OK;
}

/* What an item says, as a view that holds on to it. Never fails: we encoded it. */
void item_entry(const struct item *item, struct cairn_entry *out) {
    struct cairn_slice stored = {item->bytes + item->path_size, item->header_size};
    if (!item->large)
        stored.size += item->payload_size;
    (void)cairn_entry_decode(stored, out, NULL);
    if (item->large) {
        out->payload = (struct cairn_slice){item->large, item->payload_size};
        if (out->form == CAIRN_PLAIN)
            out->size = item->payload_size;
    }
}

/* -- One shard's table; its lock is held ------------------------------------------ */

uint64_t memory_hash(const struct memory *memory, struct cairn_slice path) {
    return XXH3_64bits_withSeed(path.data, path.size, memory->seed);
}

struct shard *memory_shard(struct memory *memory, uint64_t hash) {
    return &memory->shards[shard_number(hash)];
}

/* Asks for all that a read of a small value will touch, at once instead of line after
 * line: waiting for memory is most of what a hit costs. */
static void fetch(const struct item *item) {
    const char *line = (const char *)item + offsetof(struct item, large);
    for (int i = 0; i < 5; i++)
        __builtin_prefetch(line + 64 * i);
}

enum { POINTER_BITS = 48 };

static slot_t tag_of(uint64_t hash) {
    return (hash >> 40) << POINTER_BITS; /* not the bits that choose shard or slot */
}

static slot_t slot_of(struct item *item) {
    return tag_of(item->hash) | (slot_t)(uintptr_t)item;
}

static struct item *item_in(slot_t slot) {
    return (struct item *)(uintptr_t)(slot & (((slot_t)1 << POINTER_BITS) - 1));
}

/* Only an address is made of what may just be changing: nothing is read there. */
void shard_fetch_slot(const struct shard *shard, uint64_t hash) {
    slot_t *slots = __atomic_load_n(&shard->slots, __ATOMIC_RELAXED);
    size_t count = __atomic_load_n(&shard->slot_count, __ATOMIC_RELAXED);
    __builtin_prefetch((char *)slots + (hash & (count - 1)) * sizeof *slots);
}

void shard_fetch_item(struct shard *shard, uint64_t hash) {
    pthread_mutex_lock(&shard->lock);
    slot_t slot = shard->slots[hash & (shard->slot_count - 1)];
    if (slot && !((slot ^ tag_of(hash)) >> POINTER_BITS))
        fetch(item_in(slot));
    pthread_mutex_unlock(&shard->lock);
}

/* The slot of `path`, or the free one where it would go. */
static slot_t *probe(const struct shard *shard, uint64_t hash,
                     struct cairn_slice path) {
    size_t mask = shard->slot_count - 1;
    slot_t tag = tag_of(hash);
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        slot_t *slot = &shard->slots[i];
        if (!*slot)
            return slot;
        if ((*slot ^ tag) >> POINTER_BITS)
            continue;
        struct item *item = item_in(*slot);
        fetch(item);
        if (cairn_slice_equal(path_of(item), path))
            return slot;
    }
}

struct item *memory_find(struct memory *memory, struct cairn_slice path) {
    uint64_t hash = memory_hash(memory, path);
    return item_in(*probe(memory_shard(memory, hash), hash, path));
}

/* Makes sure that `more` items fit. */
bool shard_reserve(struct shard *shard, size_t more) {
    struct shard bigger = {.slot_count = shard->slot_count};
    while ((shard->used + more) * 2 > bigger.slot_count)
        bigger.slot_count *= 2;
    if (bigger.slot_count == shard->slot_count)
        return true;
    bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < shard->slot_count; i++) {
        struct item *item = item_in(shard->slots[i]);
        if (item)
            *probe(&bigger, item->hash, path_of(item)) = slot_of(item);
    }
    free(shard->slots);
    /* As a whole: who is about to look here reads them without the lock. */
    __atomic_store_n(&shard->slots, bigger.slots, __ATOMIC_RELAXED);
    __atomic_store_n(&shard->slot_count, bigger.slot_count, __ATOMIC_RELAXED);
    return true;
}

bool shard_init(struct shard *shard) {
    pthread_mutex_init(&shard->lock, NULL);
    TAILQ_INIT(&shard->queue);
    shard->slots = calloc(FIRST_SLOTS, sizeof *shard->slots);
    shard->slot_count = shard->slots ? FIRST_SLOTS : 0;
    return shard->slots;
}

void shard_clear(struct shard *shard) {
    for (size_t i = 0; i < shard->slot_count; i++)
        if (shard->slots[i])
            item_release(item_in(shard->slots[i]));
    if (shard->slots)
        memset(shard->slots, 0, shard->slot_count * sizeof *shard->slots);
    shard->used = 0;
    shard->hand = NULL;
    TAILQ_INIT(&shard->queue);
}

void shard_destroy(struct shard *shard) {
    shard_clear(shard);
    free(shard->slots);
    pthread_mutex_destroy(&shard->lock);
}

struct item *shard_find(const struct shard *shard, uint64_t hash,
                        struct cairn_slice path) {
    return item_in(*probe(shard, hash, path));
}

void shard_add(struct shard *shard, struct item *item) {
    *probe(shard, item->hash, path_of(item)) = slot_of(item);
    shard->used++;
    TAILQ_INSERT_HEAD(&shard->queue, item, by_age);
}

/* Frees a slot and moves those behind it up, so that no probe ends early. */
static void vacate(struct shard *shard, slot_t *slot) {
    size_t mask = shard->slot_count - 1;
    size_t hole = (size_t)(slot - shard->slots);
    for (size_t i = (hole + 1) & mask; shard->slots[i]; i = (i + 1) & mask) {
        size_t home = item_in(shard->slots[i])->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            shard->slots[hole] = shard->slots[i];
            hole = i;
        }
    }
    shard->slots[hole] = 0;
    shard->used--;
}

/* Puts `item` in; what was there under its path is replaced, its children kept. Locks
 * of the item's shard and its parent's are held, a slot is reserved. */
void memory_insert(struct memory *memory, struct item *parent, struct item *item) {
    struct shard *shard = memory_shard(memory, item->hash);
    slot_t *slot = probe(shard, item->hash, path_of(item));
    struct item *old = item_in(*slot);
    if (old) {
        item->children = old->children;
        RB_REMOVE(names, &parent->children, old);
        shard_unqueue(shard, old);
        atomic_fetch_sub(&memory->bytes, item_weight(old));
    } else {
        shard->used++;
    }
    if (parent->payload_size) /* it hides an inline child, which must not come back */
        item->evictable = false;
    *slot = slot_of(item);
    RB_INSERT(names, &parent->children, item);
    TAILQ_INSERT_HEAD(&shard->queue, item, by_age);
    if (old)
        item_release(old);
}

void memory_erase(struct memory *memory, struct item *parent, struct item *item) {
    struct shard *shard = memory_shard(memory, item->hash);
    RB_REMOVE(names, &parent->children, item);
    shard_unqueue(shard, item);
    vacate(shard, probe(shard, item->hash, path_of(item)));
    atomic_fetch_sub(&memory->bytes, item_weight(item));
    item_release(item);
}

uint64_t memory_bits(const struct memory *memory, struct cairn_slice path) {
    return (uint64_t)1 << shard_number(memory_hash(memory, path)) |
           (uint64_t)1 << shard_number(memory_hash(memory, cairn_path_parent(path)));
}

void memory_lock(struct memory *memory, uint64_t bits) {
    for (; bits; bits &= bits - 1)
        pthread_mutex_lock(&memory->shards[__builtin_ctzll(bits)].lock);
}

void memory_unlock(struct memory *memory, uint64_t bits) {
    for (; bits; bits &= bits - 1)
        pthread_mutex_unlock(&memory->shards[__builtin_ctzll(bits)].lock);
}

/* -- Groups in order -------------------------------------------------------------- */

/* A search wants an item to compare with; only its name counts. */
struct item *group_first(struct item *group, struct cairn_slice name, bool behind) {
    struct item *sought = calloc(1, sizeof *sought + name.size + 1);
    if (!sought)
        return NULL;
    sought->path_size = (uint32_t)name.size;
    if (name.size)
        memcpy(sought->bytes, name.data, name.size);
    struct item *child = RB_NFIND(names, &group->children, sought);
    if (child && behind && by_name(child, sought) == 0)
        child = group_next(child);
    free(sought);
    return child;
}

struct item *group_next(struct item *child) {
    return RB_NEXT(names, NULL, child);
}
