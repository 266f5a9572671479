/* policy_decide.c -- one decision: remembered, or asked for, maker after maker.
 *
 * The way of a common call: the plain facts as bytes, a look into the memory. Only if
 * that fails the set of makers is borrowed and a script runs. Nothing that a script
 * does fails the call: the next maker is asked, and behind the last one there is the
 * engine. */
#include "policy_inner.h"

#include <stdio.h>

#include "policy_emit.h"

/* A call under way. */
struct call {
    struct policy_host *host;
    const struct cairn_context *context;
    const struct policy_ask *ask;
    bool traced;  /* the caller wants to know why */
    bool vouched; /* nothing stood in the way of remembering so far */
};

/* -- Reports ----------------------------------------------------------------------- */

/* The first failure of a version is reported, the second, the fourth, ...: a script
 * that always fails must not fill the log. */
static void report_failure(struct call *call, struct policy_module *module,
                           enum cairn_status status, const struct cairn_error *error) {
    char message[400];
    bool breach = status != CAIRN_POLICY_ERROR;
    uint64_t times =
        atomic_load(&module->counts->errors) + atomic_load(&module->counts->breaches);
    if (times & (times - 1))
        return;
    int size = snprintf(message, sizeof message, "%.360s", error->message);
    if (times > 1)
        snprintf(message + size, sizeof message - (size_t)size, " (%llu times)",
                 (unsigned long long)times);
    policy_events_add(call->host->events, policy_host_now(call->host), module->name,
                      module->hash, breach ? "breach" : "error", message);
    policy_watch_wake(call->host);
}

static void tell_failure(struct call *call, const struct policy_module *module,
                         bool canary, enum cairn_status status,
                         const struct cairn_error *error) {
    struct cairn_decider by = {.canary = canary};
    if (!call->traced)
        return;
    memcpy(by.policy, module->name, sizeof by.policy);
    memcpy(by.version, module->hash, 12);
    struct cairn_trace_event event = {.operation =
                                          policy_question_names[call->ask->question],
                                      .status = status,
                                      .detail = error->message,
                                      .decider = &by};
    call->context->trace(call->context->trace_arg, &event);
}

/* What was decided, for a replay. `status` is CAIRN_NOT_FOUND if the engine decides. */
static void record(struct policy_host *host, const struct policy_ask *ask,
                   enum cairn_status status) {
    union policy_decision own;
    struct policy_ask engine = *ask;
    int64_t now_ms = policy_host_now(host);
    struct policy_json json = {.ok = true};
    if (status) {
        engine.decision.any = &own;
        policy_ask_default(&engine);
    }
    const struct cairn_decider *by = policy_ask_decider(&engine);
    policy_json_open(&json, '{');
    policy_json_key(&json, "time");
    policy_json_integer(&json, now_ms);
    policy_json_key(&json, "question");
    policy_json_string(&json, cairn_slice_of(policy_question_names[ask->question]));
    policy_json_key(&json, "facts");
    policy_emit_facts(&json, ask);
    policy_json_key(&json, "decision");
    policy_emit_json(&json, &engine);
    if (by->policy[0]) {
        policy_json_key(&json, "policy");
        policy_json_string(&json, cairn_slice_of(by->policy));
        policy_json_key(&json, "version");
        policy_json_string(&json, cairn_slice_of(by->version));
    }
    policy_json_close(&json, '}');
    policy_json_raw(&json, "\n");
    if (json.ok)
        policy_trace_add(host->trace, cairn_bytes_slice(&json.text), now_ms);
    cairn_bytes_free(&json.text);
}

/* -- Asking ------------------------------------------------------------------------ */

static enum cairn_status ask_maker(struct call *call, struct policy_module *module,
                                   bool canary) {
    struct policy_outcome outcome;
    struct cairn_error why;
    enum cairn_status status =
        policy_module_ask(module, call->ask, call->traced, &outcome, &why);
    bool failed = status && status != CAIRN_NOT_FOUND;
    if (outcome.volatile_seen || outcome.uncacheable || failed)
        call->vouched = false;
    if (failed) {
        report_failure(call, module, status, &why);
        tell_failure(call, module, canary, status, &why);
    }
    return status;
}

static enum cairn_status ask_canary(struct call *call, struct policy_canary *canary) {
    enum cairn_status status = ask_maker(call, canary->module, true);
    if (policy_canary_judge(canary, status && status != CAIRN_NOT_FOUND))
        policy_watch_wake(call->host);
    if (!status)
        policy_ask_decider(call->ask)->canary = true;
    return status;
}

/* Down the list until one has an opinion. `*decided` is who. */
static enum cairn_status ask_all(struct call *call, struct policy_set *set, bool turn,
                                 struct policy_module **decided) {
    struct policy_canary *canary = set->canaries[call->ask->question];
    struct policy_module **makers = set->makers[call->ask->question];
    *decided = NULL;
    if (turn && ask_canary(call, canary) == CAIRN_OK) {
        *decided = canary->module;
        return CAIRN_OK;
    }
    for (size_t i = 0; i < MAKERS_MAX && makers[i]; i++) {
        if (ask_maker(call, makers[i], false))
            continue;
        *decided = makers[i];
        return CAIRN_OK;
    }
    policy_ask_reset(call->ask);
    return CAIRN_NOT_FOUND;
}

