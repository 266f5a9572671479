/* known.h -- groups that are known to be there, so that nobody has to look again.
 *
 * A miss in an existing group, and a new child of one, must not cost a second look-up
 * for the parent. A slot holds a hash of (path, epoch, a secret of this process); the
 * epoch moves whenever a group or a link is taken away, which empties the table without
 * touching it. Only plain groups at their own key (no pack, no expiry) are entered. Two
 * paths that share all 64 bits would be confused: nobody can aim at that without the
 * secret, and by chance it does not happen.
 *
 * Threads: any; entries are single atomic words. */
#ifndef CAIRN_KNOWN_H
#define CAIRN_KNOWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { KNOWN_SLOTS = 4096 };

struct known {
    _Atomic uint64_t slots[KNOWN_SLOTS];
};

/* `hash` is core_hash of the group's path. */
bool known_has(struct known *known, uint64_t hash, uint64_t epoch);

/* `epoch` must have been read before the group was seen. */
void known_add(struct known *known, uint64_t hash, uint64_t epoch);

#endif
