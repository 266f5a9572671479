/* policy_trace.h -- decisions, written down for a replay.
 *
 * Lines wait in a bounded buffer for a thread that writes them: a call never waits for
 * a disk. Lines that do not fit are dropped and counted, and the trace itself says so.
 *
 * Threads: any function but policy_trace_free may be called from any thread. */
#ifndef CAIRN_POLICY_TRACE_H
#define CAIRN_POLICY_TRACE_H

#include <stdint.h>

#include "cairn/status.h"

struct policy_trace;

struct policy_trace *policy_trace_new(void);        /* NULL: no memory */
void policy_trace_free(struct policy_trace *trace); /* NULL is fine */

/* Appends to the file, which is made; what was traced to before is finished. */
enum cairn_status policy_trace_start(struct policy_trace *trace, const char *file,
                                     struct cairn_error *error);
/* Writes what waits and closes; the failure is the first of writing. */
enum cairn_status policy_trace_stop(struct policy_trace *trace,
                                    struct cairn_error *error);

bool policy_trace_is_on(const struct policy_trace *trace);

/* One line, with its newline. */
void policy_trace_add(struct policy_trace *trace, struct cairn_slice line,
                      int64_t now_ms);

#endif
