/* chain_tiers.c -- dropping from the tiers what is changed behind them.
 *
 * Copies are dropped before the store is changed: nobody can be answered with the old
 * value once somebody was with the new, and a process that dies in between leaves
 * nothing stale (a tier may outlive it). All tiers of the chain are told, also by a
 * chain that was narrowed from it, and whatever scopes and time the call has.
 *
 * A tier that cannot drop what it has would answer with it for ever. It is emptied, and
 * if that fails too it is not read until it could be: losing copies costs a little
 * time, a stale one costs the truth. Only if the process ends before that, and the tier
 * outlives it, whoever opens it again has to empty it. */
#include "chain_core.h"

/* How long after a failure emptying is tried again. */
enum { MEND_MS = 1000 };

static struct cairn_context unbounded(const struct cairn_context *context) {
    struct cairn_context copy = context ? *context : (struct cairn_context){0};
    copy.deadline_ms = 0;
    copy.cancelled = NULL;
    copy.scopes = 0;
    return copy;
}

static bool is_tier(const struct member *member) {
    const unsigned both = CAIRN_MEMBER_TIER | CAIRN_MEMBER_WRITES;
    return (member->flags & both) == both;
}

/* Distrust is taken back while no copy can be on its way: those that were put before
 * are gone with the others. */
void tiers_empty(const struct call *call, struct member *tier, const char *why) {
    struct cairn_context context = unbounded(call->context);
    struct cairn_error error;
    pthread_mutex_lock(&call->chain->state->emptying);
    atomic_store(&tier->distrusted, true);
    watch_announce_all();
    enum cairn_status status = cairn_store_reset(tier->store, &context, &error);
    if (status)
        atomic_store(&tier->mend_at, call->now_ms + MEND_MS);
    else
        atomic_store(&tier->distrusted, false);
    watch_over_all();
    pthread_mutex_unlock(&call->chain->state->emptying);
    chain_tell(call->context, status ? "distrust" : "empty", tier,
               (struct cairn_slice){"", 0}, status, status ? error.message : why);
}

/* Those that cannot be emptied say why. */
void tiers_empty_all(const struct call *call, struct reasons *reasons) {
    struct state *state = call->chain->state;
    for (size_t i = 0; i < state->count; i++) {
        struct member *tier = &state->members[i];
        if (!is_tier(tier))
            continue;
        tiers_empty(call, tier, "with all others");
        if (atomic_load(&tier->distrusted))
            reasons_add(reasons, tier, CAIRN_UNAVAILABLE, "the tier is not empty");
    }
}

void tiers_mend(const struct call *call) {
    struct state *state = call->chain->state;
    for (size_t i = 0; i < state->count; i++) {
        struct member *tier = &state->members[i];
        int64_t at = atomic_load(&tier->mend_at);
        if (atomic_load(&tier->distrusted) && call->now_ms >= at &&
            atomic_compare_exchange_strong(&tier->mend_at, &at, call->now_ms + MEND_MS))
            tiers_empty(call, tier, "can be trusted again");
    }
}

/* What is not there is dropped: also where the tier's own links lead in a circle, or
 * its names are shorter. */
static bool is_gone(enum cairn_status status) {
    return status == CAIRN_OK || status == CAIRN_NOT_FOUND ||
           status == CAIRN_LINK_LOOP || status == CAIRN_NAME_TOO_LONG;
}

static void drop(const struct call *call, struct member *tier,
                 struct cairn_slice path) {
    struct cairn_context context = unbounded(call->context);
    struct cairn_operation operation = {.kind = CAIRN_DELETE, .path = path};
    struct cairn_error error;
    enum cairn_status status =
        cairn_store_apply(tier->store, &context, &operation, 1, 0, NULL, &error);
    if (status == CAIRN_IS_GROUP)
        status = cairn_store_delete_tree(tier->store, &context, path, &error);
    if (!is_gone(status))
        tiers_empty(call, tier, error.message);
}

void tiers_drop(const struct call *call, struct cairn_slice path) {
    struct state *state = call->chain->state;
    for (size_t i = 0; i < state->count; i++) {
        struct member *tier = &state->members[i];
        if (is_tier(tier) && !atomic_load(&tier->distrusted))
            drop(call, tier, path);
    }
}

/* A copy that was made since the change was known to land there goes, and one that is
 * on its way finds the mark. */
void tiers_drop_landed(const struct call *call, const struct cairn_bytes *landed) {
    for (size_t at = 0; at < landed->size;) {
        struct cairn_slice path = cairn_slice_of(landed->data + at);
        watch_announce(path);
        tiers_drop(call, path);
        watch_over(path);
        at += path.size + 1;
    }
}
