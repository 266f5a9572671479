/* policy.c -- asking a policy: what it says is checked, and if it says nothing, fails
 * or says what cannot be, the engine decides. */
#include "policy_text.h"

#include <math.h>

/* -- Telling ----------------------------------------------------------------------- */

static bool is_traced(const struct cairn_context *context) {
    return context && context->trace;
}

static void tell(const struct cairn_context *context, const char *question,
                 struct cairn_slice path, enum cairn_status status, const char *detail,
                 const struct cairn_decider *by) {
    struct cairn_trace_event event = {.operation = question,
                                      .path = path,
                                      .status = status,
                                      .detail = detail,
                                      .decider = by};
    context->trace(context->trace_arg, &event);
}

/* `text`, with the reason that was given, and a terminator; NULL if there was no memory
 * for it. */
static const char *finish(struct cairn_bytes *text, enum cairn_status status,
                          const struct cairn_decider *by) {
    bool ok = !status;
    if (by->reason[0])
        ok = ok && cairn_bytes_append(text, cairn_slice_of(": ")) &&
             cairn_bytes_append(text, cairn_slice_of(by->reason));
    ok = ok && cairn_bytes_append(text, (struct cairn_slice){"", 1});
    return ok ? text->data : NULL;
}

/* Base and path as one; what there was no memory for is left out. */
static struct cairn_slice join(struct cairn_bytes *joined, struct cairn_slice base,
                               struct cairn_slice path) {
    cairn_bytes_append(joined, base);
    if (path.size && cairn_bytes_append(joined, cairn_slice_of("/")))
        cairn_bytes_append(joined, path);
    return cairn_bytes_slice(joined);
}

/* -- Cache control ----------------------------------------------------------------- */

/* Without the room for tags, which is most of the struct. */
static void cache_default(struct cairn_cache_decision *out) {
    memset(out, 0, offsetof(struct cairn_cache_decision, tags));
    out->max_age_ms = out->fresh_ms = CAIRN_FOREVER;
}

static enum cairn_status check_tags(const struct cairn_cache_decision *decision,
                                    struct cairn_error *error) {
    if (decision->tags_size > CAIRN_TAGS_ROOM)
        return cairn_fail(error, CAIRN_POLICY_ERROR, "cache_control: too many tags");
    if (decision->tags_size && decision->tags[decision->tags_size - 1] != '\0')
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "cache_control: the last tag has no end");
    return CAIRN_OK;
}

static enum cairn_status check_cache(const struct cairn_cache_decision *decision,
                                     struct cairn_error *error) {
    const struct {
        const char *name;
        int64_t ms;
    } spans[] = {
        {"max_age", decision->max_age_ms},
        {"min_fresh", decision->min_fresh_ms},
        {"max_stale", decision->max_stale_ms},
        {"fresh", decision->fresh_ms},
        {"while_revalidate", decision->while_revalidate_ms},
        {"if_error", decision->if_error_ms},
    };
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        if (spans[i].ms < 0)
            return cairn_fail(error, CAIRN_POLICY_ERROR,
                              "cache_control: %s is negative", spans[i].name);
    if (!isfinite(decision->priority))
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "cache_control: priority is not a finite number");
    return check_tags(decision, error);
}

static void tell_cache(const struct cairn_context *context,
                       const struct cairn_cache_facts *facts, enum cairn_status status,
                       const struct cairn_error *error,
                       const struct cairn_cache_decision *decision) {
    struct cairn_bytes joined = {0}, text = {0};
    struct cairn_slice path = join(&joined, facts->base, facts->path);
    const char *detail = error->message;
    if (!status)
        detail =
            finish(&text, cairn_cache_decision_text(facts->moment, decision, &text),
                   &decision->by);
    tell(context, "cache_control", path, status, detail, &decision->by);
    cairn_bytes_free(&joined);
    cairn_bytes_free(&text);
}

void cairn_policy_cache(const struct cairn_policy *policy,
                        const struct cairn_context *context,
                        const struct cairn_cache_facts *facts,
                        struct cairn_cache_decision *out) {
    struct cairn_error error;
    enum cairn_status status = CAIRN_NOT_FOUND;
    error.message[0] = '\0'; /* all of it to zero would be a tenth of a hit */
    cache_default(out);
    if (policy && policy->cache)
        status = policy->cache(policy->self, context, facts, out, &error);
    if (!status)
        status = check_cache(out, &error);
    if (status) {
        if (status != CAIRN_NOT_FOUND && is_traced(context))
            tell_cache(context, facts, status, &error, out);
        cache_default(out);
    }
    if (is_traced(context))
        tell_cache(context, facts, CAIRN_OK, &error, out);
}

/* -- Chain ------------------------------------------------------------------------- */

/* The members in their order, tiers filled; written is the first that accepts and is no
 * tier. */
static void chain_default(const struct cairn_chain_facts *facts,
                          struct cairn_chain_decision *out) {
    *out = (struct cairn_chain_decision){0};
    bool reads = facts->action == CAIRN_CHAIN_READ;
    for (size_t i = 0; i < facts->count && i < CAIRN_CHAIN_MAX; i++) {
        unsigned flags = facts->members[i].flags;
        bool tier = flags & CAIRN_MEMBER_TIER;
        if (reads ? !(flags & CAIRN_MEMBER_READS)
                  : tier || !(flags & CAIRN_MEMBER_WRITES))
            continue;
        out->order[out->count++] = (uint8_t)i;
        if (tier)
            out->promote |= UINT32_C(1) << i;
    }
}

