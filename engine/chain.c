/* chain.c -- several stores as one: opening, narrowing, and how every call begins.
 *
 * A call collects what is known of the members, asks the policy whom to ask, and is
 * carried out by the files that chain_core.h lists. A read that the first member
 * answers takes no memory and no lock. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "chain_core.h"
#include "expect.h"

/* -- Names ------------------------------------------------------------------------ */

static bool is_taken(const struct state *state, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (state->members[i].name && strcmp(state->members[i].name, name) == 0)
            return true;
    return false;
}

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static enum cairn_status no_memory(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a chain");
}

/* Those that were given, first: the others go round them. */
static enum cairn_status take_names(struct state *state,
                                    const struct cairn_chain_member *members,
                                    size_t count, struct cairn_error *error) {
    for (size_t i = 0; i < count; i++) {
        const char *name = members[i].name;
        if (!name)
            continue;
        if (!*name)
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "member %zu of the chain has an empty name", i + 1);
        if (is_taken(state, i, name))
            return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                                 "two members of a chain have the name",
                                 cairn_slice_of(name));
        if (!(state->members[i].name = copy_text(name)))
            return no_memory(error);
    }
    return CAIRN_OK;
}

/* The backend's name, or with the first number behind it that is free. */
static enum cairn_status make_names(struct state *state, struct cairn_error *error) {
    for (size_t i = 0; i < state->count; i++) {
        struct member *member = &state->members[i];
        const char *backend = member->store->core->backend->name;
        char name[128];
        snprintf(name, sizeof name, "%s", backend);
        for (unsigned number = 2; !member->name && is_taken(state, state->count, name);
             number++)
            snprintf(name, sizeof name, "%.100s%u", backend, number);
        if (!member->name && !(member->name = copy_text(name)))
            return no_memory(error);
    }
    return CAIRN_OK;
}

static enum cairn_status check_scopes(const struct state *state,
                                      struct cairn_error *error) {
    for (size_t i = 0; i < state->count; i++) {
        enum cairn_scope scope = state->members[i].scope;
        if (scope != CAIRN_SCOPE_LOCAL && scope != CAIRN_SCOPE_REMOTE &&
            scope != CAIRN_SCOPE_CLUSTER)
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "member %zu of the chain has a scope that is none: %u",
                              i + 1, (unsigned)scope);
    }
    return CAIRN_OK;
}

/* A tier and a store that are the same would drop what is written. */
static enum cairn_status check_stores(const struct state *state,
                                      struct cairn_error *error) {
    for (size_t i = 0; i < state->count; i++)
        for (size_t j = 0; j < i; j++)
            if (state->members[i].store->core == state->members[j].store->core &&
                (state->members[i].flags | state->members[j].flags) & CAIRN_MEMBER_TIER)
                return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                                  "a tier of the chain is the same store as another "
                                  "member: %s",
                                  cairn_store_url(state->members[i].store));
    return CAIRN_OK;
}

/* -- Opening and closing ---------------------------------------------------------- */

/* So many of one member may hang; what comes then waits for its turn, and its deadline.
 */
enum { STRAGGLERS = 8 };

static void state_release(struct state *state) {
    if (atomic_fetch_sub(&state->chains, 1) > 1)
        return;
    for (size_t i = 0; i < state->count; i++)
        pool_close(&state->members[i].pool);
    for (size_t i = 0; i < state->count; i++)
        free(state->members[i].name);
    pthread_mutex_destroy(&state->emptying);
    free(state);
}

static struct state *state_new(const struct cairn_chain_member *members, size_t count,
                               const struct cairn_policy *policy) {
    struct state *state = aligned_alloc(_Alignof(struct state), sizeof *state);
    if (!state)
        return NULL;
    memset(state, 0, sizeof *state);
    atomic_init(&state->chains, 1);
    pthread_mutex_init(&state->emptying, NULL);
    state->policy = policy;
    state->count = count;
    for (size_t i = 0; i < count; i++) {
        struct member *member = &state->members[i];
        const unsigned both = CAIRN_MEMBER_READS | CAIRN_MEMBER_WRITES;
        member->store = members[i].store;
        member->flags = members[i].flags & (both | CAIRN_MEMBER_TIER);
        if (!(member->flags & both))
            member->flags |= both;
        member->scope =
            members[i].scope ? members[i].scope : cairn_store_scope(members[i].store);
        state->has_tiers |= (member->flags & CAIRN_MEMBER_TIER) != 0;
        pool_init(&member->pool, STRAGGLERS);
    }
    return state;
}

