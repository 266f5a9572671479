/* policy_memory.c -- a set-associative table: a key has WAYS places, and takes that of
 * the entry which was given least often since it was put there. Costs at most SHARDS *
 * SETS * WAYS entries of some 500 bytes, of which a process with few kinds of calls
 * uses a handful. */
#include "policy_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h> /* inlined: it is on the way of every decision */

enum { SHARDS = 16, SETS = 32, WAYS = 4 };

struct entry {
    uint64_t hash, generation;
    uint64_t given;    /* not yet in the counts */
    uint64_t strength; /* halved when another wanted its place */
    struct policy_counts *counts;
    enum cairn_status status;
    size_t key_size, decision_size, room;
    _Alignas(max_align_t) char bytes[]; /* decision, key */
};

struct shard {
    _Alignas(64) pthread_mutex_t lock; /* a cache line of its own */
    struct entry *entries[SETS][WAYS];
};

struct policy_memory {
    uint64_t seed; /* which keys share a place is nobody's business */
    struct shard shards[SHARDS];
};

struct policy_memory *policy_memory_new(void) {
    struct policy_memory *memory = aligned_alloc(64, sizeof *memory);
    if (!memory)
        return NULL;
    memset(memory, 0, sizeof *memory);
    if (getentropy(&memory->seed, sizeof memory->seed))
        memory->seed = (uint64_t)(uintptr_t)memory;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&memory->shards[i].lock, NULL);
    return memory;
}

static void settle(struct entry *entry) {
    if (entry->counts && entry->given) {
        atomic_fetch_add(&entry->counts->calls, entry->given);
        atomic_fetch_add(&entry->counts->remembered, entry->given);
        if (entry->status == CAIRN_NOT_FOUND)
            atomic_fetch_add(&entry->counts->no_opinion, entry->given);
    }
    entry->given = 0;
}

static void free_entry(struct entry *entry) {
    if (!entry)
        return;
    settle(entry);
    policy_counts_release(entry->counts);
    free(entry);
}

void policy_memory_free(struct policy_memory *memory) {
    for (size_t i = 0; memory && i < SHARDS; i++) {
        struct entry **entries = &memory->shards[i].entries[0][0];
        for (size_t j = 0; j < SETS * WAYS; j++)
            free_entry(entries[j]);
        pthread_mutex_destroy(&memory->shards[i].lock);
    }
    free(memory);
}

/* Threads get numbers as they come. */
static struct shard *own_shard(struct policy_memory *memory) {
    static atomic_uint next;
    static _Thread_local unsigned number;
    if (number == 0)
        number = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    return &memory->shards[number % SHARDS];
}

static struct entry **set_of(struct shard *shard, uint64_t hash) {
    return shard->entries[hash % SETS];
}

static struct cairn_slice bytes_of(const struct entry *entry) {
    return (struct cairn_slice){entry->bytes + entry->decision_size, entry->key_size};
}

struct policy_key policy_memory_key(const struct policy_memory *memory,
                                    struct cairn_slice bytes) {
    uint64_t hash = XXH3_64bits_withSeed(bytes.data, bytes.size, memory->seed);
    return (struct policy_key){bytes, hash};
}

static bool is_for(const struct entry *entry, uint64_t generation,
                   const struct policy_key *key) {
    return entry && entry->hash == key->hash && entry->generation == generation &&
           cairn_slice_equal(bytes_of(entry), key->bytes);
}

static struct entry *find(struct entry **set, uint64_t generation,
                          const struct policy_key *key) {
    for (size_t i = 0; i < WAYS; i++)
        if (is_for(set[i], generation, key))
            return set[i];
    return NULL;
}

static enum cairn_status give(struct entry *entry, bool with_line,
                              const struct policy_ask *ask) {
    if (entry->status == CAIRN_OK) {
        memcpy(ask->decision.any, entry->bytes, entry->decision_size);
        struct cairn_decider *by = policy_ask_decider(ask);
        if (with_line && !by->line)
            return CAIRN_UNAVAILABLE;
        by->remembered = true;
    }
    entry->given++;
    entry->strength++;
    return entry->status;
}

enum cairn_status policy_memory_find(struct policy_memory *memory, uint64_t generation,
                                     const struct policy_key *key, bool with_line,
                                     const struct policy_ask *ask) {
    struct shard *shard = own_shard(memory);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = find(set_of(shard, key->hash), generation, key);
    enum cairn_status status = entry ? give(entry, with_line, ask) : CAIRN_UNAVAILABLE;
    pthread_mutex_unlock(&shard->lock);
    return status;
}

/* -- Keeping ----------------------------------------------------------------------- */

/* How sorry one would be to lose it. */
static uint64_t worth(const struct entry *entry, uint64_t generation) {
    return entry && entry->generation == generation ? 1 + entry->strength : 0;
}

/* The place of the same key, or of what is worth least. */
static struct entry **place_for(struct entry **set, uint64_t generation,
                                const struct policy_key *key) {
    struct entry **place = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (is_for(set[i], generation, key))
            return &set[i];
        if (worth(set[i], generation) < worth(*place, generation))
            place = &set[i];
    }
    for (size_t i = 0; i < WAYS; i++)
        if (set[i])
            set[i]->strength /= 2;
    return place;
}

/* An entry with so much room at that place: what lies there, emptied, or a new one.
 * NULL without memory. */
static struct entry *make_room(struct entry **place, size_t room) {
    struct entry *entry = *place;
    if (entry && entry->room >= room) {
        settle(entry);
        policy_counts_release(entry->counts);
        return entry;
    }
    free_entry(entry);
    *place = entry = malloc(sizeof *entry + room);
    if (entry)
        entry->room = room;
    return entry;
}

static void fill(struct entry *entry, uint64_t generation, const struct policy_key *key,
                 const struct policy_ask *ask, enum cairn_status status,
                 struct policy_counts *counts) {
    size_t size = status ? 0 : policy_decision_size(ask);
    *entry = (struct entry){.hash = key->hash,
                            .generation = generation,
                            .status = status,
                            .key_size = key->bytes.size,
                            .decision_size = size,
                            .room = entry->room,
                            .counts = counts ? policy_counts_retain(counts) : NULL};
    memcpy(entry->bytes, ask->decision.any, size);
    memcpy(entry->bytes + size, key->bytes.data, key->bytes.size);
}

void policy_memory_keep(struct policy_memory *memory, uint64_t generation,
                        const struct policy_key *key, const struct policy_ask *ask,
                        enum cairn_status status, struct policy_counts *counts) {
    size_t room = (status ? 0 : policy_decision_size(ask)) + key->bytes.size;
    struct shard *shard = own_shard(memory);
    pthread_mutex_lock(&shard->lock);
    struct entry **place = place_for(set_of(shard, key->hash), generation, key);
    struct entry *entry = make_room(place, room);
    if (entry)
        fill(entry, generation, key, ask, status, counts);
    pthread_mutex_unlock(&shard->lock);
}

void policy_memory_count(struct policy_memory *memory) {
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &memory->shards[i];
        pthread_mutex_lock(&shard->lock);
        struct entry **entries = &shard->entries[0][0];
        for (size_t j = 0; j < SETS * WAYS; j++)
            if (entries[j])
                settle(entries[j]);
        pthread_mutex_unlock(&shard->lock);
    }
}
