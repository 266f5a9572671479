/* policy_module.c -- versions: loaded once, asked by many, gone after the last. */
#include "policy_module.h"

#include <stdlib.h>

#include "policy_seat.h"

/* More callers at once get a sandbox of their own that is thrown away afterwards. */
enum { IDLE_MAX = 16 };

struct policy_counts *policy_counts_retain(struct policy_counts *counts) {
    atomic_fetch_add_explicit(&counts->users, 1, memory_order_relaxed);
    return counts;
}

void policy_counts_release(struct policy_counts *counts) {
    if (counts && atomic_fetch_sub(&counts->users, 1) == 1)
        free(counts);
}

/* -- Life -------------------------------------------------------------------------- */

struct policy_module *policy_module_retain(struct policy_module *module) {
    atomic_fetch_add_explicit(&module->users, 1, memory_order_relaxed);
    return module;
}

void policy_module_trim(struct policy_module *module) {
    pthread_mutex_lock(&module->lock);
    struct policy_seat *seat = module->idle;
    module->idle = NULL;
    module->idle_count = 0;
    pthread_mutex_unlock(&module->lock);
    while (seat) {
        struct policy_seat *next = seat->next;
        policy_seat_close(seat);
        seat = next;
    }
}

void policy_module_release(struct policy_module *module) {
    if (!module || atomic_fetch_sub(&module->users, 1) != 1)
        return;
    policy_module_trim(module);
    pthread_mutex_destroy(&module->lock);
    policy_counts_release(module->counts);
    cairn_bytes_free(&module->source);
    free(module->shown);
    free(module);
}

static struct policy_module *new_module(const struct policy_source *source) {
    struct policy_module *module = calloc(1, sizeof *module);
    if (!module)
        return NULL;
    atomic_init(&module->users, 1);
    pthread_mutex_init(&module->lock, NULL);
    module->counts = calloc(1, sizeof *module->counts);
    module->shown = strdup(source->shown);
    bool room = module->counts && module->shown &&
                cairn_bytes_append(&module->source, source->text);
    if (module->counts)
        atomic_init(&module->counts->users, 1);
    if (!room) {
        policy_module_release(module);
        return NULL;
    }
    strncpy(module->name, source->name, sizeof module->name - 1);
    source_hash(source->text, module->hash);
    module->shipped = source->shipped;
    module->limits = *source->limits;
    module->since_ms = source->now_ms;
    return module;
}

enum cairn_status policy_module_load(const struct policy_source *source,
                                     struct policy_module **out,
                                     struct cairn_error *error) {
    if (source->text.size > POLICY_SOURCE_MAX)
        return cairn_fail(error, CAIRN_LIMIT, "%s:1: it has over %d bytes",
                          source->shown, POLICY_SOURCE_MAX);
    struct policy_module *module = new_module(source);
    if (!module)
        return cairn_fail(error, CAIRN_NO_MEMORY, "%s:1: no memory to load it",
                          source->shown);
    enum cairn_status status = policy_seat_open(module, true, &module->idle, error);
    if (status) {
        policy_module_release(module);
        return status;
    }
    module->idle_count = 1;
    *out = module;
    return CAIRN_OK;
}

/* -- Asking ------------------------------------------------------------------------ */

struct policy_seat *policy_module_borrow(struct policy_module *module) {
    pthread_mutex_lock(&module->lock);
    struct policy_seat *seat = module->idle;
    if (seat) {
        module->idle = seat->next;
        module->idle_count--;
    }
    pthread_mutex_unlock(&module->lock);
    return seat;
}

/* A sandbox that was over its memory may hold what it should not: another is cleaner.
 */
void policy_module_give_back(struct policy_module *module, struct policy_seat *seat,
                             enum cairn_status status) {
    bool kept = false;
    if (status != CAIRN_LIMIT && status != CAIRN_NO_MEMORY) {
        pthread_mutex_lock(&module->lock);
        kept = module->idle_count < IDLE_MAX;
        if (kept) {
            seat->next = module->idle;
            module->idle = seat;
            module->idle_count++;
        }
        pthread_mutex_unlock(&module->lock);
    }
    if (!kept)
        policy_seat_close(seat);
}

static void count(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void count_outcome(struct policy_counts *counts, enum cairn_status status) {
    count(&counts->calls);
    if (status == CAIRN_NOT_FOUND)
        count(&counts->no_opinion);
    else if (status == CAIRN_LIMIT || status == CAIRN_NO_MEMORY)
        count(&counts->breaches);
    else if (status)
        count(&counts->errors);
}

enum cairn_status policy_module_probe(struct policy_module *module,
                                      const struct policy_ask *ask, bool with_line,
                                      struct policy_outcome *outcome,
                                      struct cairn_error *error) {
    struct policy_seat *seat = policy_module_borrow(module);
    enum cairn_status status = CAIRN_OK;
    *outcome = (struct policy_outcome){0};
    if (!seat)
        status = policy_seat_open(module, false, &seat, error);
    if (!status) {
        status = policy_seat_ask(seat, module, ask, with_line, outcome, error);
        policy_module_give_back(module, seat, status);
    }
    return status;
}

enum cairn_status policy_module_ask(struct policy_module *module,
                                    const struct policy_ask *ask, bool with_line,
                                    struct policy_outcome *outcome,
                                    struct cairn_error *error) {
    enum cairn_status status =
        policy_module_probe(module, ask, with_line, outcome, error);
    count_outcome(module->counts, status);
    return status;
}
