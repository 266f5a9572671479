/* cache.h -- bytes and messages under their hashes, results under what they were
 * computed from, over a chain of stores.
 *
 * Bytes lie at data/<hash>; a message lies at its id, as one packed group, values over
 * CAIRN_INLINE_MAX bytes and nested messages as links to theirs; what was computed lies
 * under ~results, see engine/FORMATS.md. Whether anything is looked up or kept is
 * decided by a policy (policy.h).
 *
 * Threads: any function but cairn_cache_close may be called on one cache from any
 * thread at any time. */
#ifndef CAIRN_CACHE_H
#define CAIRN_CACHE_H

#include "cairn/chain.h"
#include "cairn/flight.h"
#include "cairn/id.h"

/* Values up to this many bytes lie inside their message; larger ones at data/<hash>. */
#define CAIRN_INLINE_MAX 1024

struct cairn_cache;

struct cairn_cache_options {
    enum cairn_ids ids;
    enum cairn_hashpath_algorithm hashpath; /* of bases that name none themselves */
    struct cairn_directives node;           /* the node's own opinion; copied */
    bool hashpath_ignored;
    bool no_heuristics;     /* look up also what the base has as a key of its own */
    unsigned lookup_scopes; /* bits of enum cairn_scope; 0: local */
    uint64_t budget_bytes;  /* what results may take; 0: any */
    size_t queue_bytes;     /* of writes under way; 0: 16 MiB. More waits */
};

/* Chain and policy are borrowed and must outlive the cache. */
enum cairn_status cairn_cache_open(struct cairn_chain *chain,
                                   const struct cairn_policy *policy,
                                   const struct cairn_cache_options *options,
                                   struct cairn_cache **out, struct cairn_error *error);
/* Waits for writes under way; what they lost was told to their callers' error hook or
 * is told by cairn_cache_flush before. NULL is fine. */
void cairn_cache_close(struct cairn_cache *cache);
struct cairn_chain *cairn_cache_chain(struct cairn_cache *cache);

/* -- Messages ---------------------------------------------------------------------- */

/* What was read: bytes, or a typed message. Pinned until cairn_reading_release. */
struct cairn_reading {
    struct cairn_value value; /* CAIRN_VALUE_BYTES or CAIRN_VALUE_MESSAGE */
    size_t member;            /* of the chain, that had it (its first entry) */
    struct cairn_arena arena;
    struct cairn_pin *pins; /* views that `value` points into */
};

void cairn_reading_release(struct cairn_reading *reading);

enum cairn_reading_flag {
    CAIRN_READ_STORED = 1 << 0, /* as it is stored (TABM) instead of typed */
    CAIRN_READ_VERIFY = 1 << 1, /* CAIRN_UNVERIFIED unless it has the id it was read by;
                                   always checked of what came from outside (scope) */
};

/* What is at a path or an id: bytes, or a message with its nested ones. */
enum cairn_status cairn_cache_read(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, unsigned flags,
                                   struct cairn_reading *out,
                                   struct cairn_error *error);

/* Writes a typed or stored message and gives the id it goes by (cairn_id_of_committed).
 * One atomic batch, where the store has batches: nested messages and large values
 * first. Every id of it can be read afterwards. With CAIRN_IDS_REFERENCE:
 * CAIRN_CONFLICT if another message has that id already. `flags`: CAIRN_STORE_SYNC. */
enum cairn_status cairn_cache_write(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    const struct cairn_value *message, unsigned flags,
                                    struct cairn_id *out, struct cairn_error *error);

/* Bytes at data/<hash>. */
enum cairn_status cairn_cache_write_binary(struct cairn_cache *cache,
                                           const struct cairn_context *context,
                                           struct cairn_slice bytes, unsigned flags,
                                           struct cairn_id *out,
                                           struct cairn_error *error);

/* A link, as cairn_store_apply makes it; `*made` (may be NULL) is false where something
 * was at `path` already, which is kept. */
enum cairn_status cairn_cache_link(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   struct cairn_slice existing, struct cairn_slice path,
                                   bool *made, struct cairn_error *error);

/* Bytes or a message, kept as the result at a hashpath that does not age. `*target`
 * (may be NULL): the path at which it lies, an id or data/<hash>. */
enum cairn_status cairn_cache_write_hashpath(struct cairn_cache *cache,
                                             const struct cairn_context *context,
                                             struct cairn_slice hashpath,
                                             const struct cairn_value *value,
                                             struct cairn_path *target,
                                             struct cairn_error *error);

