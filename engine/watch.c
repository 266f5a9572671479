/* watch.c -- marks that changes leave where readers look. */
#include "watch.h"

#include <pthread.h>
#include <stdatomic.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { MARKS = 4096, LOCKS = 64, EVERYTHING = 0 };

/* The low half of a mark: how many changes are under way. The high half: how many are
 * over. */
#define UNDER_WAY_MASK UINT64_C(0xffffffff)
#define OVER (UINT64_C(1) << 32)

static _Atomic uint64_t marks[MARKS];

/* A copy is put with the locks of its marks held shared; announcing takes them alone,
 * for a moment. */
static pthread_rwlock_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_RWLOCK_INITIALIZER};

static uint16_t mark_at(struct cairn_slice path) {
    return (uint16_t)(1 + XXH3_64bits(path.data, path.size) % (MARKS - 1));
}

/* What a pack at `group` depends on: each of its children. */
static uint16_t mark_in(struct cairn_slice group) {
    return (uint16_t)(1 +
                      XXH3_64bits_withSeed(group.data, group.size, 1) % (MARKS - 1));
}

static void look_at(struct watch *watch, uint16_t mark) {
    watch->locks |= UINT64_C(1) << mark % LOCKS;
    watch->marks[watch->count] = mark;
    watch->seen[watch->count++] = atomic_load(&marks[mark]);
}

void watch_begin(struct watch *watch, struct cairn_slice path) {
    struct cairn_slice segment;
    size_t at = 0;
    watch->count = 0;
    watch->locks = 0;
    look_at(watch, EVERYTHING);
    look_at(watch, mark_in(path));
    while (cairn_path_next(path, &at, &segment)) {
        size_t end = (size_t)(segment.data + segment.size - path.data);
        look_at(watch, mark_at(cairn_slice_sub(path, 0, end)));
    }
}

static void unlock(uint64_t bits) {
    for (; bits; bits &= bits - 1)
        pthread_rwlock_unlock(&locks[__builtin_ctzll(bits)]);
}

static bool unchanged(const struct watch *watch) {
    for (size_t i = 0; i < watch->count; i++)
        if (watch->seen[i] & UNDER_WAY_MASK ||
            atomic_load(&marks[watch->marks[i]]) != watch->seen[i])
            return false;
    return true;
}

bool watch_hold(const struct watch *watch) {
    uint64_t held = 0;
    for (uint64_t left = watch->locks; left; left &= left - 1) {
        if (pthread_rwlock_tryrdlock(&locks[__builtin_ctzll(left)])) {
            unlock(held);
            return false;
        }
        held |= left & -left;
    }
    if (unchanged(watch))
        return true;
    unlock(held);
    return false;
}

void watch_release(const struct watch *watch) {
    unlock(watch->locks);
}

static void announce(uint16_t mark) {
    pthread_rwlock_wrlock(&locks[mark % LOCKS]);
    atomic_fetch_add(&marks[mark], 1);
    pthread_rwlock_unlock(&locks[mark % LOCKS]);
}

static void over(uint16_t mark) {
    atomic_fetch_add(&marks[mark], OVER - 1);
}

void watch_announce(struct cairn_slice path) {
    announce(mark_at(path));
    announce(mark_in(cairn_path_parent(path)));
}

void watch_over(struct cairn_slice path) {
    over(mark_at(path));
    over(mark_in(cairn_path_parent(path)));
}

void watch_announce_all(void) {
    announce(EVERYTHING);
}

void watch_over_all(void) {
    over(EVERYTHING);
}
