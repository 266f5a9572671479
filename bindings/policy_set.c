/* policy_set.c -- who decides: put together anew at each change and swapped as a whole,
 * so that every call sees one state of things. */
#include "policy_inner.h"

#include <stdlib.h>

#include "policy_seat.h"

static void free_set(struct policy_set *set) {
    for (int question = 0; question < POLICY_QUESTIONS; question++) {
        for (size_t i = 0; i < MAKERS_MAX; i++)
            policy_module_release(set->makers[question][i]);
        policy_canary_release(set->canaries[question]);
    }
    free(set);
}

void policy_set_release(struct policy_set *set) {
    if (set && atomic_fetch_sub(&set->users, 1) == 1)
        free_set(set);
}

struct policy_set *policy_set_borrow(struct policy_host *host) {
    pthread_mutex_lock(&host->lock);
    struct policy_set *set = host->set;
    atomic_fetch_add_explicit(&set->users, 1, memory_order_relaxed);
    pthread_mutex_unlock(&host->lock);
    return set;
}

/* -- Shipped policies -------------------------------------------------------------- */

/* They are known to end, whatever the facts, and their steps are not counted: that
 * saves a third of the time of a decision. */
static enum cairn_status load_shipped(struct policy_host *host,
                                      const struct policy_shipped *shipped,
                                      struct policy_module **out,
                                      struct cairn_error *error) {
    struct sandbox_limits limits = host->settings.limits;
    limits.steps = UINT64_MAX;
    struct policy_source source = {.name = shipped->name,
                                   .shown = shipped->shown,
                                   .shipped = true,
                                   .text = shipped->source,
                                   .limits = &limits,
                                   .now_ms = policy_host_now(host)};
    enum cairn_status status = policy_module_load(&source, out, error);
    struct policy_seat *seat = status ? NULL : policy_module_borrow(*out);
    if (seat) { /* its examples have been tried when it was shipped */
        policy_seat_forget_examples(seat, *out);
        policy_module_give_back(*out, seat, CAIRN_OK);
    }
    return status;
}

enum cairn_status policy_set_shipped(struct policy_host *host, const char *name,
                                     struct policy_module **out,
                                     struct cairn_error *error) {
    const struct policy_shipped *shipped;
    size_t i = 0;
    while ((shipped = policy_shipped_at(i)) && strcmp(shipped->name, name) != 0)
        i++;
    if (!shipped)
        return cairn_fail(error, CAIRN_NOT_FOUND, "there is no policy '%s'", name);
    enum cairn_status status = CAIRN_OK;
    if (!host->shipped[i])
        status = load_shipped(host, shipped, &host->shipped[i], error);
    if (!status)
        *out = host->shipped[i];
    return status;
}

/* -- Putting it together ----------------------------------------------------------- */

/* A shipped policy that does not load (its limits may be too tight for it) is reported
 * and left out: the engine has an answer of its own. */
static void add_shipped(struct policy_host *host, struct policy_set *set,
                        enum policy_question question, const char *name) {
    struct policy_module **makers = set->makers[question], *module = NULL;
    struct cairn_error why;
    enum cairn_status status = policy_set_shipped(host, name, &module, &why);
    if (status && status != CAIRN_NOT_FOUND)
        policy_events_add(host->events, policy_host_now(host), name, NULL, "refused",
                          why.message);
    if (status || module->question != question)
        return;
    while (*makers)
        makers++;
    *makers = policy_module_retain(module);
}

static void add_makers(struct policy_host *host, struct policy_set *set,
                       enum policy_question question) {
    const char *own = policy_question_names[question];
    const char *used = host->settings.use[question];
    const struct policy_file *file = policy_load_find(host, used);
    struct policy_canary *canary = host->canaries[question];
    if (file && file->module)
        set->makers[question][0] = policy_module_retain(file->module);
    add_shipped(host, set, question, used);
    if (strcmp(own, used) != 0)
        add_shipped(host, set, question, own);
    if (canary && !atomic_load(&canary->over))
        set->canaries[question] = policy_canary_retain(canary);
}

enum cairn_status policy_set_renew(struct policy_host *host,
                                   struct cairn_error *error) {
    struct policy_set *set = calloc(1, sizeof *set), *old;
    if (!set)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for policies");
    atomic_init(&set->users, 1);
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        add_makers(host, set, (enum policy_question)question);
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        atomic_store(&host->trials[question], set->canaries[question] != NULL);
    pthread_mutex_lock(&host->lock);
    old = host->set;
    host->set = set;
    set->generation = 1 + atomic_load(&host->generation);
    atomic_store(&host->generation, set->generation);
    pthread_mutex_unlock(&host->lock);
    policy_set_release(old);
    return CAIRN_OK;
}