static struct cairn_chain *chain_new(struct state *state) {
    struct cairn_chain *chain = calloc(1, sizeof *chain);
    if (chain)
        chain->state = state;
    return chain;
}

static void add_member(struct cairn_chain *chain, size_t member) {
    const struct member *added = &chain->state->members[member];
    const struct cairn_backend *backend = added->store->core->backend;
    chain->facts[chain->count] = (struct cairn_member_facts){.name = added->name,
                                                             .backend = backend->name,
                                                             .scope = added->scope,
                                                             .flags = added->flags};
    chain->members[chain->count++] = (uint8_t)member;
}

enum cairn_status cairn_chain_open(const struct cairn_chain_member *members,
                                   size_t count, const struct cairn_policy *policy,
                                   struct cairn_chain **out,
                                   struct cairn_error *error) {
    if (count == 0 || count > CAIRN_CHAIN_MAX)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a chain has 1 to %d members, not %zu", CAIRN_CHAIN_MAX,
                          count);
    struct state *state = state_new(members, count, policy);
    if (!state)
        return no_memory(error);
    enum cairn_status status = check_scopes(state, error);
    if (!status)
        status = check_stores(state, error);
    if (!status)
        status = take_names(state, members, count, error);
    if (!status)
        status = make_names(state, error);
    struct cairn_chain *chain = status ? NULL : chain_new(state);
    if (!chain) {
        state_release(state);
        return status ? status : no_memory(error);
    }
    for (size_t i = 0; i < count; i++)
        add_member(chain, i);
    *out = chain;
    return CAIRN_OK;
}

enum cairn_status cairn_chain_narrow(struct cairn_chain *chain, const size_t *members,
                                     size_t count, struct cairn_chain **out,
                                     struct cairn_error *error) {
    uint32_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        if (members[i] >= chain->count || seen >> members[i] & 1)
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "a chain of %zu is narrowed to a member %zu that is not "
                              "there, or there already",
                              chain->count, members[i]);
        seen |= UINT32_C(1) << members[i];
    }
    struct cairn_chain *narrow = chain_new(chain->state);
    if (!narrow)
        return no_memory(error);
    atomic_fetch_add(&chain->state->chains, 1);
    for (size_t i = 0; i < count; i++)
        add_member(narrow, chain->members[members[i]]);
    *out = narrow;
    return CAIRN_OK;
}

void cairn_chain_close(struct cairn_chain *chain) {
    if (!chain)
        return;
    state_release(chain->state);
    free(chain);
}

/* -- Facts ------------------------------------------------------------------------ */

