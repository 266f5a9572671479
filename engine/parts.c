/* parts.c -- notes of what is referred to while a sweep is under way. */
#include "parts.h"

#include <stdlib.h>

static unsigned char *slot_of(const struct hash_set *set,
                              const unsigned char hash[CAIRN_HASH_SIZE]) {
    static const unsigned char free_slot[CAIRN_HASH_SIZE];
    uint64_t word;
    memcpy(&word, hash, sizeof word);
    size_t at = word & (set->size - 1);
    while (memcmp(set->hashes[at], free_slot, CAIRN_HASH_SIZE) != 0 &&
           memcmp(set->hashes[at], hash, CAIRN_HASH_SIZE) != 0)
        at = (at + 1) & (set->size - 1);
    return set->hashes[at];
}

static bool grow(struct hash_set *set) {
    struct hash_set larger = {.size = set->size ? set->size * 2 : 1024};
    larger.hashes = calloc(larger.size, CAIRN_HASH_SIZE);
    if (!larger.hashes)
        return false;
    static const unsigned char free_slot[CAIRN_HASH_SIZE];
    for (size_t i = 0; i < set->size; i++)
        if (memcmp(set->hashes[i], free_slot, CAIRN_HASH_SIZE) != 0)
            memcpy(slot_of(&larger, set->hashes[i]), set->hashes[i], CAIRN_HASH_SIZE);
    larger.count = set->count;
    hash_set_free(set);
    *set = larger;
    return true;
}

bool hash_set_has(const struct hash_set *set,
                  const unsigned char hash[CAIRN_HASH_SIZE]) {
    return set->size && memcmp(slot_of(set, hash), hash, CAIRN_HASH_SIZE) == 0;
}

bool hash_set_add(struct hash_set *set, const unsigned char hash[CAIRN_HASH_SIZE]) {
    if (hash_set_has(set, hash))
        return true;
    if ((set->count + 1) * 2 > set->size && !grow(set))
        return false;
    memcpy(slot_of(set, hash), hash, CAIRN_HASH_SIZE);
    set->count++;
    return true;
}

void hash_set_free(struct hash_set *set) {
    free(set->hashes);
    *set = (struct hash_set){0};
}

void parts_init(struct parts *parts) {
    parts->overflow = false;
    atomic_init(&parts->sweeping, false);
    parts->noted = (struct hash_set){0};
    pthread_rwlock_init(&parts->gate, NULL);
    pthread_mutex_init(&parts->lock, NULL);
}

void parts_destroy(struct parts *parts) {
    hash_set_free(&parts->noted);
    pthread_rwlock_destroy(&parts->gate);
    pthread_mutex_destroy(&parts->lock);
}

void parts_enter(struct parts *parts) {
    pthread_rwlock_rdlock(&parts->gate);
}

void parts_leave(struct parts *parts) {
    pthread_rwlock_unlock(&parts->gate);
}

void parts_note(struct parts *parts, struct cairn_slice hash) {
    unsigned char bytes[CAIRN_HASH_SIZE];
    if (!parts_are_swept(parts) || !cairn_id_decode(hash, bytes))
        return;
    pthread_mutex_lock(&parts->lock);
    if (parts->sweeping && !hash_set_add(&parts->noted, bytes))
        parts->overflow = true; /* then nothing is removed any more */
    pthread_mutex_unlock(&parts->lock);
}

/* The gate is taken alone for a moment: whoever wrote without noting is done. */
bool parts_sweep_begin(struct parts *parts) {
    pthread_rwlock_wrlock(&parts->gate);
    pthread_mutex_lock(&parts->lock);
    bool free_to = !parts->sweeping;
    if (free_to) {
        parts->sweeping = true;
        parts->overflow = false;
    }
    pthread_mutex_unlock(&parts->lock);
    pthread_rwlock_unlock(&parts->gate);
    return free_to;
}

void parts_sweep_end(struct parts *parts) {
    pthread_mutex_lock(&parts->lock);
    parts->sweeping = false;
    hash_set_free(&parts->noted);
    pthread_mutex_unlock(&parts->lock);
}

enum cairn_status parts_remove(struct parts *parts,
                               const unsigned char hash[CAIRN_HASH_SIZE], bool *removed,
                               enum cairn_status (*remove)(void *arg), void *arg) {
    enum cairn_status status = CAIRN_OK;
    pthread_mutex_lock(&parts->lock);
    *removed = !parts->overflow && !hash_set_has(&parts->noted, hash);
    if (*removed)
        status = remove(arg);
    pthread_mutex_unlock(&parts->lock);
    return status;
}
