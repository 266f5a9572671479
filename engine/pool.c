/* pool.c -- threads that wait for work. */
#include "pool.h"

#include <signal.h>
#include <stdlib.h>

void pool_init(struct pool *pool, size_t most) {
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->first = NULL;
    pool->last = &pool->first;
    pool->threads = NULL;
    pool->most = most;
    pool->waiting = pool->started = pool->idle = 0;
    pool->closing = false;
}

static struct cairn_job *take(struct pool *pool) {
    struct cairn_job *job = pool->first;
    pool->first = job->next;
    if (!pool->first)
        pool->last = &pool->first;
    pool->waiting--;
    return job;
}

static void *work(void *argument) {
    struct pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->closing) {
            pool->idle++;
            pthread_cond_wait(&pool->wake, &pool->lock);
            pool->idle--;
        }
        if (!pool->first)
            break;
        struct cairn_job *job = take(pool);
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static bool start_one(struct pool *pool) {
    sigset_t all, before;
    if (!pool->threads && !(pool->threads = calloc(pool->most, sizeof *pool->threads)))
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&pool->threads[pool->started], NULL, work, pool) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->started += started;
    return started;
}

bool pool_give(struct pool *pool, struct cairn_job *job) {
    bool given = true;
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    /* Waiting threads may have been woken for the jobs before and not run yet. */
    if (pool->waiting >= pool->idle && pool->started < pool->most)
        given = start_one(pool) || pool->started > 0;
    if (given) {
        *pool->last = job;
        pool->last = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return given;
}

void pool_close(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    free(pool->threads);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
}
