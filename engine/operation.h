/* operation.h -- from one operation to the changes it takes. */
#ifndef CAIRN_OPERATION_H
#define CAIRN_OPERATION_H

#include "plan.h"

/* Adds what `task` asks for to the plan. A failure adds nothing. */
enum cairn_status operation_plan(struct plan *plan, struct task *task,
                                 struct cairn_error *error);

/* Notes in task->landed where the operation on `path` is done, if that is elsewhere. */
enum cairn_status operation_landed(const struct task *task, struct cairn_slice path,
                                   struct cairn_slice landed,
                                   struct cairn_error *error);

/* The value that a read of `path` sees, the plan included. `out` is to be released
 * before the plan is freed. */
enum cairn_status operation_read(struct plan *plan, struct cairn_slice path,
                                 struct cairn_view *out, struct cairn_error *error);

#endif
