/* resolve.c -- answers from the cache or from computing: look up, else compute, else
 * store, as the policy says.
 *
 * The policy is asked at most once on the way to a fresh hit: its decision says how old
 * an answer may be, and whether this one is, is compared here. */
#include "keep.h"
#include "party.h"
#include "reader.h"

#include "cairn/policy.h"

struct call {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    struct cairn_context lookup; /* the same, in the scopes that may be looked up in */
    const struct cairn_resolve_options *options;
    struct party base, request;
    struct hashpath hashpath;
    struct cairn_cache_facts facts;
    struct cairn_cache_decision decision; /* the latest */
    struct found_result found; /* what is kept, if it was looked for already */
    bool has_found;
    struct found_result stale; /* what was found, no longer fresh: for want of better */
    bool has_stale;
    bool is_silent; /* the request itself says nothing about caching */
    struct cairn_resolved *info;
    int64_t now_ms; /* read once, and again when computing took its time */
    struct cairn_arena arena;
};

/* No store has it: 0 would be all of them. */
enum { NO_SCOPE = 1 << 30 };

/* -- Opening ----------------------------------------------------------------------- */

static unsigned lookup_scopes(const struct cairn_cache *cache,
                              const struct cairn_context *context) {
    unsigned allowed = context ? context->scopes : 0;
    unsigned scopes = cache->options.lookup_scopes;
    if (allowed)
        scopes &= allowed;
    return scopes ? scopes : NO_SCOPE;
}

/* The caller's directives, then the request's own. */
static enum cairn_status add_request_directives(struct call *call,
                                                struct cairn_error *error) {
    struct cairn_directives own;
    enum cairn_status status =
        directives_of(call->request.message, &call->arena, &own, error);
    call->is_silent = (call->request.message || call->request.is_path) && !own.given;
    return status ? status
                  : directives_join(&call->options->request, &own, &call->arena,
                                    &call->facts.request, error);
}

/* What a request that was given by id says must be read. But an id never changes its
 * meaning: where a result of it is kept, its record tells whether it says anything. */
static enum cairn_status read_request_directives(struct call *call,
                                                 struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    struct party *request = &call->request;
    if (request->message || request->is_path)
        return CAIRN_OK;
    call->has_found =
        !keep_find(cache, &call->lookup, &call->hashpath, &call->found, NULL);
    call->is_silent = call->has_found && call->found.result.silent;
    if (call->is_silent)
        return CAIRN_OK;
    enum cairn_status status = party_load(cache, call->context, request, error);
    if (status) /* not there: it says nothing now */
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    return add_request_directives(call, error);
}

static enum cairn_status open_call(struct call *call, const struct cairn_party *base,
                                   const struct cairn_party *request,
                                   struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    call->lookup = call->context ? *call->context : (struct cairn_context){0};
    call->lookup.scopes = lookup_scopes(cache, call->context);
    enum cairn_status status =
        parties_open(cache, base, request, &call->arena, &call->base, &call->request,
                     &call->hashpath, error);
    if (status)
        return status;
    call->facts.node = call->options->node ? *call->options->node : cache->options.node;
    call->facts.hashpath_ignored = cache->options.hashpath_ignored;
    call->facts.call =
        1 + atomic_fetch_add_explicit(&cache->calls, 1, memory_order_relaxed);
    call->facts.base = cairn_id_slice(&call->hashpath.base);
    call->facts.path = hashpath_request(&call->hashpath);
    hashpath_text(&call->hashpath, &call->info->hashpath);
    status = add_request_directives(call, error);
    return status ? status : read_request_directives(call, error);
}

static void close_call(struct call *call) {
    if (call->has_found)
        cairn_view_release(&call->found.view);
    if (call->has_stale)
        cairn_view_release(&call->stale.view);
    party_close(&call->base);
    party_close(&call->request);
    cairn_arena_free(&call->arena);
}

static void ask(struct call *call, enum cairn_moment moment) {
    struct cairn_cache_facts *facts = &call->facts;
    facts->moment = moment;
    facts->now_ms = call->now_ms;
    facts->asked = call->request.stored.count ? &call->request.stored : NULL;
    facts->kept = call->has_stale ? &call->stale.result.kept : NULL;
    cairn_policy_cache(call->cache->policy, call->context, facts, &call->decision);
}

/* -- Looking up -------------------------------------------------------------------- */

/* How fresh what was kept is, now. */
enum freshness { FRESH, BARELY_STALE, STALE, UNFIT };

static enum freshness judge(const struct cairn_kept *kept,
                            const struct cairn_cache_decision *decision,
                            int64_t now_ms) {
    int64_t age = now_ms - kept->created_ms;
    int64_t left = kept->fresh_until_ms == CAIRN_FOREVER
                       ? CAIRN_FOREVER
                       : kept->fresh_until_ms - now_ms;
    if (age > decision->max_age_ms)
        return UNFIT;
    if (left > 0)
        return left >= decision->min_fresh_ms ? FRESH : UNFIT;
    if (!kept->must_revalidate && decision->max_stale_ms > 0 &&
        -left <= decision->max_stale_ms)
        return BARELY_STALE;
    return STALE;
}

