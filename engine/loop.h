/* loop.h -- the insides of a loop, shared by the scheduler's files. */
#ifndef CAIRN_LOOP_H
#define CAIRN_LOOP_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "pool.h"

enum { CACHE_LINE = 64 };

struct timer_slot {
    int64_t at_ms; /* the timer's, here so that sifting looks at one array */
    struct cairn_timer *timer;
};

/* Linked by `next`, which only the loop looks at then. */
struct task_list {
    struct cairn_task *first, *last;
};

struct cairn_loop {
    /* Of those who post. `newest` is the end of the queue; `stub` is in it when nothing
     * else is. */
    alignas(CACHE_LINE) _Atomic(struct cairn_task *) newest;
    atomic_bool sleeping; /* whoever takes it back wakes the loop */
    atomic_bool nudged;   /* is to look around, though nothing was posted */
    atomic_uint posting;  /* threads in the midst of a post that are not joined */

    /* Of the loop; the rest is read by others, approximately. */
    alignas(CACHE_LINE) struct cairn_task *oldest;
    struct task_list mine;     /* what it posted to itself */
    struct task_list later;    /* what has had its time, and wants more */
    struct timer_slot *timers; /* a heap with four children to a node */
    size_t timer_count, timer_room;
    int64_t now_ms;
    int64_t turn_ns; /* of the monotonic clock, when this turn began */
    void *data;
    atomic_size_t away; /* offloaded and not done */
    _Atomic uint64_t tasks, fired, offloads, sleeps, busy_ns;
    struct cairn_task stub;

    /* Touched when it sleeps, or never. */
    alignas(CACHE_LINE) pthread_mutex_t lock;
    pthread_cond_t wake;
    struct cairn_scheduler *scheduler;
    unsigned index;
    pthread_t thread;
};

struct cairn_scheduler {
    struct cairn_scheduler_options options;
    struct pool pool; /* for what is offloaded */
    atomic_bool closing, ending;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a loop has started, or fell asleep while closing */
    unsigned started;       /* or failed to */
    enum cairn_status failed;
    struct cairn_error error;

    unsigned count;
    struct cairn_loop loops[];
};

void loop_init(struct cairn_loop *loop, struct cairn_scheduler *scheduler,
               unsigned index);
void loop_destroy(struct cairn_loop *loop);
/* Start hook, turns, stop hook: what the thread of a loop does. */
void *loop_main(void *loop);
/* Makes it look around. */
void loop_nudge(struct cairn_loop *loop);
/* Sleeps with nothing to do and nothing under way; `*sleep` tells this sleep from
 * others. */
bool loop_rests(struct cairn_loop *loop, uint64_t *sleep);

/* Fires what is due, up to `most`. */
void timers_fire(struct cairn_loop *loop, unsigned most);

/* The one who writes is the loop. */
static inline void count_up(_Atomic uint64_t *counter, uint64_t more) {
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

#endif
