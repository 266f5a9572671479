/* policy_memory.h -- decisions given again for equal plain facts.
 *
 * A bounded table, in shards that threads are spread over, each under a lock of its
 * own: two threads seldom meet, and what is hot is kept once for each shard. Decisions
 * belong to a generation of the policies; those of another are as good as not there.
 *
 * Threads: any function but policy_memory_free may be called from any thread. */
#ifndef CAIRN_POLICY_MEMORY_H
#define CAIRN_POLICY_MEMORY_H

#include "policy_ask.h"
#include "policy_module.h"

struct policy_memory;

struct policy_memory *policy_memory_new(void); /* NULL: no memory */
void policy_memory_free(struct policy_memory *memory);

/* What is looked for: the bytes are borrowed. */
struct policy_key {
    struct cairn_slice bytes;
    uint64_t hash;
};
struct policy_key policy_memory_key(const struct policy_memory *memory,
                                    struct cairn_slice bytes);

/* Copies what was decided into the ask. CAIRN_OK, CAIRN_NOT_FOUND: it had no opinion; a
 * miss is CAIRN_UNAVAILABLE. `with_line`: without a line it is a miss. */
enum cairn_status policy_memory_find(struct policy_memory *memory, uint64_t generation,
                                     const struct policy_key *key, bool with_line,
                                     const struct policy_ask *ask);

/* `counts` (may be NULL) are those of the version that decided: each time it is given
 * again counts. `status` is CAIRN_OK or CAIRN_NOT_FOUND. Best effort. */
void policy_memory_keep(struct policy_memory *memory, uint64_t generation,
                        const struct policy_key *key, const struct policy_ask *ask,
                        enum cairn_status status, struct policy_counts *counts);

/* Brings the counts up to date. */
void policy_memory_count(struct policy_memory *memory);

#endif
