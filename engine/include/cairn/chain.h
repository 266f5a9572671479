/* chain.h -- an ordered set of stores that answers as one.
 *
 * Who is asked, in what order, is decided by a policy for each call (policy.h) and done
 * here. For reads `not_found` and failures go on to the next; when nobody has it the
 * answer is CAIRN_NOT_FOUND only if every store that was to be asked said so, otherwise
 * CAIRN_UNAVAILABLE, naming each that failed and why: an outage is never mistaken for
 * an absence. A tier (CAIRN_MEMBER_TIER) is a cache in front of the others: its miss
 * and its list are never the answer; a write goes to the others and removes what it
 * changes from the tiers. A link that dangles in one store is followed on in the next.
 *
 * Threads: any function but cairn_chain_close may be called on one chain from any
 * thread at any time. Members that a decision gives a deadline, or that race, are asked
 * on threads of the chain. */
#ifndef CAIRN_CHAIN_H
#define CAIRN_CHAIN_H

#include "cairn/policy.h"
#include "cairn/store.h"

struct cairn_chain;

struct cairn_chain_member {
    const char *name; /* NULL: the backend's, with a number behind it if need be */
    struct cairn_store *store; /* borrowed: must outlive the chain, and every chain
                                  narrowed from it */
    unsigned flags;            /* READS, WRITES, TIER; 0: reads and writes */
};

/* `policy` may be NULL; it is borrowed for the life of the chain.
 * CAIRN_INVALID_ARGUMENT: no member, over CAIRN_CHAIN_MAX, two of one name. */
enum cairn_status cairn_chain_open(const struct cairn_chain_member *members,
                                   size_t count, const struct cairn_policy *policy,
                                   struct cairn_chain **out, struct cairn_error *error);
/* Waits for calls that were left behind after their deadline. NULL is fine. */
void cairn_chain_close(struct cairn_chain *chain);

/* Some of the members in another order, as a chain of its own that shares the others'
 * health with the first. Close it before the first. */
enum cairn_status cairn_chain_narrow(struct cairn_chain *chain, const size_t *members,
                                     size_t count, struct cairn_chain **out,
                                     struct cairn_error *error);

/* The members with their facts as they are now; at most `room` are written, how many
 * there are returned. Names live as long as the chain. */
size_t cairn_chain_members(struct cairn_chain *chain, struct cairn_member_facts *out,
                           size_t room);
struct cairn_store *cairn_chain_store(struct cairn_chain *chain, size_t member);

/* What a member did, counted since the chain was opened. */
struct cairn_member_counts {
    uint64_t asked, found, missed, failed, timed_out, kept_out, promoted, written;
};
void cairn_chain_counts(struct cairn_chain *chain, size_t member,
                        struct cairn_member_counts *out);

/* -- As on a store (store.h) ------------------------------------------------------- */

/* What is at `path`, links followed: a raw value whole, or a group with its pack as
 * payload. `*member` (may be NULL): who answered. */
enum cairn_status cairn_chain_get(struct cairn_chain *chain,
                                  const struct cairn_context *context,
                                  struct cairn_slice path, struct cairn_view *out,
                                  size_t *member, struct cairn_error *error);

enum cairn_status cairn_chain_read(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   size_t *member, struct cairn_error *error);
enum cairn_status cairn_chain_type(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, enum cairn_kind *out,
                                   size_t *member, struct cairn_error *error);
enum cairn_status cairn_chain_resolve(struct cairn_chain *chain,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, struct cairn_path *out,
                                      size_t *member, struct cairn_error *error);
enum cairn_status cairn_chain_stat(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   size_t *member, struct cairn_error *error);
/* The list of the first store, in order, that has the group. */
enum cairn_status
cairn_chain_list(struct cairn_chain *chain, const struct cairn_context *context,
                 struct cairn_slice path, const struct cairn_list_options *options,
                 struct cairn_list **out, size_t *member, struct cairn_error *error);

/* Where the decision names several and one of them refuses after another accepted, the
 * change stays where it was made; the failure says who has it. A store that cannot take
 * several changes at once (fs) gets them in steps, if `flags` say CAIRN_STORE_IN_STEPS.
 */
enum cairn_status cairn_chain_apply(struct cairn_chain *chain,
                                    const struct cairn_context *context,
                                    struct cairn_operation *operations, size_t count,
                                    unsigned flags, size_t *failed,
                                    struct cairn_error *error);
/* On every member that may be written, tiers included; CAIRN_NOT_FOUND if nobody had
 * it. */
enum cairn_status cairn_chain_delete(struct cairn_chain *chain,
                                     const struct cairn_context *context,
                                     struct cairn_slice path, bool recursive,
                                     struct cairn_error *error);
/* All of them; the first failure is told after all were asked. */
enum cairn_status cairn_chain_reset(struct cairn_chain *chain,
                                    const struct cairn_context *context,
                                    struct cairn_error *error);
enum cairn_status cairn_chain_sync(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_error *error);

#endif
