/* chain_core.h -- the insides of a chain, shared by the files that make it up.
 *
 *   chain.c          opening, narrowing, and how every call begins: facts, decision
 *   chain_members.c  health: who is kept out, who is let back, how long they take
 *   chain_read.c     reading: round after round through the members
 *   chain_ask.c      one question to one member
 *   chain_threads.c  ... to several at once, or with a deadline
 *   chain_promote.c  putting what a later member answered into earlier ones
 *   chain_write.c    changes: to the first that accepts, or to several
 *   chain_whole.c    delete, reset and sync: on all of them
 *   chain_tiers.c    dropping from the tiers what is changed behind them
 *
 * A chain and those narrowed from it share one state: the members and their health. */
#ifndef CAIRN_CHAIN_CORE_H
#define CAIRN_CHAIN_CORE_H

#include <stdatomic.h>

#include "cairn/chain.h"
#include "core.h"
#include "pool.h"
#include "watch.h"

struct counters {
    _Atomic uint64_t found, missed, failed, timed_out, kept_out, promoted, written;
};

struct member {
    struct cairn_store *store;
    char *name; /* owned */
    unsigned flags;
    enum cairn_scope scope; /* the store's own, unless the chain was told another */
    struct pool pool;

    /* Health. What every call reads is apart from what every call writes. */
    atomic_uint failures;           /* in a row */
    _Atomic int64_t kept_out_until; /* ms; 0: is asked */
    atomic_bool on_trial;           /* kept out, but one call is trying it again */
    _Atomic int64_t latency_ns;     /* a moving average; 0: none yet */

    /* A tier that may hold what is no longer so: not read before it has been emptied.
     */
    atomic_bool distrusted;
    _Atomic int64_t mend_at; /* ms: not before, the last try failed */

    _Alignas(64) struct counters counters;
};

struct state {
    struct member members[CAIRN_CHAIN_MAX];
    size_t count;
    const struct cairn_policy *policy;
    atomic_uint chains; /* that share it */
    bool has_tiers;
    pthread_mutex_t emptying; /* one tier at a time */
};

struct cairn_chain {
    struct state *state;
    size_t count;
    uint8_t members[CAIRN_CHAIN_MAX];                 /* of the state */
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX]; /* those that never change */
};

static inline struct member *chain_member(const struct cairn_chain *chain, size_t i) {
    return &chain->state->members[chain->members[i]];
}

/* -- A call, while it lasts ------------------------------------------------------- */

struct call {
    struct cairn_chain *chain;
    const struct cairn_context *context;
    const char *operation;
    struct cairn_path path; /* points at the caller's bytes, or into itself */
    struct cairn_member_facts facts[CAIRN_CHAIN_MAX];
    struct cairn_chain_decision decision;
    int64_t now_ms;
    bool writes;
};

/* Checks context and path, collects the facts, asks the policy. */
enum cairn_status call_begin(struct call *call, struct cairn_chain *chain,
                             const struct cairn_context *context,
                             enum cairn_chain_action action, const char *operation,
                             struct cairn_slice path, uint64_t size_bytes,
                             struct cairn_error *error);

/* The i-th of the decided order: its index in the chain, and itself. */
static inline size_t call_index(const struct call *call, size_t i) {
    return call->decision.order[i];
}

static inline uint32_t call_bit(const struct call *call, size_t i) {
    return UINT32_C(1) << call->decision.order[i];
}

static inline struct member *call_member(const struct call *call, size_t i) {
    return chain_member(call->chain, call_index(call, i));
}

static inline bool in_scope(const struct member *member,
                            const struct cairn_context *context) {
    return !context || !context->scopes || context->scopes & member->scope;
}

/* The context with which a member that is in scope is asked: its store knows its
 * backend's scope only. `room` may be what is returned. */
static inline const struct cairn_context *in_reach(const struct member *member,
                                                   const struct cairn_context *context,
                                                   struct cairn_context *room) {
    if (!context || !context->scopes ||
        context->scopes & member->store->core->backend->scope)
        return context;
    *room = *context;
    room->scopes = 0;
    return room;
}

/* Tells the trace about a step that no store tells of. `format` NULL: no detail. */
__attribute__((format(printf, 5, 6))) void
call_tell(const struct call *call, const struct member *member, struct cairn_slice path,
          enum cairn_status status, const char *format, ...);

/* As call_tell, of another operation than the call's own. */
void chain_tell(const struct cairn_context *context, const char *operation,
                const struct member *member, struct cairn_slice path,
                enum cairn_status status, const char *detail);

/* Why members could not answer, or did not accept: for the message in the end. */
struct reasons {
    size_t count;
    enum cairn_status status; /* theirs, if it is the same of all; else UNAVAILABLE */
    size_t size;
    char text[400];
};

static inline void reasons_init(struct reasons *reasons) {
    reasons->count = reasons->size = 0;
    reasons->status = CAIRN_OK;
    reasons->text[0] = '\0';
}

/* None of the stores may be written in this call: fails, saying why. */
enum cairn_status call_nobody_writes(const struct call *call,
                                     struct cairn_error *error);

void reasons_add(struct reasons *reasons, const struct member *member,
                 enum cairn_status status, const char *why);

/* -- Health (chain_members.c) ----------------------------------------------------- */

