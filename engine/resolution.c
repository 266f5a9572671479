/* resolution.c -- computing what was not in the cache: once for all who ask meanwhile.
 *
 * Who joins a flight first leads: computes, keeps, lands. Between a look-up in vain and
 * joining, an earlier leader may have kept its result and landed; who finds himself
 * leading after that looks again. A landing without an answer sends those who waited
 * back to the beginning (LANDED_AGAIN), where most find what was kept. */
#include "resolution.h"

#include <stdlib.h>

/* Bits of a landing's detail. */
enum {
    LANDED_STORED = 1 << 0,
    LANDED_AGAIN = 1 << 1,    /* the answer is there by now, but not in the landing */
    LANDED_UNLOADED = 1 << 2, /* nothing was computed: no base, or no request */
    LANDED_LATE = 1 << 3,     /* it was only the leader's own time that was over */
};

/* A larger result is copied only if somebody waits for it: who comes at that very
 * moment asks again. */
enum { PASSED_ON_BYTES = 64 << 10 };

/* -- Flights ----------------------------------------------------------------------- */

/* Two bytes of each part are enough: that stripes meet costs a look-up now and then. */
static _Atomic uint32_t *count_of(const struct call *call) {
    const struct hashpath *hashpath = &call->hashpath;
    const char *base = hashpath->base.text, *request = hashpath->request;
    unsigned stripe = (unsigned char)base[0] * 7U + (unsigned char)base[1] * 31U +
                      (unsigned char)request[0] * 67U +
                      (unsigned char)request[hashpath->request_size / 2] * 131U;
    return &call->cache->kept[stripe % KEPT_COUNTS];
}

uint32_t call_count_kept(const struct call *call) {
    return atomic_load(count_of(call));
}

/* Leads, or waits for who does. The same result asked for in other scopes is apart: it
 * may be that base and request cannot be had there. */
static enum cairn_status join(struct call *call, struct cairn_error *error) {
    struct cairn_path name;
    enum cairn_role role;
    hashpath_text(&call->hashpath, &name);
    unsigned scopes = call->context ? call->context->scopes : 0;
    if (scopes) {
        name.room[name.text.size++] = '/';
        name.room[name.text.size++] = (char)('0' + scopes);
    }
    enum cairn_status status =
        cairn_flights_join(call->cache->flights, name.text, cairn_actor_self(), &role,
                           &call->flight, error);
    if (status)
        call->flight = NULL;
    call->leads = !status && role == CAIRN_LEADS;
    return status;
}

static void land(struct call *call, const struct cairn_landing *landing) {
    if (call->leads)
        cairn_flight_land(call->flight, landing);
    cairn_flight_release(call->flight);
    call->flight = NULL;
    call->leads = false;
}

static void land_failure(struct call *call, enum cairn_status status, unsigned detail,
                         const struct cairn_error *error) {
    struct cairn_landing landing = {.status = status, .detail = detail};
    if (error)
        landing.error = *error;
    else
        cairn_fail(&landing.error, status, "the computation failed");
    land(call, &landing);
}

/* After it was kept: whoever looks from here on finds it, and whoever has looked before
 * sees that he must look again. */
static void land_result(struct call *call, const struct cairn_value *result) {
    struct cairn_landing landing = {.status = CAIRN_OK};
    if (call->info->stored) {
        landing.detail = LANDED_STORED;
        atomic_fetch_add(count_of(call), 1);
    }
    if (!call->leads)
        return;
    if (call->facts.size_bytes <= PASSED_ON_BYTES || cairn_flight_waiters(call->flight))
        landing.status = cairn_parcel_new(result, &landing.parcel, &landing.error);
    land(call, &landing);
    cairn_parcel_release(landing.parcel);
}

void call_let_go(struct call *call, const char *why) {
    struct cairn_landing landing = {.status = CAIRN_LEADER_DIED};
    cairn_fail(&landing.error, CAIRN_LEADER_DIED, "who computed it is gone: %s", why);
    land(call, &landing);
}

/* -- Beginning --------------------------------------------------------------------- */

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

static enum cairn_status hold_line(struct call *call, struct cairn_directives *said,
                                   struct cairn_error *error) {
    return cairn_arena_copy(&call->arena, said->line, &said->line)
               ? CAIRN_OK
               : cairn_fail(error, CAIRN_NO_MEMORY, "no memory to compute");
}

/* Computing and waiting may change what the call was given: what is needed afterwards
 * is copied. */
static enum cairn_status hold_facts(struct call *call, struct cairn_error *error) {
    struct cairn_value *asked = &call->request.stored;
    enum cairn_status status = hold_line(call, &call->facts.node, error);
    if (!status)
        status = hold_line(call, &call->facts.request, error);
    return status ? status : value_copy(asked, &call->arena, asked, error);
}

static enum cairn_status load_all(struct call *call, struct cairn_error *error) {
    enum cairn_status status = load(call, &call->base, error);
    if (!status)
        status = load(call, &call->request, error);
    return status ? status : hold_facts(call, error);
}

