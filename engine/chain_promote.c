/* chain_promote.c -- what a later member answered is put into earlier ones.
 *
 * A copy stands at the very path at which the source keeps it, so that whoever changes
 * that path knows what to drop: where links were crossed, they are copied one by one,
 * and the value at the end of them. Copies carry the source's metadata and expiry.
 *
 * A change that comes between the reading and the copy must not be undone by it: see
 * watch.h. Nothing is copied either while there is a doubt: a store that cannot answer
 * at the moment may have something newer than the source.
 *
 * None of this can fail the reading; what was not copied is so the next time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "chain_core.h"

/* A copy on its way. */
struct promotion {
    const struct call *call;
    struct member *source;
    uint32_t targets; /* bits of members, by their index in the chain */
    struct watch *watch;
};

/* What is smaller than this has room in any store that is not full of what it cannot
 * forget. */
enum { SMALL = 1024 };

static void tell(const struct promotion *promotion, const struct member *target,
                 struct cairn_slice path, enum cairn_status status,
                 const char *detail) {
    chain_tell(promotion->call->context, "promote", target, path, status, detail);
}

/* Events of the store's own would tell the same twice. Who is copied from or to has
 * been asked, so it is in scope. */
static struct cairn_context silent(const struct cairn_context *context) {
    struct cairn_context copy = context ? *context : (struct cairn_context){0};
    copy.trace = NULL;
    copy.scopes = 0;
    return copy;
}

/* A tier that forgets links and tombstones last is full of them in the end, and then of
 * no use. What it has can be had again. */
static bool is_clogged(const struct member *target, enum cairn_status status,
                       uint64_t size) {
    return status == CAIRN_LIMIT && size < SMALL && target->flags & CAIRN_MEMBER_TIER &&
           target->store->core->capabilities & CAIRN_IS_LOSSY;
}

static void put(const struct promotion *promotion, struct member *target,
                struct cairn_operation *operation, uint64_t size) {
    struct cairn_context context = silent(promotion->call->context);
    struct cairn_error error;
    char detail[128];
    if (!watch_hold(promotion->watch)) {
        tell(promotion, target, operation->path, CAIRN_CONFLICT,
             "something was changed there meanwhile");
        return;
    }
    enum cairn_status status = CAIRN_UNAVAILABLE;
    bool trusted = !atomic_load(&target->distrusted);
    if (trusted)
        status =
            cairn_store_apply(target->store, &context, operation, 1, 0, NULL, &error);
    watch_release(promotion->watch);
    if (!status && operation->changed)
        count_one(&target->counters.promoted);
    if (is_clogged(target, status, size))
        tiers_empty(promotion->call, target, "full of what it cannot forget");
    if (!promotion->call->context || !promotion->call->context->trace)
        return;
    snprintf(detail, sizeof detail, "%" PRIu64 " bytes from %.60s", size,
             promotion->source->name);
    tell(promotion, target, operation->path, status,
         !trusted ? "not to be trusted at the moment"
         : status ? error.message
                  : detail);
}

static bool takes(const struct member *target,
                  const struct cairn_operation *operation) {
    if (!(target->flags & CAIRN_MEMBER_WRITES))
        return false;
    /* Of a group, a tier answers with its pack only. */
    return operation->kind != CAIRN_MAKE_PACK || !(target->flags & CAIRN_MEMBER_TIER) ||
           target->store->core->capabilities & CAIRN_CAN_PACK;
}

static void put_everywhere(const struct promotion *promotion,
                           struct cairn_operation *operation, uint64_t size) {
    const struct cairn_chain *chain = promotion->call->chain;
    for (uint32_t left = promotion->targets; left; left &= left - 1) {
        struct member *target = chain_member(chain, (size_t)__builtin_ctz(left));
        if (takes(target, operation))
            put(promotion, target, operation, size);
    }
}

static int64_t expiry(const struct call *call, int64_t source_ms) {
    int64_t ms = call->decision.promote_ms;
    if (ms == 0)
        return source_ms;
    int64_t own = ms > INT64_MAX - call->now_ms ? INT64_MAX : call->now_ms + ms;
    return source_ms && source_ms < own ? source_ms : own;
}

