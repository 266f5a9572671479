/* chain_write.c -- changes: to the first member that accepts, or to several.
 *
 * A member does not accept when it is unwell, or cannot keep such a thing at all; then
 * the next is tried. A condition that does not hold, a group where a value should go, a
 * path that cannot be, are answers, and go on to nobody. Before, what is to be changed
 * is dropped from the tiers; and once more where a link led elsewhere, which is known
 * only when it is done.
 *
 * A change is never left behind like a slow reader: nobody could say whether it was
 * made. A member's deadline is handed down to it instead. */
#include <stdio.h>
#include <stdlib.h>

#include "chain_core.h"
#include "change.h"

/* The operations of a call, on their way. */
struct writing {
    struct call *call;
    struct cairn_operation *operations;
    size_t count;
    unsigned flags;
    bool announces; /* somebody may have copies of what is changed */
    struct cairn_bytes landed;

    size_t accepted, culprit;
    char accepted_by[160];
    bool *changed; /* by the first that accepted */
    struct reasons reasons;
};

static const char *name_of(const struct cairn_operation *operations, size_t count) {
    if (count != 1)
        return "batch";
    switch (operations->kind) {
    case CAIRN_WRITE:
        return "write";
    case CAIRN_MAKE_GROUP:
        return "group";
    case CAIRN_MAKE_LINK:
        return "link";
    case CAIRN_MAKE_PACK:
        return "pack";
    case CAIRN_DELETE:
        return "delete";
    case CAIRN_EXPECT:
        break;
    }
    return "expect";
}

static uint64_t size_of(const struct cairn_operation *operations, size_t count) {
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += operations[i].value.size;
        for (size_t child = 0; child < operations[i].child_count; child++)
            size += operations[i].children[child].entry.payload.size;
    }
    return size;
}

/* -- Copies ----------------------------------------------------------------------- */

/* What only looks, or makes a group where none was, makes no copy stale. */
static bool makes_stale(const struct cairn_operation *operation) {
    return operation->kind != CAIRN_EXPECT && operation->kind != CAIRN_MAKE_GROUP;
}

/* Leaves alone what is there already, as most content-addressed writes do: whether
 * there was anything to drop is known when it is done. */
static bool keeps(const struct cairn_operation *operation) {
    return operation->keep || operation->kind == CAIRN_MAKE_LINK;
}

static void on_each(const struct writing *writing,
                    void (*step)(struct cairn_slice path)) {
    for (size_t i = 0; i < writing->count; i++) {
        struct cairn_path path;
        if (makes_stale(&writing->operations[i]) &&
            !cairn_path_normalize(writing->operations[i].path, &path, NULL))
            step(path.text);
    }
}

static void drop_one(const struct writing *writing,
                     const struct cairn_operation *operation) {
    struct cairn_path path;
    if (makes_stale(operation) && !cairn_path_normalize(operation->path, &path, NULL))
        tiers_drop(writing->call, path.text);
}

static void before(const struct writing *writing) {
    if (!writing->announces)
        return;
    on_each(writing, watch_announce);
    if (!writing->call->chain->state->has_tiers)
        return;
    tiers_mend(writing->call);
    for (size_t i = 0; i < writing->count; i++)
        if (!keeps(&writing->operations[i]))
            drop_one(writing, &writing->operations[i]);
}

/* Where links led elsewhere, a copy that was made in between goes, too. After a failure
 * nobody knows what was changed. */
static void after(struct writing *writing, enum cairn_status status) {
    if (!writing->announces)
        return;
    tiers_drop_landed(writing->call, &writing->landed);
    for (size_t i = 0; i < writing->count; i++)
        if (keeps(&writing->operations[i]) &&
            (status || writing->operations[i].changed))
            drop_one(writing, &writing->operations[i]);
    on_each(writing, watch_over);
}

/* -- One member ------------------------------------------------------------------- */

/* This store cannot take such a thing, or not now; another may. */
static bool goes_on(enum cairn_status status) {
    return status == CAIRN_UNAVAILABLE || status == CAIRN_IO ||
           status == CAIRN_UNSUPPORTED || status == CAIRN_UNAUTHORIZED ||
           status == CAIRN_LIMIT || status == CAIRN_TIMEOUT ||
           status == CAIRN_NO_MEMORY || status == CAIRN_NAME_TOO_LONG;
}

/* The call's context as the i-th is to see it, or `room` with the member's deadline in
 * it if that is earlier. */
static const struct cairn_context *hurried(const struct call *call, size_t i,
                                           struct cairn_context *room) {
    int64_t ms = call->decision.deadline_ms[i];
    if (ms == 0)
        return in_reach(call_member(call, i), call->context, room);
    int64_t now = cairn_context_now(call->context);
    *room = call->context ? *call->context : (struct cairn_context){0};
    room->scopes = 0; /* may_write has looked */
    if (ms < INT64_MAX - now && (!room->deadline_ms || now + ms < room->deadline_ms))
        room->deadline_ms = now + ms;
    return room;
}