static void tell(struct call *call, const struct found_result *found,
                 enum cairn_outcome outcome) {
    const struct cairn_kept *kept = &found->result.kept;
    int64_t now = call->now_ms;
    struct cairn_resolved *info = call->info;
    info->outcome = outcome;
    info->age_ms = now > kept->created_ms ? now - kept->created_ms : 0;
    info->fresh_ms = kept->fresh_until_ms == CAIRN_FOREVER ? CAIRN_FOREVER
                                                           : kept->fresh_until_ms - now;
    info->member = found->member;
    info->stored = true;
}

/* CAIRN_NOT_FOUND: what it led to is gone, as a bounded tier may have it. */
static enum cairn_status answer(struct call *call, const struct found_result *found,
                                enum cairn_outcome outcome, struct cairn_reading *out,
                                struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    enum cairn_status status =
        cairn_cache_read(cache, &call->lookup, found->result.target, 0, out, error);
    if (status)
        return status;
    tell(call, found, outcome);
    call->info->member = out->member;
    uint64_t hash = cache_hash(cache, call->info->hashpath.text);
    usage_note(&cache->usage, hash, call->now_ms);
    cache_count(outcome == CAIRN_OUTCOME_HIT ? &cache->counters.hits
                                             : &cache->counters.stale);
    return CAIRN_OK;
}

/* A result that has no record of ours: a store that HyperBEAM wrote has a link at the
 * hashpath, and what the base has there as a key of its own is its answer, too. */
static enum cairn_status look_at_path(struct call *call, struct cairn_reading *out,
                                      struct cairn_error *error) {
    struct cairn_resolved *info = call->info;
    enum cairn_status status = reader_read(call->cache, &call->lookup,
                                           info->hashpath.text, 0, false, out, error);
    if (status)
        return status;
    info->outcome = CAIRN_OUTCOME_HIT;
    info->fresh_ms = CAIRN_FOREVER;
    info->member = out->member;
    info->stored = true;
    cache_count(&call->cache->counters.hits);
    return CAIRN_OK;
}

static enum cairn_status serve_stale(struct call *call, struct cairn_reading *out,
                                     struct cairn_error *error) {
    ask(call, CAIRN_AT_STALE);
    if (!call->decision.serve)
        return CAIRN_NOT_FOUND;
    enum cairn_status status =
        answer(call, &call->stale, CAIRN_OUTCOME_STALE, out, error);
    call->info->revalidate = !status && call->decision.revalidate;
    return status;
}

/* CAIRN_NOT_FOUND: nothing that may be served. What is stale stays at hand. */
static enum cairn_status look_up(struct call *call, struct cairn_reading *out,
                                 struct cairn_error *error) {
    struct found_result found = call->found;
    enum cairn_status status = CAIRN_OK;
    if (!call->has_found)
        status = keep_find(call->cache, &call->lookup, &call->hashpath, &found, error);
    call->has_found = false; /* it is `found` from here on */
    if (status == CAIRN_NOT_FOUND)
        return look_at_path(call, out, error);
    if (status)
        return status;
    enum freshness freshness = judge(&found.result.kept, &call->decision, call->now_ms);
    if (freshness == FRESH || freshness == BARELY_STALE) {
        status = answer(call, &found,
                        freshness == FRESH ? CAIRN_OUTCOME_HIT : CAIRN_OUTCOME_STALE,
                        out, error);
        cairn_view_release(&found.view);
        return status;
    }
    call->stale = found;
    call->has_stale = true;
    return freshness == STALE ? serve_stale(call, out, error) : CAIRN_NOT_FOUND;
}

/* The base has the key already: whoever computes is as fast as a look-up. */
static bool is_own_key(const struct call *call) {
    const struct party *base = &call->base;
    return !call->cache->options.no_heuristics && base->given->message &&
           cairn_message_find(&base->stored, call->request.part);
}

/* -- Computing --------------------------------------------------------------------- */

static enum cairn_status load(struct call *call, struct party *party,
                              struct cairn_error *error) {
    enum cairn_status status = party_load(call->cache, call->context, party, error);
    if (status != CAIRN_NOT_FOUND)
        return status;
    call->info->status = 404;
    return cairn_fail_at(error, CAIRN_NOT_FOUND,
                         "necessary messages not found: no message has the id",
                         party->part);
}

