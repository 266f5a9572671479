/* workers_control.h -- workers seen from other processes: what `cairn workers` asks.
 *
 * The questions, and what is answered: JSON, one object a line, the last of which sums
 * up and has the process's `pid`; without it the answer was cut short.
 *
 *     workers [PREFIX]   each worker whose group begins with it (cairn.WorkerInfo), the
 *                        busiest first, at most 10,000; then `total`, `shown`, and the
 *                        sums of all: `queue`, `requests`, `failures`, `busy`, `memory`
 *     stats              each thread; then the counters of Workers:stats()
 *     handlers           each handler (cairn.HandlerInfo); then `total`
 *
 * What else is asked, or goes wrong, is answered with `error` and `code`. */
#ifndef CAIRN_WORKERS_CONTROL_H
#define CAIRN_WORKERS_CONTROL_H

#include "cairn/control.h"

struct workers_ref;
struct workers_control;

/* `path` NULL: in the directory where `cairn workers` looks, named for this process.
 * `ref` is borrowed until the control is closed, and must be complete. */
enum cairn_status workers_control_open(struct workers_ref *ref, const char *path,
                                       struct workers_control **out,
                                       struct cairn_error *error);
/* Before the workers are closed. NULL is fine. */
void workers_control_close(struct workers_control *control);

#endif
