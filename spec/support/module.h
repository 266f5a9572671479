/* module.h -- for the C modules that the specs drive: what they hand to Lua, and
 * waiting with an end to patience. */
#ifndef SPEC_MODULE_H
#define SPEC_MODULE_H

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cairn/status.h"

enum { PATIENCE_S = 60 }; /* what takes longer hangs */

struct latch {
    pthread_mutex_t lock;
    pthread_cond_t open;
    long left;
};

static inline void latch_init(struct latch *latch, long count) {
    pthread_mutex_init(&latch->lock, NULL);
    pthread_cond_init(&latch->open, NULL);
    latch->left = count;
}

static inline void latch_down(struct latch *latch) {
    pthread_mutex_lock(&latch->lock);
    if (--latch->left == 0)
        pthread_cond_broadcast(&latch->open);
    pthread_mutex_unlock(&latch->lock);
}

/* False if it takes too long. */
static inline bool latch_await(struct latch *latch) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&latch->lock);
    while (latch->left > 0 &&
           pthread_cond_timedwait(&latch->open, &latch->lock, &until) != ETIMEDOUT)
        continue;
    bool open = latch->left <= 0;
    pthread_mutex_unlock(&latch->lock);
    return open;
}

/* Two meet, to a few nanoseconds: what they do next they do at once. */
static inline void meet(atomic_long *arrived, long round) {
    atomic_fetch_add(arrived, 1);
    for (long spins = 0; atomic_load(arrived) < 2 * (round + 1); spins++)
        if (spins % 1024 == 1023)
            sched_yield();
}

static inline void set_count(lua_State *L, const char *name, long long count) {
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* True; or nil, message, code. */
static inline int push_outcome(lua_State *L, enum cairn_status status,
                               const struct cairn_error *error) {
    if (!status) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, error->message);
    lua_pushstring(L, cairn_status_word(status));
    return 3;
}

static inline int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void sleep_ms(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Of numbers that are as good as random, the same in each run. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
