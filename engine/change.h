/* change.h -- changing a store, with word of where the changes went. */
#ifndef CAIRN_CHANGE_H
#define CAIRN_CHANGE_H

#include "core.h"

/* cairn_store_apply. Where links on the way led elsewhere than an operation's path
 * says, the path that was changed is appended to `landed` (NULL: nobody wants to know),
 * each with a NUL behind it; of an attempt that was planned again or failed, it may be
 * one too many. Whoever keeps copies of what lies at those paths drops them. */
enum cairn_status change_apply(struct cairn_store *store,
                               const struct cairn_context *context,
                               struct cairn_operation *operations, size_t count,
                               unsigned flags, size_t *failed,
                               struct cairn_bytes *landed, struct cairn_error *error);

#endif
