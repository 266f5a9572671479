/* check.h -- whether an operation makes sense in itself, wherever it is to be done. */
#ifndef CAIRN_CHECK_H
#define CAIRN_CHECK_H

#include "cairn/store.h"

/* CAIRN_INVALID_ARGUMENT or CAIRN_LIMIT, with the path: options that do not belong to
 * the kind of operation, times before 1970, metadata and inline children that are none.
 */
enum cairn_status check_operation(const struct cairn_operation *operation,
                                  struct cairn_error *error);

#endif