/* Operations say what they changed of the first that accepts them. */
static void note_accepted(struct writing *writing, const struct member *member) {
    size_t size = strlen(writing->accepted_by);
    snprintf(writing->accepted_by + size, sizeof writing->accepted_by - size, "%s%s",
             size ? ", " : "", member->name);
    for (size_t i = 0; i < writing->count && writing->changed; i++) {
        if (writing->accepted == 0)
            writing->changed[i] = writing->operations[i].changed;
        else
            writing->operations[i].changed = writing->changed[i];
    }
    writing->accepted++;
}

/* `*final`: the status is the answer, whatever others may say. */
static enum cairn_status write_to(struct writing *writing, size_t i, bool *final,
                                  struct cairn_error *error) {
    struct call *call = writing->call;
    struct member *member = call_member(call, i);
    struct cairn_context room;
    struct cairn_error refusal;
    enum cairn_status ours;
    *final = false;
    struct leave leave = member_admit(call, member, &writing->reasons);
    if (!leave.granted)
        return CAIRN_UNAVAILABLE;
    enum cairn_status status =
        change_apply(member->store, hurried(call, i, &room), writing->operations,
                     writing->count, writing->flags, &writing->culprit,
                     writing->announces ? &writing->landed : NULL, &refusal);
    if (status == CAIRN_TIMEOUT && (ours = cairn_context_check(call->context, error))) {
        member_unheard(member, leave);
        *final = true;
        return ours;
    }
    member_answered(call, member, leave, status, -1);
    if (!status) {
        note_accepted(writing, member);
        return CAIRN_OK;
    }
    reasons_add(&writing->reasons, member, status, refusal.message);
    *final = !goes_on(status);
    if (error)
        *error = refusal;
    return status;
}

static bool may_write(const struct call *call, size_t i) {
    const struct member *member = call_member(call, i);
    return member->flags & CAIRN_MEMBER_WRITES &&
           !(member->flags & CAIRN_MEMBER_TIER) && in_scope(member, call->context);
}

/* -- All of them ------------------------------------------------------------------ */

enum cairn_status call_nobody_writes(const struct call *call,
                                     struct cairn_error *error) {
    const struct cairn_chain *chain = call->chain;
    for (size_t i = 0; i < chain->count; i++) {
        unsigned flags = chain->facts[i].flags;
        if (flags & CAIRN_MEMBER_WRITES && !(flags & CAIRN_MEMBER_TIER))
            return cairn_fail_at(error, CAIRN_UNAVAILABLE,
                                 "of the stores that may be written none is in the "
                                 "call's scopes and the policy's order, for",
                                 call->path.text);
    }
    return cairn_fail_at(error, CAIRN_UNAUTHORIZED,
                         "none of the chain's stores may be written for",
                         call->path.text);
}

static enum cairn_status too_few(const struct writing *writing, unsigned need,
                                 struct cairn_error *error) {
    const struct reasons *reasons = &writing->reasons;
    enum cairn_status status = reasons->count ? reasons->status : CAIRN_UNAVAILABLE;
    if (need == 0 && reasons->count == 1)
        return cairn_fail(error, status, "%s", reasons->text);
    if (need == 0)
        return cairn_fail(error, status, "no store accepted: %s", reasons->text);
    return cairn_fail(error, status, "%zu of %u stores accepted (%s): %s",
                      writing->accepted, need,
                      writing->accepted ? writing->accepted_by : "none", reasons->text);
}

/* In order, until one accepts or has an answer; or with `need`, all. */
static enum cairn_status write_all(struct writing *writing, struct cairn_error *error) {
    struct call *call = writing->call;
    unsigned need = call->decision.need;
    size_t eligible = 0;
    for (size_t i = 0; i < call->decision.count; i++)
        eligible += may_write(call, i);
    if (eligible == 0)
        return call_nobody_writes(call, error);
    if (eligible < need)
        return cairn_fail(error, CAIRN_UNAVAILABLE,
                          "the policy wants %u stores to accept, but only %zu may be "
                          "written",
                          need, eligible);
    for (size_t i = 0; i < call->decision.count; i++) {
        bool final;
        if (!may_write(call, i))
            continue;
        enum cairn_status status = cairn_context_check(call->context, error);
        if (status)
            return status;
        status = write_to(writing, i, &final, error);
        if (need == 0 && (final || !status))
            return status;
    }
    return writing->accepted >= need && writing->accepted
               ? CAIRN_OK
               : too_few(writing, need, error);
}

enum cairn_status cairn_chain_apply(struct cairn_chain *chain,
                                    const struct cairn_context *context,
                                    struct cairn_operation *operations, size_t count,
                                    unsigned flags, size_t *failed,
                                    struct cairn_error *error) {
    struct call call;
    if (count == 0)
        return cairn_context_check(context, error);
    enum cairn_status status =
        call_begin(&call, chain, context, CAIRN_CHAIN_WRITE, name_of(operations, count),
                   operations->path, size_of(operations, count), error);
    if (status) {
        if (failed)
            *failed = 0;
        return status;
    }
    struct writing writing = {.call = &call,
                              .operations = operations,
                              .count = count,
                              .flags = flags,
                              .announces = chain->state->count > 1};
    if (call.decision.need && !(writing.changed = calloc(count, 1)))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for %zu operations",
                          count);
    before(&writing);
    status = write_all(&writing, error);
    after(&writing, status);
    if (status && failed)
        *failed = writing.culprit;
    cairn_bytes_free(&writing.landed);
    free(writing.changed);
    return status;
}