/* Facts about time may be a tick old; those who are told a clock believe that one. */
static int64_t rough_now(const struct cairn_context *context) {
    struct timespec now;
    if (context && context->now_ms)
        return context->now_ms(context->clock);
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void collect_facts(const struct cairn_chain *chain, int64_t now_ms,
                          struct cairn_member_facts *out, size_t count) {
    memcpy(out, chain->facts, count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        struct member *member = chain_member(chain, i);
        out[i].failures = atomic_load_explicit(&member->failures, memory_order_relaxed);
        out[i].latency_us =
            (atomic_load_explicit(&member->latency_ns, memory_order_relaxed) + 999) /
            1000;
        if (member_is_kept_out(member, now_ms))
            out[i].flags |= CAIRN_MEMBER_FAILING;
    }
}

size_t cairn_chain_members(struct cairn_chain *chain,
                           const struct cairn_context *context,
                           struct cairn_member_facts *out, size_t room) {
    collect_facts(chain, rough_now(context), out,
                  room < chain->count ? room : chain->count);
    return chain->count;
}

struct cairn_store *cairn_chain_store(struct cairn_chain *chain, size_t member) {
    return member < chain->count ? chain_member(chain, member)->store : NULL;
}

static uint64_t counted(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void cairn_chain_counts(struct cairn_chain *chain, size_t member,
                        struct cairn_member_counts *out) {
    *out = (struct cairn_member_counts){0};
    if (member >= chain->count)
        return;
    const struct counters *counters = &chain_member(chain, member)->counters;
    out->found = counted(&counters->found);
    out->missed = counted(&counters->missed);
    out->failed = counted(&counters->failed);
    out->timed_out = counted(&counters->timed_out);
    out->kept_out = counted(&counters->kept_out);
    out->promoted = counted(&counters->promoted);
    out->written = counted(&counters->written);
    out->asked = out->found + out->missed + out->failed + out->timed_out + out->written;
}

/* -- Calls ------------------------------------------------------------------------ */

struct expected chain_expect(const struct cairn_chain *chain, struct cairn_slice path) {
    for (size_t i = 0; chain->state->has_tiers && i < chain->count; i++) {
        const struct member *member = chain_member(chain, i);
        const struct core *core = member->store->core;
        if (member->flags & CAIRN_MEMBER_TIER && core->backend->expect)
            return (struct expected){core->backend, core->self,
                                     core->backend->expect(core->self, path, 0)};
    }
    return (struct expected){NULL, NULL, 0};
}

void chain_expect_on(const struct expected *expected) {
    if (expected->backend)
        expected->backend->expect(expected->self, (struct cairn_slice){"", 0},
                                  expected->before);
}

enum cairn_status call_begin(struct call *call, struct cairn_chain *chain,
                             const struct cairn_context *context,
                             enum cairn_chain_action action, const char *operation,
                             struct cairn_slice path, uint64_t size_bytes,
                             struct cairn_error *error) {
    enum cairn_status status = cairn_context_check(context, error);
    if (status || (status = cairn_path_normalize(path, &call->path, error)))
        return status;
    call->chain = chain;
    call->context = context;
    call->operation = operation;
    call->writes = action == CAIRN_CHAIN_WRITE;
    call->now_ms = rough_now(context);
    collect_facts(chain, call->now_ms, call->facts, chain->count);
    struct cairn_chain_facts facts = {.action = action,
                                      .operation = operation,
                                      .members = call->facts,
                                      .count = chain->count,
                                      .path = call->path.text,
                                      .size_bytes = size_bytes,
                                      .now_ms = call->now_ms};
    cairn_policy_chain(chain->state->policy, context, &facts, &call->decision);
    return CAIRN_OK;
}

void chain_tell(const struct cairn_context *context, const char *operation,
                const struct member *member, struct cairn_slice path,
                enum cairn_status status, const char *detail) {
    if (!context || !context->trace)
        return;
    struct cairn_trace_event event = {.operation = operation,
                                      .store = cairn_store_url(member->store),
                                      .path = path,
                                      .status = status,
                                      .detail = detail};
    context->trace(context->trace_arg, &event);
}

void call_tell(const struct call *call, const struct member *member,
               struct cairn_slice path, enum cairn_status status, const char *format,
               ...) {
    if (!call->context || !call->context->trace)
        return;
    char detail[200];
    if (format) {
        va_list rest;
        va_start(rest, format);
        vsnprintf(detail, sizeof detail, format, rest);
        va_end(rest);
    }
    chain_tell(call->context, call->operation, member, path, status,
               format ? detail : NULL);
}

void reasons_add(struct reasons *reasons, const struct member *member,
                 enum cairn_status status, const char *why) {
    if (reasons->count++ == 0)
        reasons->status = status;
    else if (reasons->status != status)
        reasons->status = CAIRN_UNAVAILABLE;
    size_t room = sizeof reasons->text - reasons->size, named = strlen(member->name);
    /* A member that has its backend's name is in the store's message already. */
    if (strncmp(why, member->name, named) == 0 && strncmp(why + named, ": ", 2) == 0)
        why += named + 2;
    int size = snprintf(reasons->text + reasons->size, room, "%s%s: %.110s (%s)",
                        reasons->size ? "; " : "", member->name, why,
                        cairn_status_word(status));
    reasons->size += size < 0 ? 0 : (size_t)size < room ? (size_t)size : room - 1;
}