/* Those who wait with messages in their hands, or with more time, compute themselves.
 */
static unsigned why_unloaded(const struct call *call, enum cairn_status status) {
    bool is_late =
        status == CAIRN_TIMEOUT && cairn_context_check(call->context, NULL) != CAIRN_OK;
    return LANDED_UNLOADED | (is_late ? LANDED_LATE : 0);
}

static enum cairn_status start_computing(struct call *call, struct cairn_reading *out,
                                         enum cairn_step *step,
                                         struct cairn_error *error) {
    enum cairn_status status = load_all(call, error);
    if (status) {
        if (call->leads)
            land_failure(call, status, why_unloaded(call, status), error);
        return status;
    }
    cache_count(&call->cache->counters.computed);
    reading_init(out);
    *step = CAIRN_STEP_COMPUTE;
    return CAIRN_OK;
}

/* Many may wait: only who has something stale keeps more than the hashpath. */
static enum cairn_status start_waiting(struct call *call, enum cairn_step *step,
                                       struct cairn_error *error) {
    const struct party *request = &call->request;
    call->loads = !call->base.message || (!request->message && !request->is_path);
    call->info->coalesced = true;
    cache_count(&call->cache->counters.coalesced);
    if (call->has_stale) {
        enum cairn_status status = hold_facts(call, error);
        *step = status ? CAIRN_STEP_DONE : CAIRN_STEP_WAIT;
        return status;
    }
    *step = CAIRN_STEP_WAIT;
    party_close(&call->base);
    party_close(&call->request);
    cairn_arena_free(&call->arena);
    cairn_arena_init(&call->arena);
    return CAIRN_OK;
}

static bool look_again(struct call *call, struct cairn_reading *out) {
    if (!call->looks || call_count_kept(call) == call->kept)
        return false;
    if (call->has_stale)
        cairn_view_release(&call->stale.view);
    call->has_stale = false;
    return !call_look_up(call, out, NULL);
}

void call_count_start(struct call *call) {
    struct cache_counters *counters = &call->cache->counters;
    cache_count(call->looks ? &counters->misses : &counters->bypasses);
}

enum cairn_status call_start(struct call *call, struct cairn_reading *out,
                             enum cairn_step *step, struct cairn_error *error) {
    const struct cairn_resolve_options *options = call->options;
    if (!options->alone && !options->refresh) {
        enum cairn_status status = join(call, error);
        if (!status && call->leads && look_again(call, out)) {
            land(call, &(struct cairn_landing){.detail = LANDED_AGAIN});
            return CAIRN_OK;
        }
        if (status || !call->leads) {
            call_count_start(call);
            return status ? status : start_waiting(call, step, error);
        }
    }
    call_count_start(call);
    return start_computing(call, out, step, error);
}

/* -- Ending ------------------------------------------------------------------------ */

enum cairn_status call_check_result(const struct cairn_value *result,
                                    struct cairn_error *error) {
    if (result->type == CAIRN_VALUE_BYTES || result->type == CAIRN_VALUE_MESSAGE)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "what was computed is neither bytes nor a message");
}

