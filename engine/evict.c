/* evict.c -- results go, the least valuable first, until they fit a budget.
 *
 * One walk over the records scores each by the policy and keeps the worst of them in a
 * heap whose size is bounded in memory; what the heap cannot hold goes in further
 * walks. Values that no record leads to any more are taken away by the next sweep,
 * except bytes, which have nothing but their record. */
#include "keep.h"

#include <stdlib.h>

enum { VICTIMS = 4096, ROUNDS = 1000 };

struct victim {
    double score;
    struct hashpath hashpath;
    uint64_t bytes;
};

struct trim {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    uint64_t budget, used, chosen_bytes;
    struct victim *victims; /* a heap: the best of the worst on top */
    size_t count;
};

/* -- The heap ---------------------------------------------------------------------- */

static void swap(struct victim *a, struct victim *b) {
    struct victim kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct victim *heap, size_t at) {
    while (at && heap[at].score > heap[(at - 1) / 2].score) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct victim *heap, size_t count) {
    for (size_t at = 0;;) {
        size_t largest = at, left = 2 * at + 1, right = left + 1;
        if (left < count && heap[left].score > heap[largest].score)
            largest = left;
        if (right < count && heap[right].score > heap[largest].score)
            largest = right;
        if (largest == at)
            return;
        swap(&heap[at], &heap[largest]);
        at = largest;
    }
}

static void drop_top(struct trim *trim) {
    trim->chosen_bytes -= trim->victims[0].bytes;
    trim->victims[0] = trim->victims[--trim->count];
    sift_down(trim->victims, trim->count);
}

/* Keeps the worst, as few as make what is over the budget. */
static void choose(struct trim *trim, const struct victim *victim, uint64_t over) {
    bool full = trim->count == VICTIMS;
    if ((full || trim->chosen_bytes >= over) && trim->count &&
        victim->score >= trim->victims[0].score)
        return;
    if (full)
        drop_top(trim);
    trim->victims[trim->count] = *victim;
    trim->chosen_bytes += victim->bytes;
    sift_up(trim->victims, trim->count++);
    while (trim->count > 1 && trim->chosen_bytes - trim->victims[0].bytes >= over)
        drop_top(trim);
}

/* -- The walk ---------------------------------------------------------------------- */