/* Leave to ask a member, to be given back with what came of it. */
struct leave {
    bool granted;
    bool trial; /* it was kept out, and this call tries whether it is well again */
};

/* Nothing is granted while it is kept out; that is counted and told. */
struct leave member_admit(const struct call *call, struct member *member,
                          struct reasons *reasons);

/* What came of it: a status of the store, and how long it took (-1: not measured). */
void member_answered(const struct call *call, struct member *member, struct leave leave,
                     enum cairn_status status, int64_t took_ns);
/* No answer within its time. */
void member_timed_out(const struct call *call, struct member *member,
                      struct leave leave);
/* Nobody waited for what came of it. */
void member_unheard(struct member *member, struct leave leave);

bool member_is_kept_out(const struct member *member, int64_t now_ms);

/* True for every sixteenth answer, and when nothing is known of it: reading the clock
 * twice would be half of what a chain costs. */
static inline bool member_wants_timing(const struct member *member) {
    return (atomic_load_explicit(&member->counters.found, memory_order_relaxed) & 15) ==
           0;
}

static inline void count_one(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Of the monotonic clock. */
int64_t chain_clock_ns(void);

/* -- Questions (chain_ask.c) ------------------------------------------------------ */

enum question { ASK_GET, ASK_READ, ASK_TYPE, ASK_STAT, ASK_RESOLVE, ASK_LIST };

struct answer {
    enum cairn_status status;
    struct cairn_view view;  /* GET, READ, STAT: to be released if status is OK */
    enum cairn_kind kind;    /* TYPE */
    struct cairn_list *list; /* LIST */
    struct cairn_path path;  /* where links led, its text empty if there was none; of
                                RESOLVE, always */
    struct cairn_error error;
};

/* What a status of a member means for those who come after it. */
enum verdict {
    ANSWERED, /* it is the answer, if it is a failure too: nobody knows better */
    MISSED,   /* it has not got it */
    FAILED,   /* it could not tell */
};

enum verdict verdict_of(enum cairn_status status);

void ask(enum question question, struct member *member,
         const struct cairn_context *context, struct cairn_slice path,
         const struct cairn_list_options *options, struct answer *out);

/* Whether tiers are asked that: they may know of it, and only then answer. */
static inline bool tiers_know(enum question question) {
    return question <= ASK_TYPE;
}

/* -- A reading, on its way through the members (chain_read.c) --------------------- */

/* Members are bits by their index in the chain. */
struct reading {
    struct call *call;
    enum question question;
    const struct cairn_list_options *options;

    struct cairn_path at; /* what is asked for now: the call's path, or where a link led
                           */
    unsigned hops;        /* links that dangled */
    uint32_t passed;      /* had their turn in this round */
    uint32_t failed;      /* ... or are not asked again in any */
    uint32_t missed;      /* have not got what is at `at` */
    uint32_t doubtful;    /* could not tell, and their word would count */
    struct reasons reasons;

    struct watch watch; /* of `at`, begun before anybody was asked whose answer might be
                           copied */
    bool watching;

    struct answer answer;
};

/* How a question to a member, or to several, ended. */
enum step {
    STEP_DONE,   /* reading->answer is the answer */
    STEP_NEXT,   /* ask the next */
    STEP_DANGLE, /* begin another round: a link led to reading->at */
};

/* Leave to ask the i-th of the order: not if it may not be read, is kept out, or had
 * its turn. */
struct leave reading_admit(struct reading *reading, size_t i);
/* Accounts for the answer of the i-th, which lies in reading->answer. */
enum step reading_settle(struct reading *reading, size_t i, struct leave leave,
                         int64_t took_ns);
/* ... for its silence. */
void reading_timed_out(struct reading *reading, size_t i, struct leave leave);

/* Whether an answer to this may be copied to earlier members. */
static inline bool may_promote(const struct reading *reading) {
    return reading->question <= ASK_READ && reading->call->decision.promote;
}

/* -- Asking on threads (chain_threads.c) ------------------------------------------ */

/* Asks `count` of the order from the `first` at once and waits for the first answer;
 * whoever has none within its deadline is left behind. CAIRN_TIMEOUT: the call's own
 * time is over. Otherwise `*step` and `*from` say how it ended. */
enum cairn_status reading_on_threads(struct reading *reading, size_t first,
                                     size_t count, enum step *step, size_t *from,
                                     struct cairn_error *error);

/* -- Promotion (chain_promote.c) -------------------------------------------------- */

/* Copies the answer of the i-th to those that missed it, if the decision says so.
 * Never fails the reading. */
void reading_promote(struct reading *reading, size_t i);

/* -- Tiers (chain_tiers.c) -------------------------------------------------------- */

/* Drops what is at `path` and beneath it from every tier. A tier that cannot is
 * emptied, and not trusted until that is done. */
void tiers_drop(const struct call *call, struct cairn_slice path);

/* ... at each of the paths in `landed` (change.h), behind the change. */
void tiers_drop_landed(const struct call *call, const struct cairn_bytes *landed);

/* Empties a tier, or, if that fails, trusts it no more. `why` is for the trace. */
void tiers_empty(const struct call *call, struct member *tier, const char *why);

void tiers_empty_all(const struct call *call, struct reasons *reasons);

/* Tries to empty tiers that are not trusted, now and then. */
void tiers_mend(const struct call *call);

#endif
