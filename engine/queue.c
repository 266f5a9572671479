/* queue.c -- one thread behind a bounded queue. */
#include "queue.h"

void queue_init(struct queue *queue, size_t most_bytes) {
    *queue = (struct queue){.most_bytes = most_bytes, .last = &queue->first};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
}

static void note_loss(struct queue *queue, enum cairn_status status,
                      const struct cairn_error *what) {
    if (queue->lost++ == 0) {
        queue->why = status;
        queue->what = *what;
    }
    queue->lost_ever++;
}

/* With the lock held; lets go of it while the job runs. */
static void run_first(struct queue *queue) {
    struct queue_job *job = queue->first;
    queue->first = job->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->busy = true;
    pthread_mutex_unlock(&queue->lock);

    struct cairn_error error;
    size_t bytes = job->bytes;
    enum cairn_status status = job->run(job, &error);
    job->release(job);

    pthread_mutex_lock(&queue->lock);
    queue->busy = false;
    queue->bytes -= bytes;
    if (status)
        note_loss(queue, status, &error);
    pthread_cond_broadcast(&queue->changed);
}

static void *run(void *arg) {
    struct queue *queue = arg;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping || queue->first) {
        if (queue->first)
            run_first(queue);
        else
            pthread_cond_wait(&queue->changed, &queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* A job may give another one: it must not wait for itself. */
static bool has_room(const struct queue *queue, const struct queue_job *job) {
    return queue->bytes == 0 || queue->bytes + job->bytes <= queue->most_bytes ||
           pthread_equal(pthread_self(), queue->thread);
}

void queue_give(struct queue *queue, struct queue_job *job) {
    pthread_mutex_lock(&queue->lock);
    if (!queue->started)
        queue->started = pthread_create(&queue->thread, NULL, run, queue) == 0;
    bool started = queue->started;
    if (started) {
        while (!has_room(queue, job))
            pthread_cond_wait(&queue->changed, &queue->lock);
        job->next = NULL;
        *queue->last = job;
        queue->last = &job->next;
        queue->bytes += job->bytes;
        queue->given++;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    if (started)
        return;

    struct cairn_error error;
    enum cairn_status status = job->run(job, &error);
    job->release(job);
    if (status)
        queue_note_loss(queue, status, &error);
}

void queue_note_loss(struct queue *queue, enum cairn_status status,
                     const struct cairn_error *what) {
    pthread_mutex_lock(&queue->lock);
    note_loss(queue, status, what);
    pthread_mutex_unlock(&queue->lock);
}

enum cairn_status queue_flush(struct queue *queue, uint64_t *lost,
                              struct cairn_error *error) {
    pthread_mutex_lock(&queue->lock);
    while (queue->first || queue->busy)
        pthread_cond_wait(&queue->changed, &queue->lock);
    uint64_t count = queue->lost;
    enum cairn_status why = queue->why;
    if (count)
        cairn_fail(error, why, "%llu written behind were lost, the first because: %s",
                   (unsigned long long)count, queue->what.message);
    queue->lost = 0;
    queue->why = CAIRN_OK;
    pthread_mutex_unlock(&queue->lock);
    if (lost)
        *lost = count;
    return count ? why : CAIRN_OK;
}

void queue_destroy(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->changed);
    bool started = queue->started;
    pthread_mutex_unlock(&queue->lock);
    if (started)
        pthread_join(queue->thread, NULL);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}
