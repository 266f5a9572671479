/* chain.h -- an ordered set of stores that answers as one.
 *
 * Who is asked, in what order, is decided by a policy for each call (policy.h) and done
 * here.
 *
 * Reads. Members are asked in the decided order; one that has not got it, or fails, is
 * passed over. When nobody has it the answer is CAIRN_NOT_FOUND only if every member
 * that was to be asked said so. Who failed, had no answer by its deadline or is kept
 * out was to be asked: then it is CAIRN_UNAVAILABLE, naming each and why, so that an
 * outage is never mistaken for an absence. Who is outside the context's scopes, may not
 * be read or is not in the decided order was not to be asked. A link that leads to
 * nothing in the member that has it is followed on in all the others, in their order:
 * together they are one tree. Failures that say what is there (a group where a value
 * should be, a cycle of links) are answers.
 *
 * A tier (CAIRN_MEMBER_TIER) is a cache in front of the others. It answers with values,
 * and with groups by their packs, and never has the last word: its miss, its failure
 * and its absence are neither an answer nor a doubt. Lists, stat and resolve are not
 * asked of it. What a later member answered is copied into it (or into any member that
 * the decision names) unless something was changed there meanwhile, or a member could
 * not tell. Every change through the chain, or through one narrowed from it, drops what
 * it changes from all tiers that may be written; a tier that cannot is emptied, and not
 * read until it is. Changes past the chain are not seen by its tiers.
 *
 * Changes. A member accepts, or it does not (unavailable, io, timeout, limit,
 * no_memory, unsupported, unauthorized, name_too_long) and the next is tried; other
 * failures are the answer. Tiers are never written but by promotion. Conditions
 * (if_absent, if_equal, CAIRN_EXPECT) are those of the member that accepts. When nobody
 * does, the failure has the status of all who refused, or CAIRN_UNAVAILABLE where they
 * differ.
 *
 * Deadlines of members are of real time and begin when the member is asked. A reader
 * leaves behind who is late; a late answer is released. A change is never left behind:
 * its deadline is handed down to the store.
 *
 * Threads: any function but cairn_chain_close may be called on one chain from any
 * thread at any time. Members that a decision gives a deadline, or that race, are asked
 * on threads of the chain, up to 8 for each member. */
#ifndef CAIRN_CHAIN_H
#define CAIRN_CHAIN_H

#include <stdint.h>

#include "cairn/policy.h"
#include "cairn/store.h"

struct cairn_chain;

/* The member of an answer that none gave: cairn_chain_resolve of what is nowhere. */
#define CAIRN_NOBODY SIZE_MAX

struct cairn_chain_member {
    const char *name; /* NULL: the backend's, with a number behind it if need be */
    struct cairn_store *store; /* borrowed: must outlive the chain, and every chain
                                  narrowed from it */
    unsigned flags;            /* READS, WRITES, TIER; neither of the first two: both */
    enum cairn_scope scope;    /* how far away it is in this chain, whatever its backend
                                  says: a directory may be on another machine. 0: the
                                  backend's */
};

/* `policy` may be NULL; it is borrowed for the life of the chain.
 * CAIRN_INVALID_ARGUMENT: no member, over CAIRN_CHAIN_MAX, two of one name, a scope
 * that is none, a tier that is the same store as another member. */
enum cairn_status cairn_chain_open(const struct cairn_chain_member *members,
                                   size_t count, const struct cairn_policy *policy,
                                   struct cairn_chain **out, struct cairn_error *error);
/* Waits for calls that were left behind after their deadline. NULL is fine. */
void cairn_chain_close(struct cairn_chain *chain);

/* Some of the members (or none) in another order, as a chain of its own that shares
 * their health with the first. Close it before the first. */
enum cairn_status cairn_chain_narrow(struct cairn_chain *chain, const size_t *members,
                                     size_t count, struct cairn_chain **out,
                                     struct cairn_error *error);

/* The members with their facts as they are now; at most `room` are written, how many
 * there are returned. Names live as long as the chain. */
size_t cairn_chain_members(struct cairn_chain *chain,
                           const struct cairn_context *context,
                           struct cairn_member_facts *out, size_t room);
struct cairn_store *cairn_chain_store(struct cairn_chain *chain, size_t member);

/* What a member did, counted since the chain was opened. `asked` is the sum of found
 * (any answer), missed, failed, timed_out and written. */
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
/* What nobody has resolves to where it would be; `*member` is CAIRN_NOBODY then. */
enum cairn_status cairn_chain_resolve(struct cairn_chain *chain,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, struct cairn_path *out,
                                      size_t *member, struct cairn_error *error);
enum cairn_status cairn_chain_stat(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   size_t *member, struct cairn_error *error);
/* The list of the first store, in order, that has the group: what others have in theirs
 * is not in it. The context must outlive it. */
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
/* On every member that may be written, tiers included, whatever the decided order;
 * CAIRN_NOT_FOUND if nobody had it. */
enum cairn_status cairn_chain_delete(struct cairn_chain *chain,
                                     const struct cairn_context *context,
                                     struct cairn_slice path, bool recursive,
                                     struct cairn_error *error);
/* All that may be written; failures are told after all were asked. */
enum cairn_status cairn_chain_reset(struct cairn_chain *chain,
                                    const struct cairn_context *context,
                                    struct cairn_error *error);
enum cairn_status cairn_chain_sync(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_error *error);

#endif
