/* policy_canary.c -- a candidate that decides a share of the calls, on trial. */
#include "policy_inner.h"

#include <stdio.h>
#include <stdlib.h>

struct policy_canary *policy_canary_retain(struct policy_canary *canary) {
    atomic_fetch_add_explicit(&canary->users, 1, memory_order_relaxed);
    return canary;
}

void policy_canary_release(struct policy_canary *canary) {
    if (!canary || atomic_fetch_sub(&canary->users, 1) != 1)
        return;
    policy_module_release(canary->module);
    free(canary);
}

/* Scatters numbers that lie side by side. */
static uint64_t scatter(uint64_t number) {
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

/* By chance: what is spread evenly falls in step with callers that take turns, and the
 * candidate never sees some of them. All moments of a call have the same luck. */
bool policy_canary_turn(struct policy_canary *canary, const struct policy_ask *ask) {
    if (atomic_load_explicit(&canary->over, memory_order_relaxed))
        return false;
    uint64_t call = ask->question == POLICY_CACHE_CONTROL ? ask->facts.cache->call : 0;
    if (!call)
        call = ~atomic_fetch_add_explicit(&canary->turns, 1, memory_order_relaxed);
    double drawn = (double)(scatter(canary->seed + call) >> 11) / (double)(1ULL << 53);
    return drawn < canary->share;
}

bool policy_canary_judge(struct policy_canary *canary, bool failed) {
    uint64_t calls = 1 + atomic_fetch_add(&canary->calls, 1);
    if (!failed)
        return false;
    uint64_t errors = 1 + atomic_fetch_add(&canary->errors, 1);
    bool too_many = calls >= (uint64_t)canary->min_calls &&
                    (double)errors > (double)calls * canary->max_errors;
    return too_many && !atomic_exchange(&canary->over, true);
}

/* The question that a policy of that name decides at the moment. */
static bool decides(const struct policy_host *host, const char *name,
                    enum policy_question *out) {
    for (int question = 0; question < POLICY_QUESTIONS; question++) {
        *out = (enum policy_question)question;
        if (strcmp(host->settings.use[question], name) == 0)
            return true;
    }
    return false;
}

enum cairn_status policy_canary_start(struct policy_host *host,
                                      struct policy_module *module, double share,
                                      double max_errors, int64_t min_calls,
                                      struct cairn_error *error) {
    enum policy_question question;
    if (!decides(host, module->name, &question))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "%s: it decides nothing here that a candidate could decide",
                          module->name);
    struct policy_canary *canary = calloc(1, sizeof *canary);
    if (!canary)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a canary");
    atomic_init(&canary->users, 1);
    canary->module = policy_module_retain(module);
    canary->seed = scatter((uint64_t)cairn_context_now(NULL) ^ (uintptr_t)canary);
    canary->share = share;
    canary->max_errors = max_errors;
    canary->min_calls = min_calls;
    policy_canary_release(host->canaries[question]);
    host->canaries[question] = canary;
    char message[64];
    snprintf(message, sizeof message, "decides %.4g %% of the calls", share * 100);
    policy_events_add(host->events, policy_host_now(host), module->name, module->hash,
                      "canary", message);
    return policy_set_renew(host, error);
}

enum cairn_status policy_canary_begin(struct policy_host *host,
                                      struct policy_module *module, double share,
                                      double max_errors, int64_t min_calls,
                                      struct cairn_error *error) {
    enum policy_question question;
    enum cairn_status status =
        policy_canary_start(host, module, share, max_errors, min_calls, error);
    if (!status && decides(host, module->name, &question))
        policy_trial_save(host, host->canaries[question]);
    return status;
}

/* A file of the same content decides from now on: it was not for nothing. */
static const char *outcome_of(struct policy_host *host,
                              const struct policy_module *candidate) {
    const struct policy_file *file = policy_load_find(host, candidate->name);
    bool decides_now =
        file && file->module && strcmp(file->module->hash, candidate->hash) == 0;
    return decides_now ? "promoted" : "abandoned";
}

enum cairn_status policy_canary_end(struct policy_host *host, const char *name,
                                    struct cairn_error *error) {
    enum policy_question question;
    struct policy_canary *canary =
        decides(host, name, &question) ? host->canaries[question] : NULL;
    if (!canary)
        return cairn_fail(error, CAIRN_NOT_FOUND, "%s: no candidate is on trial", name);
    bool was_over = atomic_exchange(&canary->over, true);
    if (!was_over)
        policy_events_add(host->events, policy_host_now(host), name,
                          canary->module->hash, outcome_of(host, canary->module), NULL);
    policy_trial_remove(host, name, NULL);
    policy_canary_release(canary);
    host->canaries[question] = NULL;
    return policy_set_renew(host, error);
}

static void report(struct policy_host *host, struct policy_canary *canary) {
    snprintf(canary->returned, sizeof canary->returned,
             "%llu of its %llu calls failed, and %.4g %% are allowed",
             (unsigned long long)atomic_load(&canary->errors),
             (unsigned long long)atomic_load(&canary->calls), canary->max_errors * 100);
    policy_events_add(host->events, policy_host_now(host), canary->module->name,
                      canary->module->hash, "returned", canary->returned);
    policy_trial_remove(host, canary->module->name, canary->module->hash);
}

void policy_canary_sweep(struct policy_host *host) {
    bool changed = false;
    for (int question = 0; question < POLICY_QUESTIONS; question++) {
        struct policy_canary *canary = host->canaries[question];
        if (!canary || !atomic_load(&canary->over) || canary->returned[0])
            continue;
        report(host, canary);
        changed = true;
    }
    if (changed)
        policy_set_renew(host, NULL);
}