/* The id that a message, typed or stored, goes by, with the settings of this cache. */
enum cairn_status cairn_cache_id(struct cairn_cache *cache,
                                 const struct cairn_value *message,
                                 struct cairn_id *out, struct cairn_error *error);

/* The message at `id`, all ids that lead to it, and what is kept beneath it. Nested
 * messages and large values stay: others may share them (cairn_cache_sweep). */
enum cairn_status cairn_cache_delete(struct cairn_cache *cache,
                                     const struct cairn_context *context,
                                     struct cairn_slice id, struct cairn_error *error);

struct cairn_sweep_result {
    uint64_t kept, removed, removed_bytes;
};

/* Removes large values that were written as part of messages or results and that
 * nothing refers to any more. Values written on their own stay. Others may write
 * through this cache meanwhile. */
enum cairn_status cairn_cache_sweep(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    struct cairn_sweep_result *out,
                                    struct cairn_error *error);

/* -- Results ----------------------------------------------------------------------- */

/* A base or a request: by id (or hashpath), or as a message. */
struct cairn_party {
    struct cairn_slice id;             /* empty: `message` is given */
    const struct cairn_value *message; /* typed or stored */
};

/* Fresh results only; CAIRN_NOT_FOUND otherwise. `flags`: enum cairn_reading_flag. */
enum cairn_status cairn_cache_read_resolved(struct cairn_cache *cache,
                                            const struct cairn_context *context,
                                            const struct cairn_party *base,
                                            const struct cairn_party *request,
                                            unsigned flags, struct cairn_reading *out,
                                            struct cairn_error *error);

/* How a call was answered: RFC 9211's words where it has them. */
enum cairn_outcome {
    CAIRN_OUTCOME_HIT,
    CAIRN_OUTCOME_MISS,   /* looked up, not there: computed */
    CAIRN_OUTCOME_BYPASS, /* not looked up: computed */
    CAIRN_OUTCOME_STALE,  /* answered with what is no longer fresh */
};

struct cairn_resolved {
    enum cairn_outcome outcome;
    int status;       /* as HTTP would say: 200; 404, 504 for failures of that kind */
    bool stored;      /* or on its way, if the policy said async */
    bool revalidate;  /* the caller should compute afresh, behind the answer */
    bool coalesced;   /* somebody else computed it already: his answer, or failure */
    int64_t age_ms;   /* of a hit */
    int64_t fresh_ms; /* how long still; negative: stale for so long; CAIRN_FOREVER */
    size_t member;    /* of the chain that answered a hit */
    struct cairn_path hashpath;
};

/* Computes: fills `result` (arena and pins are initialised). `base` and `request` are
 * as given, or loaded if they were given by id. */
typedef enum cairn_status (*cairn_compute)(void *arg, const struct cairn_party *base,
                                           const struct cairn_party *request,
                                           struct cairn_reading *result,
                                           struct cairn_error *error);

struct cairn_resolve_options {
    struct cairn_directives request; /* in addition to what the request itself says, and
                                        before it */
    const struct cairn_directives *node; /* instead of the cache's own; NULL */
    bool refresh; /* no look-up: computes and keeps, behind an answer that was stale */
    bool alone;   /* computes, whoever computes the same already */
    size_t waiters_most; /* of one computation; beyond: CAIRN_LIMIT. 0: as below */
};

#define CAIRN_WAITERS_MOST 65536

/* Look up, else compute, else store, as the policy says. Of all who would compute the
 * same result (one hashpath, asked in the same scopes) at the same time one does; the
 * others wait and get his answer, or his failure, against which each has what it found
 * stale. So do those who look nothing up: what another one computes at this moment is
 * as good. Whether it is kept is decided by what the one who computes said. Not for
 * calls with `alone` or `refresh`. What is kept is found by whoever asks later, so that
 * there is one computation (unless it is written behind the answer: until it is
 * written, it may be computed again).
 *
 * CAIRN_LEADER_DIED: who computed is gone; CAIRN_INFINITE_RECURSION: the computation
 * asks for its own result, over whatever others; CAIRN_TIMEOUT: waited until the
 * context's deadline. `info` is filled whatever the status. CAIRN_NOT_FOUND with
 * info->status 504: only-if-cached and not there; 404: base or request were given by id
 * and are not there. What computing answers is passed on. */