/* Computing failed: what is stale may be better than nothing. */
static enum cairn_status fall_back(struct call *call, enum cairn_status failure,
                                   struct cairn_reading *out,
                                   struct cairn_error *error) {
    struct cairn_error ignored;
    cache_count(&call->cache->counters.compute_failed);
    if (!call->has_stale)
        return failure;
    call->facts.failure = failure;
    ask(call, CAIRN_AT_ERROR);
    if (!call->decision.serve ||
        answer(call, &call->stale, CAIRN_OUTCOME_STALE, out, &ignored))
        return failure;
    (void)error;
    return CAIRN_OK;
}

static enum cairn_status keep(struct call *call, const struct cairn_value *value,
                              int64_t cost_ms, struct cairn_error *error) {
    const struct keeping keeping = {.hashpath = &call->hashpath,
                                    .value = value,
                                    .decision = &call->decision,
                                    .cost_ms = cost_ms,
                                    .silent = call->is_silent};
    return call->decision.async
               ? keep_result_later(call->cache, call->context, &keeping, error)
               : keep_result(call->cache, call->context, &keeping, NULL, error);
}

/* Whether and how the result is kept. That it cannot be is no failure of the call; the
 * next flush tells. */
static enum cairn_status consider_keeping(struct call *call,
                                          const struct cairn_value *result,
                                          int64_t cost_ms, struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    struct cairn_value stored = *result;
    struct cairn_error lost;
    enum cairn_status status = CAIRN_OK;
    if (result->type == CAIRN_VALUE_MESSAGE)
        status = cairn_message_store(result, &call->arena, &stored, error);
    if (!status)
        status = directives_of(result, &call->arena, &call->facts.result, error);
    if (status)
        return status;
    call->facts.answer = stored.type == CAIRN_VALUE_MESSAGE ? &stored : NULL;
    call->facts.size_bytes = value_size(&stored);
    call->facts.cost_ms = cost_ms;
    ask(call, CAIRN_AT_STORE);
    call->facts.answer = NULL;
    if (!call->decision.store || call->facts.hashpath_ignored)
        return CAIRN_OK;
    status = keep(call, &stored, cost_ms, &lost);
    call->info->stored = !status;
    if (status) {
        cache_count(&cache->counters.refused);
        queue_note_loss(&cache->queue, status, &lost);
    }
    return CAIRN_OK;
}

static enum cairn_status check_result(const struct cairn_value *result,
                                      struct cairn_error *error) {
    if (result->type == CAIRN_VALUE_BYTES || result->type == CAIRN_VALUE_MESSAGE)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "what was computed is neither bytes nor a message");
}

static enum cairn_status hold_line(struct call *call, struct cairn_directives *said,
                                   struct cairn_error *error) {
    return cairn_arena_copy(&call->arena, said->line, &said->line)
               ? CAIRN_OK
               : cairn_fail(error, CAIRN_NO_MEMORY, "no memory to compute");
}

/* Computing may change what the call was given: what is needed afterwards is copied. */
static enum cairn_status hold_facts(struct call *call, struct cairn_error *error) {
    struct cairn_value *asked = &call->request.stored;
    enum cairn_status status = hold_line(call, &call->facts.node, error);
    if (!status)
        status = hold_line(call, &call->facts.request, error);
    return status ? status : value_copy(asked, &call->arena, asked, error);
}

static enum cairn_status compute(struct call *call, cairn_compute function, void *arg,
                                 struct cairn_reading *out, struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    enum cairn_status status = load(call, &call->base, error);
    if (status || (status = load(call, &call->request, error)))
        return status;
    struct cairn_party base = party_of(&call->base);
    struct cairn_party request = party_of(&call->request);
    int64_t began = call->now_ms;
    if ((status = hold_facts(call, error)))
        return status;
    cache_count(&cache->counters.computed);
    reading_init(out);
    status = function(arg, &base, &request, out, error);
    if (!status)
        status = check_result(&out->value, error);
    call->now_ms = cairn_context_now(call->context);
    int64_t cost = call->now_ms - began;
    if (!status)
        status = consider_keeping(call, &out->value, cost > 0 ? cost : 0, error);
    if (!status)
        return CAIRN_OK;
    cairn_reading_release(out);
    return fall_back(call, status, out, error);
}

/* -- The whole --------------------------------------------------------------------- */

/* Nothing is computed: nobody is to, or only what is kept was asked for. */
static enum cairn_status miss(struct call *call, bool looked, enum cairn_status status,
                              struct cairn_error *error) {
    if (status != CAIRN_NOT_FOUND) /* could not tell: the error says why */
        return status;
    call->info->status = 504;
    return cairn_fail_at(error, CAIRN_NOT_FOUND,
                         looked ? "the computed result is not available in the cache"
                                : "nothing is looked up, and nobody computes",
                         call->info->hashpath.text);
}

