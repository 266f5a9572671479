/* resolution.h -- a call of resolve under way: what it knows, from looking up
 * (resolve.c) to computing, or waiting for who computes (resolution.c). */
#ifndef CAIRN_RESOLUTION_H
#define CAIRN_RESOLUTION_H

#include "keep.h"
#include "party.h"
#include "reader.h"

#include "cairn/policy.h"

/* Most of a call that is answered from the cache never touches the rest: it is not
 * cleared before its use. */
struct call {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    struct cairn_context lookup; /* the same, in the scopes that may be looked up in */
    const struct cairn_resolve_options *options; /* while it begins */
    struct party base, request;
    struct hashpath hashpath;
    struct cairn_cache_facts facts;
    struct cairn_cache_decision decision; /* the latest */
    struct found_result found; /* what is kept, if it was looked for already */
    bool has_found;
    struct found_result stale; /* what was found, no longer fresh: for want of better */
    bool has_stale;
    bool is_silent; /* the request itself says nothing about caching */
    struct cairn_resolved *info;
    int64_t now_ms; /* read once, and again when computing took its time */
    struct cairn_arena arena;

    bool is_open;                /* waits or computes: there is something to close */
    bool looks;                  /* it was looked up */
    bool loads;                  /* base or request were given by id */
    uint32_t kept;               /* as counted before it was looked up */
    struct cairn_flight *flight; /* retained: led, or waited for; or NULL */
    bool leads;
};

struct cairn_resolution {
    struct call call; /* under way, or the one before */
};

static inline void resolution_init(struct cairn_resolution *resolution,
                                   struct cairn_cache *cache) {
    resolution->call.cache = cache;
    resolution->call.is_open = false;
}

/* -- resolve.c --------------------------------------------------------------------- */

void call_ask(struct call *call, enum cairn_moment moment);

/* With what was found. */
enum cairn_status call_answer(struct call *call, const struct found_result *found,
                              enum cairn_outcome outcome, struct cairn_reading *out,
                              struct cairn_error *error);

/* CAIRN_NOT_FOUND: nothing that may be served. What is stale stays at hand. */
enum cairn_status call_look_up(struct call *call, struct cairn_reading *out,
                               struct cairn_error *error);

/* Says the status as HTTP has it, and closes. */
enum cairn_status call_finish(struct call *call, enum cairn_status status);
void call_close(struct call *call);

/* -- resolution.c ------------------------------------------------------------------ */

/* Who waits for it is told that nothing comes. */
void call_let_go(struct call *call, const char *why);

/* How many results like this one were kept so far. */
uint32_t call_count_kept(const struct call *call);

/* After a look-up in vain: leads the computation, or waits for who does. */
enum cairn_status call_start(struct call *call, struct cairn_reading *out,
                             enum cairn_step *step, struct cairn_error *error);

/* A miss, or a bypass. */
void call_count_start(struct call *call);

/* CAIRN_INVALID_ARGUMENT for what is neither bytes nor a message. */
enum cairn_status call_check_result(const struct cairn_value *result,
                                    struct cairn_error *error);

#endif