/* -- Values ----------------------------------------------------------------------- */

static bool is_local(const struct member *member) {
    return member->scope == CAIRN_SCOPE_LOCAL;
}

/* A read need not give metadata (backend.h). Of a store far away what came is taken as
 * it is, rather than asked for again. */
static void copy_value(const struct promotion *promotion, struct cairn_slice path,
                       const struct cairn_entry *value) {
    struct cairn_context context = silent(promotion->call->context);
    struct cairn_view details = {.entry = *value};
    struct cairn_error error;
    if (is_local(promotion->source) &&
        (cairn_store_stat(promotion->source->store, &context, path, &details, &error) ||
         details.entry.kind != CAIRN_RAW)) {
        cairn_view_release(&details);
        return;
    }
    struct cairn_operation write = {
        .kind = CAIRN_WRITE,
        .path = path,
        .value = value->payload,
        .metadata = details.entry.metadata,
        .expires_ms = expiry(promotion->call, details.entry.expires_ms),
        .if_absent = true};
    put_everywhere(promotion, &write, value->payload.size);
    cairn_view_release(&details);
}

/* -- Packed groups ---------------------------------------------------------------- */

/* Whether a child of the pack has a key of its own, which goes before what is inline:
 * then the pack alone would say something else than its group. */
static bool is_overlaid(const struct promotion *promotion, struct cairn_slice group,
                        const struct cairn_pack_child *children, size_t count) {
    struct core *core = promotion->source->store->core;
    struct cairn_context context = silent(promotion->call->context);
    for (size_t i = 0; i < count; i++) {
        struct cairn_path path;
        struct cairn_view view = {.release = NULL};
        struct cairn_error error;
        if (cairn_path_join(group, children[i].name, &path, &error))
            return true;
        enum cairn_status status =
            core->backend->get(core->self, &context, promotion->source->store->snapshot,
                               path.text, 0, &view, &error);
        cairn_view_release(&view);
        if (status != CAIRN_NOT_FOUND)
            return true;
    }
    return false;
}

/* The children of a pack; NULL if it makes no sense, or without memory. */
static struct cairn_pack_child *open_pack(struct cairn_slice pack, size_t *count) {
    struct cairn_pack_walk walk;
    struct cairn_error error;
    *count = 0;
    if (cairn_pack_open(pack, &walk, &error) || walk.left > pack.size)
        return NULL;
    struct cairn_pack_child *children = malloc(walk.left * sizeof *children + 1);
    enum cairn_status status = children ? CAIRN_OK : CAIRN_NO_MEMORY;
    while (!status && walk.left)
        if (!(status = cairn_pack_next(&walk, &children[*count], &error)))
            ++*count;
    if (!status)
        return children;
    free(children);
    return NULL;
}

static void copy_pack(const struct promotion *promotion, struct cairn_slice path,
                      struct cairn_slice pack) {
    size_t count;
    if (promotion->call->decision.promote_ms) {
        tell(promotion, promotion->source, path, CAIRN_UNSUPPORTED,
             "a group cannot expire, so it is not copied for a while");
        return;
    }
    struct cairn_pack_child *children = open_pack(pack, &count);
    if (!children)
        return;
    struct cairn_operation operation = {.kind = CAIRN_MAKE_PACK,
                                        .path = path,
                                        .children = children,
                                        .child_count = count,
                                        .keep = true};
    if (!is_local(promotion->source) || !is_overlaid(promotion, path, children, count))
        put_everywhere(promotion, &operation, pack.size);
    free(children);
}

/* Whoever checks what comes from outside does not want it copied before. */
static bool is_checked(const struct promotion *promotion) {
    const struct cairn_context *context = promotion->call->context;
    return context && context->admit && !is_local(promotion->source);
}

static void copy_entry(const struct promotion *promotion, struct cairn_slice path,
                       const struct cairn_entry *entry) {
    const struct cairn_context *context = promotion->call->context;
    uint64_t most = promotion->call->decision.promote_max_bytes;
    if (most && entry->payload.size > most)
        return;
    if (is_checked(promotion) && !context->admit(context->admit_arg, path, entry)) {
        tell(promotion, promotion->source, path, CAIRN_UNVERIFIED,
             "comes from outside and does not show by itself that it is right");
        return;
    }
    if (entry->kind == CAIRN_RAW)
        copy_value(promotion, path, entry);
    else if (entry->payload.size)
        copy_pack(promotion, path, entry->payload);
}

