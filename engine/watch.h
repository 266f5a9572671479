/* watch.h -- whether what was read may still be kept: a copy made of it must not undo a
 * change that came in between.
 *
 * Whoever keeps copies of a store's entries elsewhere (a tier in front of it) reads,
 * and writes the copy a moment later. A change in between drops a copy that is not
 * there yet, and then the old value would be put where nobody drops it any more. So a
 * reader watches a path before it reads, and puts the copy only while it holds the
 * watch, which is refused if something has been announced there since.
 *
 * A change is announced before the copies are dropped and the store is changed, and
 * over when both are done. What is said of a path concerns what lies beneath it, and
 * the inline children of the group it is in. Paths share marks by hash: a refusal too
 * many costs a copy, which the next reader makes. Marks belong to the process, so that
 * two chains with the same tier get along.
 *
 * Threads: everything here may be called from any thread; a watch belongs to one. */
#ifndef CAIRN_WATCH_H
#define CAIRN_WATCH_H

#include <stdint.h>

#include "cairn/path.h"

struct watch {
    size_t count;
    uint64_t locks; /* bits of the locks that watch_hold takes */
    uint16_t marks[CAIRN_PATH_MAX / 2 + 3];
    uint64_t seen[CAIRN_PATH_MAX / 2 + 3];
};

/* -- Readers ---------------------------------------------------------------------- */

/* Begins before `path` (normal) is read. There is nothing to end. */
void watch_begin(struct watch *watch, struct cairn_slice path);

/* True if nothing has been announced there since: then no change begins until
 * watch_release. Never waits. */
bool watch_hold(const struct watch *watch);
void watch_release(const struct watch *watch);

/* -- Changes ---------------------------------------------------------------------- */

/* Waits for copies that are just being put. */
void watch_announce(struct cairn_slice path);
void watch_over(struct cairn_slice path);

/* The same for everything there is. */
void watch_announce_all(void);
void watch_over_all(void);

#endif
