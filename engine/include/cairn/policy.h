/* policy.h -- the seam above: questions the engine asks, and who answers them.
 *
 * Lua decides, C works. The engine does not know Lua: whoever wants to decide fills a
 * `struct cairn_policy` with functions (bindings/ fills one from the scripts in
 * policies/). A question that has no function, or whose function answers
 * CAIRN_NOT_FOUND ("no opinion"), is decided by the engine's own defaults below. Any
 * other status of a function is reported in the trace and decided by the defaults
 * likewise: a policy can not fail a read.
 *
 * What a decision depends on are *facts*. Plain facts are few and repeat, so that
 * decisions may be remembered for equal ones; volatile facts (marked) are different
 * each time, and a decision that looked at one is not remembered.
 *
 * Threads: the functions may be called from any thread at any time, as long as the
 * struct lives. Facts are borrowed for the call. */
#ifndef CAIRN_POLICY_H
#define CAIRN_POLICY_H

#include "cairn/context.h"
#include "cairn/message.h"

#define CAIRN_FOREVER INT64_MAX

/* -- Cache control: look up? keep? how long? (policies/cache_control.lua) ---------- */

/* The directives of one party, as it gave them: an RFC 9111 header line (a list of
 * strings comes joined with ", "). */
struct cairn_directives {
    bool given; /* false: has no opinion; `line` is empty */
    struct cairn_slice line;
};

/* One directive of a line. */
struct cairn_directive {
    struct cairn_slice name;     /* as written: compare without case */
    struct cairn_slice argument; /* without quotes; empty if there is none */
    bool quoted;                 /* `argument` may hold \-escapes */
};

/* Steps through a line: start with *at = 0; false after the last. What is no directive
 * is skipped, as RFC 9111 section 5.2 wants. */
bool cairn_directive_next(struct cairn_slice line, size_t *at,
                          struct cairn_directive *out);

enum cairn_moment {
    CAIRN_AT_LOOKUP, /* before anything: lookup, only_if_cached, accept */
    CAIRN_AT_STALE,  /* found, but no longer fresh: serve, revalidate */
    CAIRN_AT_ERROR,  /* computing failed and something stale is there: serve */
    CAIRN_AT_STORE,  /* computed: store, for how long, with which tags */
};

/* A result that was kept. Times in ms since the epoch. */
struct cairn_kept {
    int64_t created_ms;
    int64_t fresh_until_ms;      /* CAIRN_FOREVER: does not age */
    int64_t while_revalidate_ms; /* how long after that it may be served while it is */
    int64_t if_error_ms;         /* ... computed afresh, and if that fails */
    bool must_revalidate;
    uint64_t size_bytes; /* of the answer */
    int64_t cost_ms;     /* what computing it took */
    double priority;
};

struct cairn_cache_facts {
    enum cairn_moment moment;
    struct cairn_directives node, result, request;
    bool hashpath_ignored; /* the node's option hashpath = "ignore" */

    /* The same for all moments of one call, so that who decides a share of the calls
     * decides whole ones; 0: not known. No fact for scripts. */
    uint64_t call;

    /* Volatile. */
    int64_t now_ms;
    struct cairn_slice base, path;    /* parts of the hashpath */
    const struct cairn_value *asked;  /* the stored request; NULL: not at hand */
    const struct cairn_value *answer; /* the stored result; NULL: bytes, or none yet */
    uint64_t size_bytes;              /* of the answer */
    int64_t cost_ms;
    const struct cairn_kept *kept; /* at STALE and ERROR */
    enum cairn_status failure;     /* at ERROR */
};

#define CAIRN_TAGS_ROOM 256

/* Whom a decision comes from, for explanations. */
struct cairn_decider {
    char policy[32];  /* "cache_control"; empty: the engine's default */
    char version[16]; /* the first 12 characters of the script's content hash */
    char reason[64];  /* what the script says about it; cut; empty: nothing */
    int line;         /* that returned it; 0: not known */
    bool remembered;  /* given for equal facts before */
    bool canary;      /* by a candidate on trial */
};

struct cairn_cache_decision {
    bool lookup, only_if_cached, store; /* LOOKUP, STORE */
    bool serve, revalidate;             /* STALE, ERROR */

    /* LOOKUP: what may be served without asking again. */
    int64_t max_age_ms;   /* not older than this; CAIRN_FOREVER */
    int64_t min_fresh_ms; /* fresh for at least this long; 0 */
    int64_t max_stale_ms; /* or stale for at most this long; 0, or CAIRN_FOREVER */

    /* STORE. */
    int64_t fresh_ms; /* from now; CAIRN_FOREVER: does not age */
    int64_t while_revalidate_ms, if_error_ms;
    bool must_revalidate;
    bool async; /* the caller does not wait for the write */
    bool sync;  /* on stable storage before it is done */
    double priority;

    struct cairn_decider by;

    size_t tags_size;           /* of the tags, each followed by a NUL */
    char tags[CAIRN_TAGS_ROOM]; /* the last field: beyond the size it says nothing */
};