/* -- Remembering ------------------------------------------------------------------- */

/* What candidates decide is remembered apart: a key begins with whether one does. */
static void mark_turn(struct policy_host *host, char *key, struct policy_key *known) {
    key[0] = 1;
    *known = policy_memory_key(host->memory, known->bytes);
}

/* The facts that `known` stands for begin at `key`; no size: they cannot be known. */
static enum cairn_status decide_anew(struct call *call, char *key,
                                     struct policy_key *known) {
    struct policy_host *host = call->host;
    struct policy_set *set = policy_set_borrow(host);
    struct policy_canary *canary = set->canaries[call->ask->question];
    struct policy_module *decided;
    bool turn = canary && policy_canary_turn(canary, call->ask);
    bool knowable = known->bytes.size != 0;
    enum cairn_status status = CAIRN_UNAVAILABLE;
    if (knowable && turn)
        mark_turn(host, key, known);
    if (knowable && canary) /* without one it has been looked for already */
        status = policy_memory_find(host->memory, set->generation, known, call->traced,
                                    call->ask);
    if (status == CAIRN_UNAVAILABLE) {
        status = ask_all(call, set, turn, &decided);
        if (knowable && call->vouched)
            policy_memory_keep(host->memory, set->generation, known, call->ask, status,
                               decided ? decided->counts : NULL);
    } else if (turn) {
        policy_canary_judge(canary, false);
    }
    policy_set_release(set);
    return status;
}

static enum cairn_status decide(struct policy_host *host,
                                const struct cairn_context *context,
                                const struct policy_ask *ask) {
    char key[POLICY_KEY_ROOM];
    struct policy_key known = {{key, 0}, 0};
    struct call call = {.host = host,
                        .context = context,
                        .ask = ask,
                        .traced = context && context->trace,
                        .vouched = true};
    enum cairn_status status = CAIRN_UNAVAILABLE;
    key[0] = 0;
    if (host->memory)
        known.bytes.size = policy_ask_key(ask, key, 1);
    if (known.bytes.size)
        known = policy_memory_key(host->memory, known.bytes);
    if (known.bytes.size &&
        !atomic_load_explicit(&host->trials[ask->question], memory_order_relaxed))
        status = policy_memory_find(host->memory, atomic_load(&host->generation),
                                    &known, call.traced, ask);
    if (status == CAIRN_UNAVAILABLE)
        status = decide_anew(&call, key, &known);
    if (policy_trace_is_on(host->trace))
        record(host, ask, status);
    return status;
}

/* -- The seam ---------------------------------------------------------------------- */

static enum cairn_status decide_cache(void *self, const struct cairn_context *context,
                                      const struct cairn_cache_facts *facts,
                                      struct cairn_cache_decision *out,
                                      struct cairn_error *error) {
    struct policy_ask ask = {
        .question = POLICY_CACHE_CONTROL, .facts.cache = facts, .decision.cache = out};
    (void)error; /* what failed has been reported: nobody has an opinion */
    return decide(self, context, &ask);
}

static enum cairn_status decide_chain(void *self, const struct cairn_context *context,
                                      const struct cairn_chain_facts *facts,
                                      struct cairn_chain_decision *out,
                                      struct cairn_error *error) {
    struct policy_ask ask = {
        .question = POLICY_CHAIN, .facts.chain = facts, .decision.chain = out};
    (void)error;
    return decide(self, context, &ask);
}

static enum cairn_status decide_eviction(void *self,
                                         const struct cairn_context *context,
                                         const struct cairn_eviction_facts *facts,
                                         struct cairn_eviction_decision *out,
                                         struct cairn_error *error) {
    struct policy_ask ask = {
        .question = POLICY_EVICTION, .facts.eviction = facts, .decision.eviction = out};
    (void)error;
    return decide(self, context, &ask);
}

void policy_decide_init(struct policy_host *host) {
    host->policy = (struct cairn_policy){.self = host,
                                         .cache = decide_cache,
                                         .chain = decide_chain,
                                         .eviction = decide_eviction};
}

/* -- Trials outside of calls ------------------------------------------------------- */

/* Of those in use, or only the shipped ones. */
static void decide_in_use(struct policy_host *host, bool shipped_only,
                          const struct policy_ask *ask) {
    struct policy_outcome outcome;
    struct cairn_error ignored;
    struct policy_set *set = policy_set_borrow(host);
    struct policy_module **makers = set->makers[ask->question];
    enum cairn_status status = CAIRN_NOT_FOUND;
    for (size_t i = 0; i < MAKERS_MAX && makers[i] && status; i++)
        if (makers[i]->shipped || !shipped_only)
            status = policy_module_probe(makers[i], ask, true, &outcome, &ignored);
    policy_set_release(set);
    if (status)
        policy_ask_default(ask);
}

enum cairn_status policy_decide_with(struct policy_host *host,
                                     struct policy_module *candidate,
                                     const struct policy_ask *ask,
                                     struct cairn_error *error) {
    struct policy_outcome outcome;
    enum cairn_status status = CAIRN_NOT_FOUND;
    bool asked = candidate && candidate->question == ask->question;
    if (asked)
        status = policy_module_probe(candidate, ask, true, &outcome, error);
    if (status)
        decide_in_use(host, asked, ask);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}