enum cairn_status cairn_cache_resolve(
    struct cairn_cache *cache, const struct cairn_context *context,
    const struct cairn_party *base, const struct cairn_party *request,
    cairn_compute compute, void *arg, const struct cairn_resolve_options *options,
    struct cairn_reading *out, struct cairn_resolved *info, struct cairn_error *error);

/* The same in steps, for who computes in between and may be suspended meanwhile. */
struct cairn_resolution;

enum cairn_step {
    CAIRN_STEP_DONE,    /* answered, or failed */
    CAIRN_STEP_COMPUTE, /* then cairn_resolution_end or cairn_resolution_abandon */
    CAIRN_STEP_WAIT,    /* for the flight, then cairn_resolution_landed */
    CAIRN_STEP_AGAIN,   /* from the beginning: what was waited for is no answer */
};

/* To be used for one call after the other. One thread at a time. */
enum cairn_status cairn_resolution_new(struct cairn_cache *cache,
                                       struct cairn_resolution **out,
                                       struct cairn_error *error);
void cairn_resolution_free(struct cairn_resolution *resolution); /* NULL is fine */

/* Whether anything is computed at all is `computes`. The context must outlive the call,
 * base and request this step. Where it is done, `out` and `info` are what
 * cairn_cache_resolve gives; where it is not, `info` is to be handed to the next step.
 * An unfinished call of before is abandoned. */
enum cairn_status cairn_resolution_begin(
    struct cairn_resolution *resolution, const struct cairn_context *context,
    const struct cairn_party *base, const struct cairn_party *request, bool computes,
    const struct cairn_resolve_options *options, struct cairn_reading *out,
    struct cairn_resolved *info, enum cairn_step *step, struct cairn_error *error);

/* CAIRN_STEP_COMPUTE: as given, or loaded if they were given by id. What was given must
 * still be there. `out` is empty now, for the result. */
struct cairn_party cairn_resolution_base(const struct cairn_resolution *resolution);
struct cairn_party cairn_resolution_request(const struct cairn_resolution *resolution);
/* CAIRN_STEP_WAIT: borrowed; to be waited for by as many as the caller allows. */
struct cairn_flight *cairn_resolution_flight(const struct cairn_resolution *resolution);

/* What became of computing: `status`, and the result in `out` or why not in `error`. */
enum cairn_status cairn_resolution_end(struct cairn_resolution *resolution,
                                       enum cairn_status status,
                                       struct cairn_reading *out,
                                       struct cairn_resolved *info,
                                       struct cairn_error *error);
/* What became of waiting: done, or again. That the waiter waits no longer is a landing,
 * too. */
enum cairn_status cairn_resolution_landed(struct cairn_resolution *resolution,
                                          const struct cairn_landing *landing,
                                          struct cairn_reading *out,
                                          struct cairn_resolved *info,
                                          enum cairn_step *step,
                                          struct cairn_error *error);
/* Nothing comes of this call: whoever waits for it gets CAIRN_LEADER_DIED. One that is
 * done is fine. */
void cairn_resolution_abandon(struct cairn_resolution *resolution, const char *why);

enum cairn_purge_by { CAIRN_PURGE_PATH, CAIRN_PURGE_PREFIX, CAIRN_PURGE_TAG };

/* Results at a hashpath, under a prefix of hashpaths, or with a tag: gone, or with
 * `soft` stale from now on. In every tier. `*count`: how many. */
enum cairn_status cairn_cache_purge(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    enum cairn_purge_by by, struct cairn_slice what,
                                    bool soft, uint64_t *count,
                                    struct cairn_error *error);

/* Evicts by the policy's score until results take no more than `budget_bytes`; their
 * large values go with the next sweep. Both are done behind writes too, once they have
 * gone over the cache's budget. */
enum cairn_status cairn_cache_trim(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   uint64_t budget_bytes, uint64_t *evicted,
                                   struct cairn_error *error);

/* Waits until no write is under way. The first one that was lost since the last flush
 * is the status; `*lost` (may be NULL) how many. */
enum cairn_status cairn_cache_flush(struct cairn_cache *cache, uint64_t *lost,
                                    struct cairn_error *error);

struct cairn_cache_counts {
    uint64_t hits, misses, bypasses, stale, stored, refused, purged, evicted;
    uint64_t computed, compute_failed, coalesced, queued, lost, result_bytes;
};
void cairn_cache_counts(struct cairn_cache *cache, struct cairn_cache_counts *out);

#endif
