/* queue.h -- writes that nobody waits for, done one after the other by a thread.
 *
 * The thread is started by the first of them. What waits is bounded in bytes: more
 * makes the giver wait. What is lost is counted and told by the next flush.
 *
 * Threads: any. */
#ifndef CAIRN_QUEUE_H
#define CAIRN_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cairn/status.h"

struct queue_job {
    enum cairn_status (*run)(struct queue_job *job, struct cairn_error *error);
    void (*release)(struct queue_job *job);
    size_t bytes;
    struct queue_job *next;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stopping, busy;
    struct queue_job *first, **last;
    size_t bytes, most_bytes;
    uint64_t given, lost; /* lost since the last flush */
    uint64_t lost_ever;
    enum cairn_status why;
    struct cairn_error what;
};

void queue_init(struct queue *queue, size_t most_bytes);
/* Does what is left, then ends. */
void queue_destroy(struct queue *queue);

/* Takes the job over, waiting for room. What cannot be queued (no thread can be had) is
 * done at once. */
void queue_give(struct queue *queue, struct queue_job *job);

/* Counts a write that was lost before it could be given. */
void queue_note_loss(struct queue *queue, enum cairn_status status,
                     const struct cairn_error *what);

/* Waits until nothing is left. The first loss since the last flush is the status. */
enum cairn_status queue_flush(struct queue *queue, uint64_t *lost,
                              struct cairn_error *error);

#endif
