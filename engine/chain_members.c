/* chain_members.c -- the health of members: counted, kept out, tried again.
 *
 * After `keep_out_after` failures in a row a member is kept out for `keep_out_ms` of
 * the context's clock. Then one call tries it again, and only one: it is let back, or
 * kept out as long again. (The circuit breaker of M. Nygard, "Release It!", 2007.)
 * Failures of the store count, not those of what was asked: a value that is corrupt for
 * itself keeps nobody out. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "chain_core.h"

/* A store that is unwell, as opposed to a question that it cannot answer. */
static bool is_unwell(enum cairn_status status) {
    return status == CAIRN_UNAVAILABLE || status == CAIRN_IO ||
           status == CAIRN_TIMEOUT || status == CAIRN_NO_MEMORY;
}

bool member_is_kept_out(const struct member *member, int64_t now_ms) {
    int64_t until = atomic_load_explicit(&member->kept_out_until, memory_order_relaxed);
    return until && now_ms < until;
}

static struct leave refuse(const struct call *call, struct member *member,
                           struct reasons *reasons, int64_t until) {
    char why[96];
    int64_t left = until > call->now_ms ? until - call->now_ms : 0;
    snprintf(why, sizeof why,
             left ? "kept out for %" PRId64 " ms more, after %u failures in a row"
                  : "kept out while one call tries it again",
             left, atomic_load(&member->failures));
    count_one(&member->counters.kept_out);
    call_tell(call, member, call->path.text, CAIRN_UNAVAILABLE, "%s", why);
    if (reasons)
        reasons_add(reasons, member, CAIRN_UNAVAILABLE, why);
    return (struct leave){0};
}

struct leave member_admit(const struct call *call, struct member *member,
                          struct reasons *reasons) {
    int64_t until = atomic_load_explicit(&member->kept_out_until, memory_order_relaxed);
    if (until == 0 || !call->decision.keep_out_after)
        return (struct leave){.granted = true};
    if (call->now_ms < until || atomic_exchange(&member->on_trial, true))
        return refuse(call, member, reasons, until);
    /* Another trial may have failed since we looked. */
    until = atomic_load(&member->kept_out_until);
    if (call->now_ms < until) {
        atomic_store(&member->on_trial, false);
        return refuse(call, member, reasons, until);
    }
    return (struct leave){.granted = true, .trial = true};
}

static void succeed(struct member *member, struct leave leave) {
    if (atomic_load_explicit(&member->failures, memory_order_relaxed))
        atomic_store(&member->failures, 0);
    if (atomic_load_explicit(&member->kept_out_until, memory_order_relaxed))
        atomic_store(&member->kept_out_until, 0);
    if (leave.trial)
        atomic_store(&member->on_trial, false);
}

static void fail(const struct call *call, struct member *member, struct leave leave) {
    unsigned failures = atomic_fetch_add(&member->failures, 1) + 1;
    if (call->decision.keep_out_after && failures >= call->decision.keep_out_after) {
        int64_t now = cairn_context_now(call->context);
        int64_t ms = call->decision.keep_out_ms;
        atomic_store(&member->kept_out_until,
                     ms > INT64_MAX - now ? INT64_MAX : now + ms);
    }
    if (leave.trial) /* after the time: nobody may slip in between */
        atomic_store(&member->on_trial, false);
}

/* An eighth of the new: some twenty answers until a change shows. Two threads that add
 * at once lose one of the two. */
static void add_latency(struct member *member, int64_t took_ns) {
    int64_t before = atomic_load_explicit(&member->latency_ns, memory_order_relaxed);
    int64_t after = before ? before + (took_ns - before) / 8 : took_ns;
    atomic_store_explicit(&member->latency_ns, after > 0 ? after : 1,
                          memory_order_relaxed);
}

void member_answered(const struct call *call, struct member *member, struct leave leave,
                     enum cairn_status status, int64_t took_ns) {
    struct counters *counters = &member->counters;
    if (took_ns >= 0)
        add_latency(member, took_ns);
    if (is_unwell(status)) {
        count_one(&counters->failed);
        fail(call, member, leave);
        return;
    }
    enum verdict verdict = verdict_of(status);
    count_one(verdict == FAILED         ? &counters->failed
              : verdict == MISSED       ? &counters->missed
              : call->writes && !status ? &counters->written
                                        : &counters->found);
    succeed(member, leave);
}

void member_timed_out(const struct call *call, struct member *member,
                      struct leave leave) {
    count_one(&member->counters.timed_out);
    fail(call, member, leave);
}

void member_unheard(struct member *member, struct leave leave) {
    if (leave.trial)
        atomic_store(&member->on_trial, false);
}

int64_t chain_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