static enum cairn_status run(struct call *call, cairn_compute function, void *arg,
                             struct cairn_reading *out, struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    enum cairn_status status = CAIRN_NOT_FOUND;
    bool only_cached = false, looks = false;
    if (!call->options->refresh) {
        ask(call, CAIRN_AT_LOOKUP);
        only_cached = call->decision.only_if_cached;
        looks = (call->decision.lookup || only_cached) &&
                (only_cached || !is_own_key(call));
    }
    if (looks && !(status = look_up(call, out, error)))
        return CAIRN_OK;
    call->info->outcome = looks ? CAIRN_OUTCOME_MISS : CAIRN_OUTCOME_BYPASS;
    cache_count(looks ? &cache->counters.misses : &cache->counters.bypasses);
    if (only_cached || !function)
        return miss(call, looks, status, error);
    return compute(call, function, arg, out, error);
}

static int http_status(enum cairn_status status) {
    switch (status) {
    case CAIRN_OK:
        return 200;
    case CAIRN_NOT_FOUND:
        return 404;
    case CAIRN_INVALID_PATH:
    case CAIRN_INVALID_ARGUMENT:
        return 400;
    case CAIRN_UNAUTHORIZED:
        return 403;
    case CAIRN_UNAVAILABLE:
        return 503;
    case CAIRN_TIMEOUT:
        return 504;
    default:
        return 500;
    }
}

enum cairn_status cairn_cache_resolve(
    struct cairn_cache *cache, const struct cairn_context *context,
    const struct cairn_party *base, const struct cairn_party *request,
    cairn_compute function, void *arg, const struct cairn_resolve_options *options,
    struct cairn_reading *out, struct cairn_resolved *info, struct cairn_error *error) {
    static const struct cairn_resolve_options none;
    struct call call;
    call.cache = cache;
    call.context = context;
    call.now_ms = cairn_context_now(context);
    call.options = options ? options : &none;
    call.info = info;
    call.has_stale = call.has_found = call.is_silent = false;
    call.facts = (struct cairn_cache_facts){0};
    call.base.is_loaded = call.request.is_loaded = false;
    cairn_arena_init(&call.arena);
    info->outcome = CAIRN_OUTCOME_BYPASS;
    info->status = 0;
    info->stored = info->revalidate = false;
    info->age_ms = info->fresh_ms = 0;
    info->member = 0;
    info->hashpath.text = (struct cairn_slice){"", 0};

    enum cairn_status status = open_call(&call, base, request, error);
    if (!status)
        status = run(&call, function, arg, out, error);
    if (!info->status)
        info->status = http_status(status);
    close_call(&call);
    return status;
}

enum cairn_status cairn_cache_read_resolved(struct cairn_cache *cache,
                                            const struct cairn_context *context,
                                            const struct cairn_party *base,
                                            const struct cairn_party *request,
                                            unsigned flags, struct cairn_reading *out,
                                            struct cairn_error *error) {
    struct party bases = {0}, requests = {0};
    struct hashpath hashpath;
    struct found_result found;
    struct cairn_arena arena;
    struct cairn_path text;
    cairn_arena_init(&arena);
    enum cairn_status status =
        parties_open(cache, base, request, &arena, &bases, &requests, &hashpath, error);
    if (!status) {
        hashpath_text(&hashpath, &text);
        status = keep_find(cache, context, &hashpath, &found, error);
        if (status == CAIRN_NOT_FOUND) {
            status = cairn_cache_read(cache, context, text.text, flags, out, error);
        } else if (!status) {
            bool fresh = found.result.kept.fresh_until_ms > cairn_context_now(context);
            status = fresh
                         ? cairn_cache_read(cache, context, found.result.target, flags,
                                            out, error)
                         : cairn_fail_at(error, CAIRN_NOT_FOUND,
                                         "the result is no longer fresh at", text.text);
            cairn_view_release(&found.view);
        }
    }
    cairn_arena_free(&arena);
    return status;
}

enum cairn_status cairn_cache_write_hashpath(struct cairn_cache *cache,
                                             const struct cairn_context *context,
                                             struct cairn_slice hashpath,
                                             const struct cairn_value *value,
                                             struct cairn_path *target,
                                             struct cairn_error *error) {
    const struct cairn_cache_decision decision = {.fresh_ms = CAIRN_FOREVER};
    struct hashpath parts;
    struct cairn_arena arena;
    struct cairn_value stored = *value;
    const struct keeping keeping = {
        .hashpath = &parts, .value = &stored, .decision = &decision};
    cairn_arena_init(&arena);
    enum cairn_status status =
        hashpath_parse(cache->options.hashpath, hashpath, &parts, error);
    if (!status)
        status = check_result(value, error);
    if (!status && value->type == CAIRN_VALUE_MESSAGE)
        status = cairn_message_store(value, &arena, &stored, error);
    if (!status)
        status = keep_result(cache, context, &keeping, target, error);
    cairn_arena_free(&arena);
    return status;
}
