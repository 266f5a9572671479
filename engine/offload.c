/* offload.c -- what would block a loop, on a thread that may wait, and back. */
#include "loop.h"

#include <stddef.h>

/* On the loop again. What is done may be freed by `done`. */
static void finish(struct cairn_task *task, struct cairn_loop *loop) {
    struct cairn_offload *offload =
        (void *)((char *)task - offsetof(struct cairn_offload, task));
    count_up(&loop->offloads, 1);
    atomic_fetch_sub(&loop->away, 1);
    offload->done(offload, loop);
}

static void work(struct cairn_job *job) {
    struct cairn_offload *offload =
        (void *)((char *)job - offsetof(struct cairn_offload, job));
    offload->run(offload);
    cairn_loop_post(offload->loop, &offload->task);
}

void cairn_loop_offload(struct cairn_loop *loop, struct cairn_offload *offload) {
    offload->task.run = finish;
    offload->job.run = work;
    offload->loop = loop;
    atomic_fetch_add(&loop->away, 1);
    if (!pool_give(&loop->scheduler->pool, &offload->job))
        work(&offload->job);
}