/* -- Through links ---------------------------------------------------------------- */

static void put_link(const struct promotion *promotion, struct cairn_slice path,
                     const struct cairn_entry *link) {
    struct cairn_operation operation = {.kind = CAIRN_MAKE_LINK,
                                        .path = path,
                                        .value = link->payload,
                                        .expires_ms =
                                            expiry(promotion->call, link->expires_ms)};
    put_everywhere(promotion, &operation, link->payload.size);
}

/* path->text with its first `at` bytes, a link, replaced by the target. */
static enum cairn_status hop(struct cairn_path *path, size_t at,
                             struct cairn_slice target) {
    struct cairn_path joined;
    size_t behind = at < path->text.size ? at + 1 : at;
    enum cairn_status status = cairn_path_join(
        target, cairn_slice_sub(path->text, behind, path->text.size - behind), &joined,
        NULL);
    return status
               ? status
               : cairn_path_join(joined.text, (struct cairn_slice){"", 0}, path, NULL);
}

/* The first link on the way to path->text: copied, and path->text goes on from its
 * target. CAIRN_NOT_FOUND: no link is left. */
static enum cairn_status copy_link(const struct promotion *promotion,
                                   struct cairn_path *path) {
    struct cairn_context context = silent(promotion->call->context);
    struct cairn_slice segment;
    for (size_t at = 0; cairn_path_next(path->text, &at, &segment);) {
        struct cairn_slice here = cairn_slice_sub(path->text, 0, at);
        struct cairn_view view;
        enum cairn_status status;
        watch_begin(promotion->watch, here);
        if (cairn_store_stat(promotion->source->store, &context, here, &view, NULL))
            return CAIRN_UNAVAILABLE;
        bool is_link = view.entry.kind == CAIRN_LINK;
        if (is_link) {
            put_link(promotion, here, &view.entry);
            status = hop(path, at, view.entry.payload);
        }
        cairn_view_release(&view);
        if (is_link)
            return status;
    }
    return CAIRN_NOT_FOUND;
}

/* Each link, then what is at the end of them, which is read once more: the watch was
 * of another path. */
static void copy_through(const struct promotion *promotion, struct cairn_slice from) {
    struct cairn_context context = silent(promotion->call->context);
    struct cairn_path path, led;
    struct cairn_view view;
    struct cairn_error error;
    enum cairn_status status =
        cairn_path_join(from, (struct cairn_slice){"", 0}, &path, &error);
    for (int hops = 0; !status && hops <= CAIRN_LINK_HOPS; hops++)
        status = copy_link(promotion, &path);
    if (status != CAIRN_NOT_FOUND)
        return;
    watch_begin(promotion->watch, path.text);
    if (cairn_store_get(promotion->source->store, &context, path.text, &view, &led,
                        &error))
        return;
    if (led.text.size == 0)
        copy_entry(promotion, path.text, &view.entry);
    cairn_view_release(&view);
}

/* A policy may ask a failing store last, so that it raises no doubt. */
static bool is_any_failing(const struct call *call) {
    for (size_t i = 0; i < call->chain->count; i++) {
        unsigned flags = call->facts[i].flags;
        if (flags & CAIRN_MEMBER_FAILING && !(flags & CAIRN_MEMBER_TIER))
            return true;
    }
    return false;
}

void reading_promote(struct reading *reading, size_t i) {
    const struct call *call = reading->call;
    uint32_t targets = call->decision.promote & reading->missed & ~call_bit(call, i);
    if (!targets || reading->doubtful || !reading->watching || is_any_failing(call))
        return;
    struct promotion promotion = {call, call_member(call, i), targets, &reading->watch};
    if (reading->answer.path.text.size == 0)
        copy_entry(&promotion, reading->at.text, &reading->answer.view.entry);
    else if (is_local(promotion.source))
        copy_through(&promotion, reading->at.text);
}
