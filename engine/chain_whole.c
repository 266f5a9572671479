/* chain_whole.c -- what concerns every member: delete, reset, sync.
 *
 * Not only those that a policy would write: what is deleted in one store and not in the
 * next would be back with the next read. Members outside the call's scopes, and those
 * that may not be written, keep what they have. */
#include "chain_core.h"
#include "change.h"

struct whole {
    struct call call;
    size_t asked, accepted;
    struct reasons reasons;
};

static enum cairn_status whole_begin(struct whole *whole, struct cairn_chain *chain,
                                     const struct cairn_context *context,
                                     const char *operation, struct cairn_slice path,
                                     struct cairn_error *error) {
    whole->asked = whole->accepted = 0;
    reasons_init(&whole->reasons);
    return call_begin(&whole->call, chain, context, CAIRN_CHAIN_WRITE, operation, path,
                      0, error);
}

/* Leave to change the i-th of the chain; tiers are seen to elsewhere. */
static struct leave admit(struct whole *whole, size_t i) {
    struct member *member = chain_member(whole->call.chain, i);
    if (!(member->flags & CAIRN_MEMBER_WRITES) || member->flags & CAIRN_MEMBER_TIER ||
        !in_scope(member, whole->call.context))
        return (struct leave){0};
    whole->asked++;
    return member_admit(&whole->call, member, &whole->reasons);
}

static void note(struct whole *whole, size_t i, struct leave leave,
                 enum cairn_status status, const struct cairn_error *error) {
    struct member *member = chain_member(whole->call.chain, i);
    if (status == CAIRN_TIMEOUT && cairn_context_check(whole->call.context, NULL)) {
        member_unheard(member, leave); /* ours was over, not theirs */
        reasons_add(&whole->reasons, member, status, error->message);
        return;
    }
    member_answered(&whole->call, member, leave, status, -1);
    if (!status)
        whole->accepted++;
    else if (status != CAIRN_NOT_FOUND && status != CAIRN_NAME_TOO_LONG)
        reasons_add(&whole->reasons, member, status, error->message);
}

static enum cairn_status whole_end(const struct whole *whole, const char *what,
                                   struct cairn_error *error) {
    struct cairn_slice path = whole->call.path.text;
    if (whole->reasons.count)
        return cairn_fail(error, whole->reasons.status, "%s%s%.*s%s: %s", what,
                          path.size ? " '" : "", path.size > 60 ? 60 : (int)path.size,
                          path.data, path.size ? "'" : "", whole->reasons.text);
    if (whole->asked == 0)
        return call_nobody_writes(&whole->call, error);
    return CAIRN_OK;
}

/* -- Delete ----------------------------------------------------------------------- */

/* An entry is deleted by itself first, also where a tree may be: that tells where it
 * is. */
static enum cairn_status delete_in(const struct whole *whole, size_t i, bool recursive,
                                   struct cairn_bytes *landed,
                                   struct cairn_error *error) {
    const struct call *call = &whole->call;
    const struct member *member = chain_member(call->chain, i);
    struct cairn_store *store = member->store;
    struct cairn_context room;
    const struct cairn_context *context = in_reach(member, call->context, &room);
    struct cairn_operation operation = {.kind = CAIRN_DELETE, .path = call->path.text};
    enum cairn_status status =
        change_apply(store, context, &operation, 1, 0, NULL, landed, error);
    if (status == CAIRN_IS_GROUP && recursive)
        status = cairn_store_delete_tree(store, context, call->path.text, error);
    return status;
}

static enum cairn_status delete_all(struct whole *whole, bool recursive,
                                    struct cairn_bytes *landed,
                                    struct cairn_error *error) {
    for (size_t i = 0; i < whole->call.chain->count; i++) {
        struct cairn_error refusal;
        enum cairn_status status = cairn_context_check(whole->call.context, error);
        if (status)
            return status;
        struct leave leave = admit(whole, i);
        if (leave.granted)
            note(whole, i, leave, delete_in(whole, i, recursive, landed, &refusal),
                 &refusal);
    }
    return CAIRN_OK;
}

enum cairn_status cairn_chain_delete(struct cairn_chain *chain,
                                     const struct cairn_context *context,
                                     struct cairn_slice path, bool recursive,
                                     struct cairn_error *error) {
    struct whole whole;
    struct cairn_bytes landed = {0};
    enum cairn_status status =
        whole_begin(&whole, chain, context, "delete", path, error);
    if (status)
        return status;
    watch_announce(whole.call.path.text);
    tiers_mend(&whole.call);
    tiers_drop(&whole.call, whole.call.path.text);
    status = delete_all(&whole, recursive, &landed, error);
    tiers_drop_landed(&whole.call, &landed);
    watch_over(whole.call.path.text);
    cairn_bytes_free(&landed);
    if (!status)
        status = whole_end(&whole, "there may be something left of", error);
    if (status || whole.accepted)
        return status;
    return cairn_fail_at(error, CAIRN_NOT_FOUND,
                         "no store of the chain has anything at", whole.call.path.text);
}

/* -- Reset and sync --------------------------------------------------------------- */

static enum cairn_status reset_in(const struct whole *whole, size_t i,
                                  struct cairn_error *error) {
    struct cairn_context room;
    const struct member *member = chain_member(whole->call.chain, i);
    return cairn_store_reset(member->store,
                             in_reach(member, whole->call.context, &room), error);
}

static enum cairn_status sync_in(const struct whole *whole, size_t i,
                                 struct cairn_error *error) {
    struct cairn_context room;
    const struct member *member = chain_member(whole->call.chain, i);
    return cairn_store_sync(member->store, in_reach(member, whole->call.context, &room),
                            error);
}

enum cairn_status cairn_chain_reset(struct cairn_chain *chain,
                                    const struct cairn_context *context,
                                    struct cairn_error *error) {
    struct whole whole;
    struct cairn_slice root = {"", 0};
    enum cairn_status status =
        whole_begin(&whole, chain, context, "reset", root, error);
    if (status)
        return status;
    watch_announce_all();
    tiers_empty_all(&whole.call, &whole.reasons);
    for (size_t i = 0; i < chain->count; i++) {
        struct cairn_error refusal;
        struct leave leave = admit(&whole, i);
        if (leave.granted)
            note(&whole, i, leave, reset_in(&whole, i, &refusal), &refusal);
    }
    watch_over_all();
    return whole_end(&whole, "not all stores are empty now", error);
}

enum cairn_status cairn_chain_sync(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_error *error) {
    struct whole whole;
    struct cairn_slice root = {"", 0};
    enum cairn_status status = whole_begin(&whole, chain, context, "sync", root, error);
    if (status)
        return status;
    for (size_t i = 0; i < chain->count; i++) {
        struct cairn_error refusal;
        struct leave leave = admit(&whole, i);
        if (leave.granted)
            note(&whole, i, leave, sync_in(&whole, i, &refusal), &refusal);
    }
    return whole_end(&whole, "not all stores are on stable storage", error);
}
