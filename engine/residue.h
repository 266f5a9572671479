/* residue.h -- what has to go along with an entry, or is in the way of one: the chunks
 * of a value, what has expired but still holds its key, entries that cannot be read. */
#ifndef CAIRN_RESIDUE_H
#define CAIRN_RESIDUE_H

#include "plan.h"

/* Plans to erase the chunks of the value `entry` at `path`. */
enum cairn_status residue_of(struct plan *plan, struct cairn_slice path,
                             const struct cairn_entry *entry,
                             struct cairn_error *error);

/* The same for what holds the key of an entry that is not there (any more). */
enum cairn_status residue_at(struct plan *plan, struct cairn_slice path,
                             struct cairn_error *error);

/* Whether `status` was CAIRN_CORRUPT for the entry at `path` itself, and what to take
 * it for. */
bool residue_is_corrupt(struct plan *plan, struct cairn_slice path,
                        enum cairn_status status);
enum cairn_kind residue_kind(struct plan *plan, struct cairn_slice path);

#endif
