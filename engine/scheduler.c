/* scheduler.c -- the loops together: started, stopped when all of them are through. */
#include "loop.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCKING_DEFAULT = 64 };

/* -- Opening ----------------------------------------------------------------------- */

static unsigned usable_cores(void) {
    cpu_set_t cores;
    long count = sched_getaffinity(0, sizeof cores, &cores) == 0
                     ? CPU_COUNT(&cores)
                     : sysconf(_SC_NPROCESSORS_ONLN); /* more than the set can hold */
    if (count < 1)
        return 1;
    return count < CAIRN_LOOPS_MAX ? (unsigned)count : CAIRN_LOOPS_MAX;
}

static enum cairn_status check(const struct cairn_scheduler_options *options,
                               struct cairn_error *error) {
    if (options->loops > CAIRN_LOOPS_MAX)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a scheduler of %u loops: at most %d", options->loops,
                          CAIRN_LOOPS_MAX);
    if (options->blocking > CAIRN_BLOCKING_MAX)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a scheduler with %u threads for what blocks: at most %d",
                          options->blocking, CAIRN_BLOCKING_MAX);
    return CAIRN_OK;
}

static struct cairn_scheduler *
scheduler_new(const struct cairn_scheduler_options *options) {
    unsigned count = options->loops ? options->loops : usable_cores();
    struct cairn_scheduler *scheduler =
        aligned_alloc(_Alignof(struct cairn_scheduler),
                      sizeof *scheduler + count * sizeof *scheduler->loops);
    if (!scheduler)
        return NULL;
    *scheduler = (struct cairn_scheduler){.options = *options, .count = count};
    pthread_mutex_init(&scheduler->lock, NULL);
    pthread_cond_init(&scheduler->changed, NULL);
    pool_init(&scheduler->pool,
              options->blocking ? options->blocking : BLOCKING_DEFAULT);
    for (unsigned i = 0; i < count; i++)
        loop_init(&scheduler->loops[i], scheduler, i);
    return scheduler;
}

static void scheduler_free(struct cairn_scheduler *scheduler, unsigned loops) {
    for (unsigned i = 0; i < loops; i++)
        loop_destroy(&scheduler->loops[i]);
    pthread_cond_destroy(&scheduler->changed);
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

/* Signals are for the program's own threads. Returns how many were made. */
static unsigned start_threads(struct cairn_scheduler *scheduler) {
    sigset_t all, before;
    unsigned made = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (made < scheduler->count &&
           pthread_create(&scheduler->loops[made].thread, NULL, loop_main,
                          &scheduler->loops[made]) == 0)
        made++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return made;
}

/* All that were made have started, or failed to. */
static enum cairn_status await_start(struct cairn_scheduler *scheduler, unsigned made,
                                     struct cairn_error *error) {
    pthread_mutex_lock(&scheduler->lock);
    while (scheduler->started < made)
        pthread_cond_wait(&scheduler->changed, &scheduler->lock);
    enum cairn_status status = scheduler->failed;
    if (status && error)
        *error = scheduler->error;
    pthread_mutex_unlock(&scheduler->lock);
    return status;
}

enum cairn_status cairn_scheduler_open(const struct cairn_scheduler_options *options,
                                       struct cairn_scheduler **out,
                                       struct cairn_error *error) {
    enum cairn_status status = check(options, error);
    if (status)
        return status;
    struct cairn_scheduler *scheduler = scheduler_new(options);
    if (!scheduler)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a scheduler");
    unsigned wanted = scheduler->count, made = start_threads(scheduler);
    status = await_start(scheduler, made, error);
    if (!status && made < wanted)
        status =
            cairn_fail(error, CAIRN_UNAVAILABLE,
                       "no thread for loop %u of a scheduler of %u", made + 1, wanted);
    if (status) {
        for (unsigned i = made; i < wanted; i++)
            loop_destroy(&scheduler->loops[i]);
        scheduler->count = made;
        cairn_scheduler_close(scheduler);
        return status;
    }
    *out = scheduler;
    return CAIRN_OK;
}

/* -- Closing ----------------------------------------------------------------------- */

static void nudge_all(struct cairn_scheduler *scheduler) {
    for (unsigned i = 0; i < scheduler->count; i++)
        loop_nudge(&scheduler->loops[i]);
}

/* Who posts from outside is about to be through. */
static void await_posting(struct cairn_scheduler *scheduler) {
    for (unsigned i = 0; i < scheduler->count; i++)
        while (atomic_load(&scheduler->loops[i].posting))
            sched_yield();
}

/* No loop has anything to do, and none can get anything from another: each is found in
 * the same sleep twice, so between the two looks all slept. */
static bool all_rest(struct cairn_scheduler *scheduler) {
    uint64_t sleeps[CAIRN_LOOPS_MAX], sleep;
    for (unsigned i = 0; i < scheduler->count; i++)
        if (!loop_rests(&scheduler->loops[i], &sleeps[i]))
            return false;
    await_posting(scheduler);
    for (unsigned i = 0; i < scheduler->count; i++)
        if (!loop_rests(&scheduler->loops[i], &sleep) || sleep != sleeps[i])
            return false;
    return true;
}

void cairn_scheduler_close(struct cairn_scheduler *scheduler) {
    if (!scheduler)
        return;
    atomic_store(&scheduler->closing, true);
    nudge_all(scheduler);
    pthread_mutex_lock(&scheduler->lock);
    while (!all_rest(scheduler))
        pthread_cond_wait(&scheduler->changed, &scheduler->lock);
    pthread_mutex_unlock(&scheduler->lock);
    atomic_store(&scheduler->ending, true);
    nudge_all(scheduler);
    for (unsigned i = 0; i < scheduler->count; i++)
        pthread_join(scheduler->loops[i].thread, NULL);
    pool_close(&scheduler->pool);
    await_posting(scheduler);
    scheduler_free(scheduler, scheduler->count);
}

/* -- Looking at it ----------------------------------------------------------------- */

unsigned cairn_scheduler_loops(const struct cairn_scheduler *scheduler) {
    return scheduler->count;
}

struct cairn_loop *cairn_scheduler_loop(struct cairn_scheduler *scheduler, unsigned i) {
    return &scheduler->loops[i];
}

void cairn_scheduler_tick(struct cairn_scheduler *scheduler) {
    nudge_all(scheduler);
}
