/* resolve.c -- answers from the cache: looked up as the policy says. What is not there
 * is computed (resolution.c).
 *
 * The policy is asked at most once on the way to a fresh hit: its decision says how old
 * an answer may be, and whether this one is, is compared here. */
#include "resolution.h"

#include "expect.h"

/* No store has it: 0 would be all of them. */
enum { NO_SCOPE = 1 << 30 };

/* -- Finding the record ----------------------------------------------------------- */

/* A hit in memory is mostly waiting for memory: what will be wanted is asked for as
 * soon as it is known, and other things are done until it comes. */
static struct expected expect_record(const struct call *call) {
    struct cairn_path record;
    hashpath_record(&call->hashpath, &record);
    return chain_expect(call->cache->chain, record.text);
}

/* Two ids make the hashpath as they are: the hint can do with what is not yet checked.
 */
static bool expect_ids(struct call *call, struct cairn_slice base,
                       struct cairn_slice request, struct expected *out) {
    struct hashpath *hashpath = &call->hashpath;
    if (base.size != CAIRN_ID_SIZE || request.size != CAIRN_ID_SIZE)
        return false;
    memcpy(hashpath->base.text, base.data, CAIRN_ID_SIZE);
    memcpy(hashpath->request, request.data, CAIRN_ID_SIZE);
    hashpath->request_size = CAIRN_ID_SIZE;
    *out = expect_record(call);
    return true;
}

/* CAIRN_NOT_FOUND. Otherwise what it leads to will be read. */
static enum cairn_status find_record(struct call *call, struct found_result *out,
                                     struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    enum cairn_status status =
        keep_find(cache, &call->lookup, &call->hashpath, out, error);
    if (!status)
        out->expected = chain_expect(cache->chain, out->result.target);
    return status;
}

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
                                                 const struct expected *expected,
                                                 struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    struct party *request = &call->request;
    if (request->message || request->is_path)
        return CAIRN_OK;
    chain_expect_on(expected);
    call->has_found = !find_record(call, &call->found, NULL);
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
    struct expected expected;
    bool early = expect_ids(call, base->id, request->id, &expected);
    enum cairn_status status =
        parties_open(cache, base, request, &call->arena, &call->base, &call->request,
                     &call->hashpath, error);
    if (status)
        return status;
    if (!early)
        expected = expect_record(call);
    call->facts.node = call->options->node ? *call->options->node : cache->options.node;
    call->facts.hashpath_ignored = cache->options.hashpath_ignored;
    call->facts.call =
        1 + atomic_fetch_add_explicit(&cache->calls, 1, memory_order_relaxed);
    call->facts.base = cairn_id_slice(&call->hashpath.base);
    call->facts.path = hashpath_request(&call->hashpath);
    hashpath_text(&call->hashpath, &call->info->hashpath);
    call->kept = call_count_kept(call); /* before the first look */
    status = add_request_directives(call, error);
    return status ? status : read_request_directives(call, &expected, error);
}

void call_close(struct call *call) {
    if (call->flight)
        call_let_go(call, "nothing was computed");
    call->is_open = false;
    if (call->has_found)
        cairn_view_release(&call->found.view);
    if (call->has_stale)
        cairn_view_release(&call->stale.view);
    party_close(&call->base);
    party_close(&call->request);
    cairn_arena_free(&call->arena);
}

