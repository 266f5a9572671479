/* places.h -- whether a message may lie where its id says, and on whose behalf it does.
 *
 * With the reference's ids several messages may share one; whoever comes second is
 * told. A message that was written as a result only is marked, at ~parts/<id>, as one
 * that may go when nothing refers to it any more; writing it on its own takes the mark
 * off. */
#ifndef CAIRN_PLACES_H
#define CAIRN_PLACES_H

#include "batch.h"

/* CAIRN_CONFLICT if another message lies where this one, or one nested in it, is to
 * lie. Nothing to check with safe ids. */
enum cairn_status places_check(struct cairn_cache *cache,
                               const struct cairn_context *context,
                               const struct cairn_value *stored,
                               struct cairn_error *error);

/* Before a batch of results is applied: collects marks of the messages that are not
 * there yet. They are written after it: what is not marked stays for ever, at worst. */
enum cairn_status places_look(struct batch *batch, const struct cairn_context *context,
                              struct batch *marks, struct cairn_error *error);

/* After a batch of messages written on their own was applied: those that were there
 * already may have been marked. */
enum cairn_status places_own(struct batch *batch, const struct cairn_context *context,
                             struct cairn_error *error);

#endif
