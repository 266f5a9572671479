/* scheduler.h -- a few threads that run many small tasks.
 *
 * Each thread is a loop: it takes what others posted to it, runs it task by task, fires
 * timers that are due, and sleeps when there is nothing to do. Posting takes no lock
 * (an intrusive queue of many producers and one consumer, after Dmitry Vyukov) unless
 * the loop sleeps. What would block goes to threads that may (cairn_loop_offload).
 *
 * Threads: as said at each function. "On the loop": only from a task, timer or hook
 * that this loop runs. */
#ifndef CAIRN_SCHEDULER_H
#define CAIRN_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "cairn/status.h"

enum { CAIRN_LOOPS_MAX = 64, CAIRN_BLOCKING_MAX = 4096 };

struct cairn_scheduler;
struct cairn_loop;

/* Embedded in what is to be run. Belongs to the loop from post until `run` is called;
 * `run` may post it again, or free what it lies in. */
struct cairn_task {
    void (*run)(struct cairn_task *task, struct cairn_loop *loop);
    _Atomic(struct cairn_task *) next;
};

/* Embedded in what wants to be called later; zeroed before its first use. */
struct cairn_timer {
    void (*fire)(struct cairn_timer *timer, struct cairn_loop *loop);
    int64_t at_ms;
    size_t place; /* in the loop's heap, from 1; 0: not set */
};

/* What a thread that may wait is given. */
struct cairn_job {
    void (*run)(struct cairn_job *job);
    struct cairn_job *next;
};

/* Embedded in what may block. `run` is called on a thread that may wait, then `done` on
 * the loop that gave it away. */
struct cairn_offload {
    struct cairn_task task; /* the scheduler's, as are job and loop */
    struct cairn_job job;
    struct cairn_loop *loop;
    void (*run)(struct cairn_offload *offload);
    void (*done)(struct cairn_offload *offload, struct cairn_loop *loop);
};

struct cairn_scheduler_options {
    unsigned loops;    /* 0: one for each core the process may use */
    unsigned blocking; /* threads for what blocks, made when needed; 0: 64 */

    /* What timers believe, in ms; NULL: the monotonic clock. A clock that is moved by
     * hand says so with cairn_scheduler_tick. */
    int64_t (*now_ms)(void *clock);
    void *clock;

    /* On each loop before its first task and after its last. A start that fails makes
     * opening fail. NULL: nothing. */
    enum cairn_status (*start)(void *arg, struct cairn_loop *loop,
                               struct cairn_error *error);
    void (*stop)(void *arg, struct cairn_loop *loop);
    void *arg;
};

/* Any thread. Returns when all loops have started. */
enum cairn_status cairn_scheduler_open(const struct cairn_scheduler_options *options,
                                       struct cairn_scheduler **out,
                                       struct cairn_error *error);
/* Runs all that was posted, and what that posts, waits for what was offloaded; timers
 * do not fire any more. When no loop has anything left, all have their stop hooks,
 * which must not post or offload; then the threads are joined. Once, not from a loop.
 * What other threads post meanwhile is run if it comes before that; what comes later is
 * not, so they should know of something under way. */
void cairn_scheduler_close(struct cairn_scheduler *scheduler); /* NULL is fine */

/* Any thread. */
unsigned cairn_scheduler_loops(const struct cairn_scheduler *scheduler);
struct cairn_loop *cairn_scheduler_loop(struct cairn_scheduler *scheduler, unsigned i);
void cairn_scheduler_tick(struct cairn_scheduler *scheduler);

/* Any thread. Tasks that one thread posts are run in that order. */
void cairn_loop_post(struct cairn_loop *loop, struct cairn_task *task);
/* On the loop, for a task that has used its time and wants more: after those that are
 * posted by then, and timers that are due by then, and others like it. */
void cairn_loop_post_later(struct cairn_loop *loop, struct cairn_task *task);
/* The loop that this thread is; NULL: none. */
struct cairn_loop *cairn_loop_current(void);
unsigned cairn_loop_index(const struct cairn_loop *loop);
/* A pointer that a loop carries for its owner; set on the loop, from `start` on. */
void *cairn_loop_data(const struct cairn_loop *loop);
void cairn_loop_set_data(struct cairn_loop *loop, void *data);

/* On the loop. A timer that is set already is moved. CAIRN_NO_MEMORY. */
enum cairn_status cairn_loop_set_timer(struct cairn_loop *loop,
                                       struct cairn_timer *timer, int64_t at_ms,
                                       struct cairn_error *error);
void cairn_loop_clear_timer(struct cairn_loop *loop, struct cairn_timer *timer);
/* As timers have it; read once a turn, so behind by the tasks that have run since. */
int64_t cairn_loop_now_ms(const struct cairn_loop *loop);

/* On the loop. Runs it at once, on the loop, if no thread can be had. */
void cairn_loop_offload(struct cairn_loop *loop, struct cairn_offload *offload);

/* What the loop has done; any thread, approximately. */
struct cairn_loop_counts {
    uint64_t tasks, timers, offloads, sleeps;
    uint64_t busy_ns;
};
void cairn_loop_counts(const struct cairn_loop *loop, struct cairn_loop_counts *out);

#endif
