/* etf.h -- the names in a HyperBEAM group: an Erlang set in the external term format.
 *
 * Only what such a set is made of is understood; other terms among its members are
 * stepped over. Nothing read is believed: every length is checked against what is
 * left, no nesting is followed by recursion, expanding is bounded, and the set's own
 * count must be the number of members found.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_ETF_H
#define CAIRN_ETF_H

#include <stdint.h>

#include "cairn/status.h"

/* A term that says it expands to more than this is refused, before memory for it is
 * asked for. In bytes. */
#define ETF_EXPANDED_MAX (256u << 20)

struct etf_set {
    uint64_t names;   /* members that are, or can be told as, bytes: binaries, atoms
                         (their text), lists of small integers (their bytes) */
    uint64_t skipped; /* members that are none of these */
};

/* Is told each name, in the term's order; it is borrowed during the call. What it
 * returns, if not CAIRN_OK, ends the reading. */
typedef enum cairn_status etf_visit(void *arg, struct cairn_slice name,
                                    struct cairn_error *error);

/* Reads a whole term: a version byte, then a set of either format, compressed or not,
 * and nothing behind it. `visit` may be NULL. CAIRN_CORRUPT says what is wrong and at
 * which byte of the (expanded) term; names told before are then not to be believed. */
enum cairn_status etf_read_set(struct cairn_slice term, etf_visit *visit, void *arg,
                               struct etf_set *out, struct cairn_error *error);

#endif