/* Computing failed, here or elsewhere: what is stale may be better than nothing. */
static enum cairn_status fall_back(struct call *call, enum cairn_status failure,
                                   struct cairn_reading *out) {
    struct cairn_error ignored;
    if (!call->has_stale)
        return failure;
    call->facts.failure = failure;
    call_ask(call, CAIRN_AT_ERROR);
    if (!call->decision.serve ||
        call_answer(call, &call->stale, CAIRN_OUTCOME_STALE, out, &ignored))
        return failure;
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
    call_ask(call, CAIRN_AT_STORE);
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

enum cairn_status cairn_resolution_end(struct cairn_resolution *resolution,
                                       enum cairn_status status,
                                       struct cairn_reading *out,
                                       struct cairn_resolved *info,
                                       struct cairn_error *error) {
    struct call *call = &resolution->call;
    int64_t began = call->now_ms;
    call->info = info;
    if (!status)
        status = call_check_result(&out->value, error);
    call->now_ms = cairn_context_now(call->context);
    int64_t cost = call->now_ms - began;
    if (!status)
        status = consider_keeping(call, &out->value, cost > 0 ? cost : 0, error);
    if (!status) {
        land_result(call, &out->value);
        return call_finish(call, CAIRN_OK);
    }
    if (call->leads)
        land_failure(call, status, 0, error);
    cache_count(&call->cache->counters.compute_failed);
    cairn_reading_release(out);
    return call_finish(call, fall_back(call, status, out));
}

void cairn_resolution_abandon(struct cairn_resolution *resolution, const char *why) {
    struct call *call = &resolution->call;
    if (!call->is_open)
        return;
    if (call->flight)
        call_let_go(call, why);
    call_close(call);
}

/* -- Having waited ----------------------------------------------------------------- */

static bool is_no_answer(const struct call *call, const struct cairn_landing *landing) {
    unsigned detail = landing->detail;
    if (detail & LANDED_UNLOADED)
        return !call->loads ||
               (detail & LANDED_LATE && !cairn_context_check(call->context, NULL));
    return detail & LANDED_AGAIN || (!landing->status && !landing->parcel);
}

static void release_parcel(void *parcel) {
    cairn_parcel_release(parcel);
}

static enum cairn_status take_over(struct cairn_parcel *parcel,
                                   struct cairn_reading *out,
                                   struct cairn_error *error) {
    reading_init(out);
    out->value = parcel->value;
    enum cairn_status status =
        reading_pin(out, cairn_parcel_retain(parcel), release_parcel, error);
    if (status)
        cairn_reading_release(out);
    return status;
}

static enum cairn_status take_failure(struct call *call,
                                      const struct cairn_landing *landing,
                                      struct cairn_reading *out,
                                      struct cairn_error *error) {
    if (error)
        *error = landing->error;
    if (landing->detail & LANDED_UNLOADED)
        return landing->status;
    call->now_ms = cairn_context_now(call->context);
    return fall_back(call, landing->status, out);
}

enum cairn_status cairn_resolution_landed(struct cairn_resolution *resolution,
                                          const struct cairn_landing *landing,
                                          struct cairn_reading *out,
                                          struct cairn_resolved *info,
                                          enum cairn_step *step,
                                          struct cairn_error *error) {
    struct call *call = &resolution->call;
    enum cairn_status status;
    call->info = info;
    *step = CAIRN_STEP_DONE;
    if (is_no_answer(call, landing)) {
        *step = CAIRN_STEP_AGAIN;
        call_close(call);
        return CAIRN_OK;
    }
    if (landing->status) {
        status = take_failure(call, landing, out, error);
    } else {
        status = take_over(landing->parcel, out, error);
        info->stored = !status && landing->detail & LANDED_STORED;
    }
    return call_finish(call, status);
}

/* -- The object -------------------------------------------------------------------- */

enum cairn_status cairn_resolution_new(struct cairn_cache *cache,
                                       struct cairn_resolution **out,
                                       struct cairn_error *error) {
    struct cairn_resolution *resolution = malloc(sizeof *resolution);
    if (!resolution)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to resolve");
    resolution_init(resolution, cache);
    *out = resolution;
    return CAIRN_OK;
}

void cairn_resolution_free(struct cairn_resolution *resolution) {
    if (!resolution)
        return;
    cairn_resolution_abandon(resolution, "it was collected");
    free(resolution);
}

struct cairn_party cairn_resolution_base(const struct cairn_resolution *resolution) {
    return party_of(&resolution->call.base);
}

struct cairn_party cairn_resolution_request(const struct cairn_resolution *resolution) {
    return party_of(&resolution->call.request);
}

struct cairn_flight *
cairn_resolution_flight(const struct cairn_resolution *resolution) {
    return resolution->call.flight;
}

/* -- In one go --------------------------------------------------------------------- */

/* Blocks. That it cannot wait, or no longer, is what it gets. */
static enum cairn_status wait_here(struct cairn_resolution *resolution, size_t most,
                                   struct cairn_reading *out,
                                   struct cairn_resolved *info, enum cairn_step *step,
                                   struct cairn_error *error) {
    struct call *call = &resolution->call;
    struct cairn_landing landing = {.parcel = NULL};
    enum cairn_status status =
        cairn_flight_await(call->flight, call->context, cairn_actor_self(), most,
                           &landing, &landing.error);
    if (status)
        landing = (struct cairn_landing){.status = status, .error = landing.error};
    status = cairn_resolution_landed(resolution, &landing, out, info, step, error);
    cairn_parcel_release(landing.parcel);
    return status;
}

enum cairn_status cairn_cache_resolve(
    struct cairn_cache *cache, const struct cairn_context *context,
    const struct cairn_party *base, const struct cairn_party *request,
    cairn_compute function, void *arg, const struct cairn_resolve_options *options,
    struct cairn_reading *out, struct cairn_resolved *info, struct cairn_error *error) {
    struct cairn_resolution resolution;
    enum cairn_step step = CAIRN_STEP_AGAIN;
    enum cairn_status status = CAIRN_OK;
    size_t most =
        options && options->waiters_most ? options->waiters_most : CAIRN_WAITERS_MOST;
    resolution_init(&resolution, cache);
    while (step == CAIRN_STEP_AGAIN) {
        status =
            cairn_resolution_begin(&resolution, context, base, request,
                                   function != NULL, options, out, info, &step, error);
        if (step == CAIRN_STEP_WAIT)
            status = wait_here(&resolution, most, out, info, &step, error);
    }
    if (step == CAIRN_STEP_DONE)
        return status;
    struct cairn_party bases = cairn_resolution_base(&resolution);
    struct cairn_party requests = cairn_resolution_request(&resolution);
    status = function(arg, &bases, &requests, out, error);
    return cairn_resolution_end(&resolution, status, out, info, error);
}
