/* pool.h -- a few threads that wait for work: made when they are first needed, joined
 * when the pool is closed. */
#ifndef CAIRN_POOL_H
#define CAIRN_POOL_H

#include <pthread.h>

#include "cairn/scheduler.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct cairn_job *first, **last;
    size_t waiting;     /* jobs */
    pthread_t *threads; /* room for `most`, taken when the first is needed */
    size_t most, started, idle;
    bool closing;
};

/* At most so many threads; jobs beyond them wait for their turn. */
void pool_init(struct pool *pool, size_t most);
/* Waits until every job that was given has run. */
void pool_close(struct pool *pool);

/* False: no thread can be had, nothing is done. */
bool pool_give(struct pool *pool, struct cairn_job *job);

#endif