void call_ask(struct call *call, enum cairn_moment moment) {
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
enum cairn_status call_answer(struct call *call, const struct found_result *found,
                              enum cairn_outcome outcome, struct cairn_reading *out,
                              struct cairn_error *error) {
    struct cairn_cache *cache = call->cache;
    uint64_t hash = cache_hash(cache, call->info->hashpath.text);
    chain_expect_on(&found->expected);
    usage_fetch(&cache->usage, hash);
    enum cairn_status status =
        cairn_cache_read(cache, &call->lookup, found->result.target, 0, out, error);
    if (status)
        return status;
    tell(call, found, outcome);
    call->info->member = out->member;
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
    call_ask(call, CAIRN_AT_STALE);
    if (!call->decision.serve)
        return CAIRN_NOT_FOUND;
    enum cairn_status status =
        call_answer(call, &call->stale, CAIRN_OUTCOME_STALE, out, error);
    call->info->revalidate = !status && call->decision.revalidate;
    return status;
}

enum cairn_status call_look_up(struct call *call, struct cairn_reading *out,
                               struct cairn_error *error) {
    struct found_result found = call->found;
    enum cairn_status status = CAIRN_OK;
    if (!call->has_found)
        status = find_record(call, &found, error);
    call->has_found = false; /* it is `found` from here on */
    if (status == CAIRN_NOT_FOUND)
        return look_at_path(call, out, error);
    if (status)
        return status;
    enum freshness freshness = judge(&found.result.kept, &call->decision, call->now_ms);
    if (freshness == FRESH || freshness == BARELY_STALE) {
        status = call_answer(
            call, &found, freshness == FRESH ? CAIRN_OUTCOME_HIT : CAIRN_OUTCOME_STALE,
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

static enum cairn_status run(struct call *call, bool computes,
                             struct cairn_reading *out, enum cairn_step *step,
                             struct cairn_error *error) {
    enum cairn_status status = CAIRN_NOT_FOUND;
    bool only_cached = false, looks = false;
    if (!call->options->refresh) {
        call_ask(call, CAIRN_AT_LOOKUP);
        only_cached = call->decision.only_if_cached;
        looks = (call->decision.lookup || only_cached) &&
                (only_cached || !is_own_key(call));
    }
    call->looks = looks;
    if (looks && !(status = call_look_up(call, out, error)))
        return CAIRN_OK;
    call->info->outcome = looks ? CAIRN_OUTCOME_MISS : CAIRN_OUTCOME_BYPASS;
    if (!only_cached && computes)
        return call_start(call, out, step, error);
    call_count_start(call);
    return miss(call, looks, status, error);
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
    case CAIRN_LEADER_DIED:
        return 503;
    case CAIRN_TIMEOUT:
        return 504;
    case CAIRN_INFINITE_RECURSION:
        return 508; /* RFC 5842: Loop Detected */
    default:
        return 500;
    }
}

enum cairn_status call_finish(struct call *call, enum cairn_status status) {
    if (!call->info->status)
        call->info->status = http_status(status);
    call_close(call);
    return status;
}

static void open_info(struct cairn_resolved *info) {
    info->outcome = CAIRN_OUTCOME_BYPASS;
    info->status = 0;
    info->stored = info->revalidate = info->coalesced = false;
    info->age_ms = info->fresh_ms = 0;
    info->member = 0;
    info->hashpath.text = (struct cairn_slice){"", 0};
}

enum cairn_status cairn_resolution_begin(
    struct cairn_resolution *resolution, const struct cairn_context *context,
    const struct cairn_party *base, const struct cairn_party *request, bool computes,
    const struct cairn_resolve_options *options, struct cairn_reading *out,
    struct cairn_resolved *info, enum cairn_step *step, struct cairn_error *error) {
    static const struct cairn_resolve_options none;
    struct call *call = &resolution->call;
    if (call->is_open)
        cairn_resolution_abandon(resolution, "it asked for something else");
    call->context = context;
    call->now_ms = cairn_context_now(context);
    call->options = options ? options : &none;
    call->info = info;
    call->is_open = true;
    call->has_stale = call->has_found = call->is_silent = call->leads = false;
    call->flight = NULL;
    call->facts = (struct cairn_cache_facts){0};
    call->base.is_loaded = call->request.is_loaded = false;
    cairn_arena_init(&call->arena);
    open_info(info);

    *step = CAIRN_STEP_DONE;
    enum cairn_status status = open_call(call, base, request, error);
    if (!status)
        status = run(call, computes, out, step, error);
    return *step == CAIRN_STEP_DONE ? call_finish(call, status) : status;
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
        status = call_check_result(value, error);
    if (!status && value->type == CAIRN_VALUE_MESSAGE)
        status = cairn_message_store(value, &arena, &stored, error);
    if (!status)
        status = keep_result(cache, context, &keeping, target, error);
    cairn_arena_free(&arena);
    return status;
}
