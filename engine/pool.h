/* pool.h -- a few threads that wait for work: made when they are first needed, joined
 * when the pool is closed. */
#ifndef CAIRN_POOL_H
#define CAIRN_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* So many stragglers of one member may hang; what comes then waits for its turn, and
 * its deadline. */
enum { POOL_THREADS = 8 };

/* Embedded in what is to be done. */
struct job {
    void (*run)(struct job *job);
    struct job *next;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last;
    size_t waiting; /* jobs */
    pthread_t threads[POOL_THREADS];
    size_t started, idle;
    bool closing;
};

void pool_init(struct pool *pool);
/* Waits until every job that was given has run. */
void pool_close(struct pool *pool);

/* False: no thread can be had, nothing is done. */
bool pool_give(struct pool *pool, struct job *job);

#endif
