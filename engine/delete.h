/* delete.h -- taking away: entries, links, groups that are empty by now. */
#ifndef CAIRN_DELETE_H
#define CAIRN_DELETE_H

#include "plan.h"

/* Plans CAIRN_DELETE at a normal path. */
enum cairn_status delete_at(struct plan *plan, struct task *task,
                            struct cairn_slice path, struct cairn_error *error);

#endif