/* -- Chain: whom to ask, in what order (policies/chain.lua) -------------------------
 */

#define CAIRN_CHAIN_MAX 16 /* stores in a chain */

enum cairn_member_flag {
    CAIRN_MEMBER_READS = 1 << 0,
    CAIRN_MEMBER_WRITES = 1 << 1,
    CAIRN_MEMBER_TIER =
        1 << 2, /* a cache in front of others: answers only positively */
    CAIRN_MEMBER_FAILING = 1 << 3, /* kept out for now, by an earlier decision */
};

struct cairn_member_facts {
    const char *name;    /* unique in its chain */
    const char *backend; /* "rocksdb" */
    enum cairn_scope scope;
    unsigned flags; /* enum cairn_member_flag */

    /* Volatile. */
    unsigned failures;  /* in a row */
    int64_t latency_us; /* a moving average of its answers; 0: none yet */
};

enum cairn_chain_action { CAIRN_CHAIN_READ, CAIRN_CHAIN_WRITE };

struct cairn_chain_facts {
    enum cairn_chain_action action;
    const char *operation; /* "read", "type", "list", "write", "link", ... */
    const struct cairn_member_facts *members;
    size_t count;

    /* Volatile. */
    struct cairn_slice path; /* of several, the first */
    uint64_t size_bytes;     /* of what is written */
    int64_t now_ms;
};

/* Members are named by their index among the facts. */
struct cairn_chain_decision {
    uint8_t order[CAIRN_CHAIN_MAX];
    size_t count;
    unsigned race; /* the first so many of a read are asked at once; 0 and 1: none */

    /* WRITE: how many of them must accept. 0: asked in order until one does. Otherwise
     * all are written; fewer than `need` is a failure that names who refused. */
    unsigned need;

    uint32_t promote; /* READ: bits of members that get what a later one answered */
    uint64_t promote_max_bytes; /* larger answers are not promoted; 0: no bound */
    int64_t promote_ms;         /* ... and expire after so long; 0: never */
    int64_t deadline_ms[CAIRN_CHAIN_MAX]; /* for each of the order; 0: none */

    /* After so many failures in a row a member is kept out for so long; then one call
     * tries it again. 0: never. */
    unsigned keep_out_after;
    int64_t keep_out_ms;

    struct cairn_decider by;
};

/* -- Eviction: what goes first (policies/eviction.lua) ----------------------------- */

struct cairn_eviction_facts { /* all volatile */
    int64_t now_ms;
    uint64_t used_bytes, budget_bytes;
    struct cairn_slice base, path;
    const struct cairn_kept *kept;
    int64_t idle_ms;         /* since this process last answered with it; -1: has not */
    uint64_t hits;           /* in this process, approximately */
    struct cairn_slice tags; /* each followed by a NUL */
};

struct cairn_eviction_decision {
    double score; /* the lowest goes first */
    bool keep;    /* not at all */
    struct cairn_decider by;
};

/* -- The table --------------------------------------------------------------------- */

struct cairn_policy {
    void *self;
    enum cairn_status (*cache)(void *self, const struct cairn_context *context,
                               const struct cairn_cache_facts *facts,
                               struct cairn_cache_decision *out,
                               struct cairn_error *error);
    enum cairn_status (*chain)(void *self, const struct cairn_context *context,
                               const struct cairn_chain_facts *facts,
                               struct cairn_chain_decision *out,
                               struct cairn_error *error);
    enum cairn_status (*eviction)(void *self, const struct cairn_context *context,
                                  const struct cairn_eviction_facts *facts,
                                  struct cairn_eviction_decision *out,
                                  struct cairn_error *error);
};

/* Ask `policy` (NULL: nobody), check what it says, fall back on the default: neither
 * look up nor keep nor serve what is stale; the members in their order, the first that
 * is no tier written, tiers filled; the oldest evicted first. Never fail. What a policy
 * answered and who fell back is told to the context's trace. */
void cairn_policy_cache(const struct cairn_policy *policy,
                        const struct cairn_context *context,
                        const struct cairn_cache_facts *facts,
                        struct cairn_cache_decision *out);
void cairn_policy_chain(const struct cairn_policy *policy,
                        const struct cairn_context *context,
                        const struct cairn_chain_facts *facts,
                        struct cairn_chain_decision *out);
void cairn_policy_eviction(const struct cairn_policy *policy,
                           const struct cairn_context *context,
                           const struct cairn_eviction_facts *facts,
                           struct cairn_eviction_decision *out);

/* Appends a decision in words, for explanations: "lookup, accept max_age 5000". */
enum cairn_status cairn_cache_decision_text(enum cairn_moment moment,
                                            const struct cairn_cache_decision *decision,
                                            struct cairn_bytes *out);
enum cairn_status cairn_chain_decision_text(const struct cairn_chain_facts *facts,
                                            const struct cairn_chain_decision *decision,
                                            struct cairn_bytes *out);

#endif
