/* list.h -- a listing that changes hands. */
#ifndef CAIRN_LIST_H
#define CAIRN_LIST_H

#include "cairn/store.h"

/* From now on in the circumstances of `context`, which must outlive it, instead of
 * those it was opened in. */
void list_hand_over(struct cairn_list *list, const struct cairn_context *context);

#endif
