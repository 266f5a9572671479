/* loop.c -- the thread that runs tasks: its queue, its turns, its sleep.
 *
 * The queue is a list in which a producer first swaps itself in as the newest and then
 * links its predecessor to itself: one atomic exchange a post, whatever the others do.
 * In between the consumer sees the end of the list before the newest; it takes that for
 * "not yet" and looks again. What a loop posts to itself goes to a list of its own, and
 * what has used its time to another one, of which each turn runs one: so others wait
 * for one such task, however many there are, and none of them for long.
 *
 * Falling asleep: the loop says so, then looks once more at the queue; a producer puts
 * its task there, then looks whether the loop sleeps. Both in one order for all
 * (sequential consistency), so at least one of the two sees the other. */
#include "loop.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

/* Between two looks at the timers. */
enum { TASKS_A_TURN = 64, TIMERS_A_TURN = 64 };

static _Thread_local struct cairn_loop *current;

void loop_init(struct cairn_loop *loop, struct cairn_scheduler *scheduler,
               unsigned index) {
    pthread_condattr_t monotonic;
    *loop = (struct cairn_loop){.scheduler = scheduler, .index = index};
    atomic_init(&loop->newest, &loop->stub);
    loop->oldest = &loop->stub;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* -- The queue --------------------------------------------------------------------- */

static struct cairn_task *next_of(struct cairn_task *task) {
    return atomic_load_explicit(&task->next, memory_order_acquire);
}

static void push(struct cairn_loop *loop, struct cairn_task *task) {
    atomic_store_explicit(&task->next, NULL, memory_order_relaxed);
    struct cairn_task *before = atomic_exchange(&loop->newest, task);
    atomic_store_explicit(&before->next, task, memory_order_release);
}

/* NULL: none, or one that is not linked yet. */
static struct cairn_task *pop(struct cairn_loop *loop) {
    struct cairn_task *oldest = loop->oldest, *next = next_of(oldest);
    if (oldest == &loop->stub) {
        if (!next)
            return NULL;
        loop->oldest = oldest = next;
        next = next_of(oldest);
    }
    if (!next && atomic_load(&loop->newest) == oldest) {
        push(loop, &loop->stub); /* so that the last one can be taken */
        next = next_of(oldest);
    }
    if (!next)
        return NULL;
    loop->oldest = next;
    return oldest;
}

static bool is_empty(struct cairn_loop *loop) {
    return loop->oldest == &loop->stub && atomic_load(&loop->newest) == &loop->stub;
}

static void append(struct task_list *list, struct cairn_task *task) {
    atomic_store_explicit(&task->next, NULL, memory_order_relaxed);
    if (list->first)
        atomic_store_explicit(&list->last->next, task, memory_order_relaxed);
    else
        list->first = task;
    list->last = task;
}

static struct cairn_task *take_first(struct task_list *list) {
    struct cairn_task *task = list->first;
    if (task)
        list->first = atomic_load_explicit(&task->next, memory_order_relaxed);
    return task;
}

/* -- Posting ----------------------------------------------------------------------- */

/* Passing through the lock makes sure that a loop which has not seen the change yet
 * waits already. */
static void wake(struct cairn_loop *loop) {
    if (!atomic_load(&loop->sleeping) || !atomic_exchange(&loop->sleeping, false))
        return;
    pthread_mutex_lock(&loop->lock);
    pthread_mutex_unlock(&loop->lock);
    pthread_cond_signal(&loop->wake);
}

void cairn_loop_post(struct cairn_loop *loop, struct cairn_task *task) {
    if (loop == current) {
        append(&loop->mine, task);
        return;
    }
    /* The task may run, and the scheduler be closed, before the loop has been woken:
     * closing waits for those whom it does not join. */
    bool counted = !current || current->scheduler != loop->scheduler;
    if (counted)
        atomic_fetch_add(&loop->posting, 1);
    push(loop, task);
    wake(loop);
    if (counted)
        atomic_fetch_sub(&loop->posting, 1);
}

void cairn_loop_post_later(struct cairn_loop *loop, struct cairn_task *task) {
    append(&loop->later, task);
}

void loop_nudge(struct cairn_loop *loop) {
    atomic_store(&loop->nudged, true);
    wake(loop);
}

/* -- Sleeping ---------------------------------------------------------------------- */

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void account(struct cairn_loop *loop) {
    int64_t now_ns = clock_ns();
    count_up(&loop->busy_ns, (uint64_t)(now_ns - loop->turn_ns));
    loop->turn_ns = now_ns;
}

/* Whom closing waits for. */
static void tell_closer(struct cairn_scheduler *scheduler) {
    pthread_mutex_lock(&scheduler->lock);
    pthread_cond_signal(&scheduler->changed);
    pthread_mutex_unlock(&scheduler->lock);
}

/* Until it is woken, or the first timer is due. A clock of somebody else's says by a
 * nudge that it has moved. */
static void wait(struct cairn_loop *loop, bool closing) {
    bool timed = loop->timer_count && !closing && !loop->scheduler->options.now_ms;
    struct timespec until = {0};
    int failed = 0;
    if (timed) {
        int64_t at_ms = loop->timers[0].at_ms;
        until = (struct timespec){at_ms / 1000, at_ms % 1000 * 1000000};
    }
    pthread_mutex_lock(&loop->lock);
    while (atomic_load(&loop->sleeping) && failed != ETIMEDOUT)
        failed = timed ? pthread_cond_timedwait(&loop->wake, &loop->lock, &until)
                       : pthread_cond_wait(&loop->wake, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}

static void sleep_well(struct cairn_loop *loop, bool closing) {
    if (!closing && loop->timer_count && loop->timers[0].at_ms <= loop->now_ms)
        return;
    count_up(&loop->sleeps, 1);
    atomic_store(&loop->sleeping, true);
    if (!is_empty(loop)) {
        sched_yield(); /* to who is about to link what he posted */
    } else if (!atomic_load(&loop->nudged)) {
        account(loop);
        if (closing)
            tell_closer(loop->scheduler);
        wait(loop, closing);
        loop->turn_ns = clock_ns();
    }
    atomic_store(&loop->sleeping, false);
}

bool loop_rests(struct cairn_loop *loop, uint64_t *sleep) {
    bool rests = atomic_load(&loop->sleeping) &&
                 atomic_load(&loop->newest) == &loop->stub &&
                 atomic_load(&loop->away) == 0;
    *sleep = atomic_load(&loop->sleeps);
    return rests;
}

/* -- Turns ------------------------------------------------------------------------- */

static void begin_turn(struct cairn_loop *loop) {
    const struct cairn_scheduler_options *options = &loop->scheduler->options;
    account(loop);
    loop->now_ms =
        options->now_ms ? options->now_ms(options->clock) : loop->turn_ns / 1000000;
}

/* Own and others' by turns, so that none of them waits for the end of the others; then
 * one of those that had their time. */
static unsigned run_tasks(struct cairn_loop *loop) {
    unsigned done = 0;
    while (done < TASKS_A_TURN) {
        struct cairn_task *mine = take_first(&loop->mine), *other;
        if (mine)
            mine->run(mine, loop);
        if ((other = pop(loop)))
            other->run(other, loop);
        if (!mine && !other)
            break;
        done += (mine != NULL) + (other != NULL);
    }
    struct cairn_task *later = take_first(&loop->later);
    if (later) {
        later->run(later, loop);
        done++;
    }
    count_up(&loop->tasks, done);
    return done;
}

static void run_turns(struct cairn_loop *loop) {
    struct cairn_scheduler *scheduler = loop->scheduler;
    for (;;) {
        /* A nudge is taken before what it is about is looked at. */
        if (atomic_load(&loop->nudged))
            atomic_store(&loop->nudged, false);
        bool closing = atomic_load(&scheduler->closing);
        bool ending = atomic_load(&scheduler->ending);
        begin_turn(loop);
        if (!closing)
            timers_fire(loop, TIMERS_A_TURN);
        if (run_tasks(loop))
            continue;
        if (ending)
            break;
        sleep_well(loop, closing);
    }
}

static void report_start(struct cairn_scheduler *scheduler, enum cairn_status status,
                         const struct cairn_error *error) {
    pthread_mutex_lock(&scheduler->lock);
    if (status && !scheduler->failed) {
        scheduler->failed = status;
        scheduler->error = *error;
    }
    scheduler->started++;
    pthread_cond_signal(&scheduler->changed);
    pthread_mutex_unlock(&scheduler->lock);
}

void *loop_main(void *argument) {
    struct cairn_loop *loop = argument;
    const struct cairn_scheduler_options *options = &loop->scheduler->options;
    struct cairn_error error = {{0}};
    enum cairn_status status = CAIRN_OK;
    char name[16];
    snprintf(name, sizeof name, "cairn-loop-%u", loop->index % 1000);
    pthread_setname_np(pthread_self(), name);
    current = loop;
    loop->turn_ns = clock_ns();
    begin_turn(loop);
    if (options->start)
        status = options->start(options->arg, loop, &error);
    report_start(loop->scheduler, status, &error);
    run_turns(loop);
    if (options->stop && !status)
        options->stop(options->arg, loop);
    return NULL;
}

/* -- Looking at it ----------------------------------------------------------------- */

struct cairn_loop *cairn_loop_current(void) {
    return current;
}

unsigned cairn_loop_index(const struct cairn_loop *loop) {
    return loop->index;
}

void *cairn_loop_data(const struct cairn_loop *loop) {
    return loop->data;
}

void cairn_loop_set_data(struct cairn_loop *loop, void *data) {
    loop->data = data;
}

int64_t cairn_loop_now_ms(const struct cairn_loop *loop) {
    return loop->now_ms;
}

void cairn_loop_counts(const struct cairn_loop *loop, struct cairn_loop_counts *out) {
    out->tasks = atomic_load_explicit(&loop->tasks, memory_order_relaxed);
    out->timers = atomic_load_explicit(&loop->fired, memory_order_relaxed);
    out->offloads = atomic_load_explicit(&loop->offloads, memory_order_relaxed);
    out->sleeps = atomic_load_explicit(&loop->sleeps, memory_order_relaxed);
    out->busy_ns = atomic_load_explicit(&loop->busy_ns, memory_order_relaxed);
}