static enum cairn_status check_order(const struct cairn_chain_facts *facts,
                                     const struct cairn_chain_decision *decision,
                                     struct cairn_error *error) {
    uint32_t seen = 0;
    if (decision->count > CAIRN_CHAIN_MAX)
        return cairn_fail(error, CAIRN_POLICY_ERROR, "chain: an order of %zu stores",
                          decision->count);
    for (size_t i = 0; i < decision->count; i++) {
        unsigned member = decision->order[i];
        if (member >= facts->count || member >= CAIRN_CHAIN_MAX)
            return cairn_fail(error, CAIRN_POLICY_ERROR,
                              "chain: the order names member %u of %zu", member,
                              facts->count);
        if (seen & UINT32_C(1) << member)
            return cairn_fail(error, CAIRN_POLICY_ERROR,
                              "chain: the order has %s twice",
                              facts->members[member].name);
        seen |= UINT32_C(1) << member;
        if (decision->deadline_ms[i] < 0)
            return cairn_fail(error, CAIRN_POLICY_ERROR,
                              "chain: the deadline of %s is negative",
                              facts->members[member].name);
    }
    return CAIRN_OK;
}

static enum cairn_status check_chain(const struct cairn_chain_facts *facts,
                                     const struct cairn_chain_decision *decision,
                                     struct cairn_error *error) {
    enum cairn_status status = check_order(facts, decision, error);
    if (status)
        return status;
    if (decision->race > decision->count || decision->need > decision->count)
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "chain: race %u or need %u of %zu stores", decision->race,
                          decision->need, decision->count);
    if (facts->count < 32 && decision->promote >> facts->count)
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "chain: promotes to members that are not there");
    if (decision->promote_ms < 0 || decision->keep_out_ms < 0)
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "chain: promote_for or keep_out is negative");
    return CAIRN_OK;
}

static void tell_chain(const struct cairn_context *context,
                       const struct cairn_chain_facts *facts, enum cairn_status status,
                       const struct cairn_error *error,
                       const struct cairn_chain_decision *decision) {
    struct cairn_bytes text = {0};
    const char *detail = error->message;
    if (!status)
        detail = finish(&text, cairn_chain_decision_text(facts, decision, &text),
                        &decision->by);
    tell(context, "chain", facts->path, status, detail, &decision->by);
    cairn_bytes_free(&text);
}

void cairn_policy_chain(const struct cairn_policy *policy,
                        const struct cairn_context *context,
                        const struct cairn_chain_facts *facts,
                        struct cairn_chain_decision *out) {
    struct cairn_error error;
    enum cairn_status status = CAIRN_NOT_FOUND;
    error.message[0] = '\0'; /* all of it to zero would be a tenth of a read */
    if (policy && policy->chain) {
        *out = (struct cairn_chain_decision){0};
        status = policy->chain(policy->self, context, facts, out, &error);
    }
    if (!status)
        status = check_chain(facts, out, &error);
    if (status) {
        if (status != CAIRN_NOT_FOUND && is_traced(context))
            tell_chain(context, facts, status, &error, out);
        chain_default(facts, out);
    }
    if (is_traced(context))
        tell_chain(context, facts, CAIRN_OK, &error, out);
}

/* -- Eviction ---------------------------------------------------------------------- */

/* The oldest goes first. */
static void eviction_default(const struct cairn_eviction_facts *facts,
                             struct cairn_eviction_decision *out) {
    *out = (struct cairn_eviction_decision){0};
    if (facts->kept)
        out->score = (double)facts->kept->created_ms;
}

static void tell_eviction(const struct cairn_context *context,
                          const struct cairn_eviction_facts *facts,
                          enum cairn_status status, const struct cairn_error *error,
                          const struct cairn_eviction_decision *decision) {
    struct cairn_bytes joined = {0}, text = {0};
    struct cairn_slice path = join(&joined, facts->base, facts->path);
    const char *detail = error->message;
    if (!status)
        detail = finish(&text, policy_eviction_text(decision, &text), &decision->by);
    tell(context, "eviction", path, status, detail, &decision->by);
    cairn_bytes_free(&joined);
    cairn_bytes_free(&text);
}

void cairn_policy_eviction(const struct cairn_policy *policy,
                           const struct cairn_context *context,
                           const struct cairn_eviction_facts *facts,
                           struct cairn_eviction_decision *out) {
    struct cairn_error error = {""};
    enum cairn_status status = CAIRN_NOT_FOUND;
    *out = (struct cairn_eviction_decision){0};
    if (policy && policy->eviction)
        status = policy->eviction(policy->self, context, facts, out, &error);
    if (!status && !isfinite(out->score))
        status = cairn_fail(&error, CAIRN_POLICY_ERROR,
                            "eviction: score is not a finite number");
    if (status) {
        if (status != CAIRN_NOT_FOUND && is_traced(context))
            tell_eviction(context, facts, status, &error, out);
        eviction_default(facts, out);
    }
    if (is_traced(context))
        tell_eviction(context, facts, CAIRN_OK, &error, out);
}