static enum cairn_status visit_base(struct trim *trim, struct cairn_slice base,
                                    void (*see)(struct trim *, const struct hashpath *,
                                                const struct result *),
                                    struct cairn_error *error) {
    const struct cairn_list_options options = {.values = true};
    struct cairn_path group;
    struct cairn_list *list;
    struct cairn_list_item item;
    struct result result;
    struct hashpath hashpath;
    enum cairn_status status =
        cairn_path_join(cairn_slice_of("~results"), base, &group, error);
    if (!status)
        status = cairn_chain_list(trim->cache->chain, trim->context, group.text,
                                  &options, &list, NULL, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    memcpy(hashpath.base.text, base.data, CAIRN_ID_SIZE);
    hashpath.base.text[CAIRN_ID_SIZE] = '\0';
    while (!(status = cairn_list_next(list, &item, error))) {
        if (item.name.size > sizeof hashpath.request ||
            result_decode(item.value, &result, NULL))
            continue;
        memcpy(hashpath.request, item.name.data, item.name.size);
        hashpath.request_size = item.name.size;
        see(trim, &hashpath, &result);
    }
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static enum cairn_status visit_all(struct trim *trim,
                                   void (*see)(struct trim *, const struct hashpath *,
                                               const struct result *),
                                   struct cairn_error *error) {
    struct cairn_list *list;
    struct cairn_list_item item;
    enum cairn_status status =
        cairn_chain_list(trim->cache->chain, trim->context, cairn_slice_of("~results"),
                         NULL, &list, NULL, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    while (!(status = cairn_list_next(list, &item, error)))
        if (cairn_is_id(item.name) &&
            (status = visit_base(trim, item.name, see, error)))
            break;
    cairn_list_close(list);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static void add_up(struct trim *trim, const struct hashpath *hashpath,
                   const struct result *result) {
    (void)hashpath;
    trim->used += result->kept.size_bytes;
}

static void weigh(struct trim *trim, const struct hashpath *hashpath,
                  const struct result *result) {
    struct cairn_cache *cache = trim->cache;
    struct cairn_eviction_facts facts = {.now_ms = cairn_context_now(trim->context),
                                         .used_bytes = trim->used,
                                         .budget_bytes = trim->budget,
                                         .base = cairn_id_slice(&hashpath->base),
                                         .path = hashpath_request(hashpath),
                                         .kept = &result->kept,
                                         .tags = result->tags};
    struct cairn_eviction_decision decision;
    struct cairn_path text;
    hashpath_text(hashpath, &text);
    facts.idle_ms = usage_idle_ms(&cache->usage, cache_hash(cache, text.text),
                                  facts.now_ms, &facts.hits);
    cairn_policy_eviction(cache->policy, trim->context, &facts, &decision);
    if (decision.keep)
        return;
    struct victim victim = {decision.score, *hashpath, result->kept.size_bytes};
    choose(trim, &victim, trim->used - trim->budget);
}

static enum cairn_status evict_one(struct trim *trim, const struct victim *victim,
                                   struct cairn_error *error) {
    struct cairn_cache *cache = trim->cache;
    const struct hashpath *hashpath = &victim->hashpath;
    struct found_result found;
    pthread_mutex_t *lock = keep_lock(cache, hashpath);
    enum cairn_status status = keep_find(cache, trim->context, hashpath, &found, error);
    if (!status) {
        status = keep_drop(cache, trim->context, hashpath, &found, false, error);
        cairn_view_release(&found.view);
    }
    pthread_mutex_unlock(lock);
    return status;
}

static enum cairn_status evict(struct trim *trim, uint64_t *evicted,
                               struct cairn_error *error) {
    for (size_t i = 0; i < trim->count; i++) {
        enum cairn_status status = evict_one(trim, &trim->victims[i], error);
        if (status == CAIRN_NOT_FOUND)
            continue;
        if (status)
            return status;
        cache_count(&trim->cache->counters.evicted);
        ++*evicted;
    }
    return CAIRN_OK;
}

/* What results take is added up anew for each round: others write meanwhile. */
static enum cairn_status trim_round(struct trim *trim, uint64_t *evicted, bool *done,
                                    struct cairn_error *error) {
    trim->used = trim->chosen_bytes = 0;
    trim->count = 0;
    enum cairn_status status = visit_all(trim, add_up, error);
    if (status)
        return status;
    atomic_store(&trim->cache->result_bytes, (int64_t)trim->used);
    *done = trim->used <= trim->budget;
    if (*done)
        return CAIRN_OK;
    status = visit_all(trim, weigh, error);
    *done = trim->count == 0; /* the policy keeps all that is left */
    return status ? status : evict(trim, evicted, error);
}

enum cairn_status cairn_cache_trim(struct cairn_cache *cache,
                                   const struct cairn_context *context,
                                   uint64_t budget_bytes, uint64_t *evicted,
                                   struct cairn_error *error) {
    struct trim trim = {.cache = cache, .context = context, .budget = budget_bytes};
    enum cairn_status status = CAIRN_OK;
    bool done = false;
    *evicted = 0;
    trim.victims = malloc(VICTIMS * sizeof *trim.victims);
    if (!trim.victims)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to choose what to evict");
    pthread_mutex_lock(&cache->trim_lock);
    for (int round = 0; !status && !done && round < ROUNDS; round++)
        status = trim_round(&trim, evicted, &done, error);
    pthread_mutex_unlock(&cache->trim_lock);
    free(trim.victims);
    return status;
}

/* -- Behind writes ------------------------------------------------------------------
 */

struct trim_job {
    struct queue_job job;
    struct cairn_cache *cache;
};

/* By the clock of whoever wrote last: the calls' own clocks may be gone by now. */
static int64_t latest(void *clock) {
    return atomic_load((_Atomic int64_t *)clock);
}

static enum cairn_status run(struct queue_job *job, struct cairn_error *error) {
    struct cairn_cache *cache = ((struct trim_job *)job)->cache;
    const struct cairn_context context = {.now_ms = latest, .clock = &cache->latest_ms};
    struct cairn_sweep_result swept = {.removed = 1};
    uint64_t evicted, budget = cache->options.budget_bytes;
    atomic_store(&cache->trimming, false);
    /* A little more than needed, so that not every write trims. */
    enum cairn_status status =
        cairn_cache_trim(cache, &context, budget - budget / 16, &evicted, error);
    /* Messages first, then what only they referred to. */
    for (int sweep = 0; sweep < 2 && !status && evicted && swept.removed; sweep++)
        status = cairn_cache_sweep(cache, &context, &swept, error);
    return status == CAIRN_CONFLICT ? CAIRN_OK : status; /* somebody sweeps already */
}

static void release(struct queue_job *job) {
    free(job);
}

/* Whoever writes faster than is evicted behind has to do it. */
static void trim_at_once(struct cairn_cache *cache) {
    const struct cairn_context context = {.now_ms = latest, .clock = &cache->latest_ms};
    uint64_t evicted, budget = cache->options.budget_bytes;
    struct cairn_error error;
    enum cairn_status status =
        cairn_cache_trim(cache, &context, budget - budget / 16, &evicted, &error);
    if (status)
        queue_note_loss(&cache->queue, status, &error);
}

void cache_consider_trim(struct cairn_cache *cache, int64_t now_ms) {
    uint64_t budget = cache->options.budget_bytes;
    int64_t used = atomic_load(&cache->result_bytes);
    atomic_store_explicit(&cache->latest_ms, now_ms, memory_order_relaxed);
    if (!budget || (used >= 0 && (uint64_t)used <= budget))
        return;
    if (used >= 0 && (uint64_t)used > budget + budget / 8)
        trim_at_once(cache);
    if (atomic_exchange(&cache->trimming, true))
        return;
    struct trim_job *job = malloc(sizeof *job);
    if (!job) {
        atomic_store(&cache->trimming, false);
        return; /* the next write tries again */
    }
    job->job = (struct queue_job){.run = run, .release = release, .bytes = sizeof *job};
    job->cache = cache;
    queue_give(&cache->queue, &job->job);
}
