/* keep.h -- results found, kept and replaced at their hashpaths. */
#ifndef CAIRN_KEEP_H
#define CAIRN_KEEP_H

#include "batch.h"
#include "expect.h"
#include "names.h"
#include "result.h"

/* A record as it was found: `result` points into the view. */
struct found_result {
    struct result result;
    struct cairn_view view;
    size_t member;
    struct expected expected; /* what it leads to, of whoever will read that */
};

/* CAIRN_NOT_FOUND; otherwise to be released. */
enum cairn_status keep_find(struct cairn_cache *cache,
                            const struct cairn_context *context,
                            const struct hashpath *hashpath, struct found_result *out,
                            struct cairn_error *error);

/* What is to be kept, where, and for how long. */
struct keeping {
    const struct hashpath *hashpath;
    const struct cairn_value *value; /* stored, or bytes */
    const struct cairn_cache_decision *decision;
    int64_t cost_ms;
    bool silent; /* the request says nothing about caching */
};

/* Writes the value and its record in one batch. `target` (may be NULL) gets the path of
 * the value. */
enum cairn_status keep_result(struct cairn_cache *cache,
                              const struct cairn_context *context,
                              const struct keeping *keeping, struct cairn_path *target,
                              struct cairn_error *error);

/* The same, later, by the queue's thread; what the job needs is copied. */
enum cairn_status keep_result_later(struct cairn_cache *cache,
                                    const struct cairn_context *context,
                                    const struct keeping *keeping,
                                    struct cairn_error *error);

/* Locks what is kept at the hashpath against others who change it; to be unlocked. */
pthread_mutex_t *keep_lock(struct cairn_cache *cache, const struct hashpath *hashpath);

/* Takes a result away, or makes it stale from now on. With the hashpath locked since
 * before it was found. */
enum cairn_status keep_drop(struct cairn_cache *cache,
                            const struct cairn_context *context,
                            const struct hashpath *hashpath,
                            const struct found_result *found, bool soft,
                            struct cairn_error *error);

/* Bytes of keys and values together. */
uint64_t value_size(const struct cairn_value *value);

#endif
