/* worker.c -- a worker as others see it: started, asked, woken, ended.
 *
 * One block of memory holds the worker, what its kind keeps of it, and the name of its
 * group. */
#include <stdlib.h>
#include <string.h>

#include "worker_core.h"

enum { GROUP_MAX = 1024, QUEUE_DEFAULT = 1024, GROUP_SHOWN = 100 };

/* -- Signals ----------------------------------------------------------------------- */

void worker_signal(struct cairn_worker *worker, enum signal signal) {
    if (atomic_fetch_or(&worker->signals, signal) == 0)
        cairn_loop_post(worker->tally->loop, &worker->task);
}

void cairn_worker_wake(struct cairn_worker *worker) {
    worker_signal(worker, SIGNAL_WAKE);
}

/* -- Words ------------------------------------------------------------------------- */

/* What cannot be shown of a name ends it. */
enum cairn_status worker_fail(struct cairn_worker *worker, struct cairn_error *error,
                              enum cairn_status status, const char *what) {
    char group[GROUP_SHOWN];
    spin_lock(&worker->lock);
    size_t size = worker->group.size;
    size_t shown = size < sizeof group ? size : sizeof group;
    memcpy(group, worker->group.data, shown);
    spin_unlock(&worker->lock);
    return cairn_fail(error, status, "the worker '%.*s%s' %s", (int)shown, group,
                      shown < size ? "..." : "", what);
}

/* -- Its life ---------------------------------------------------------------------- */

static char *first_group(struct cairn_worker *worker) {
    return worker->room + worker->kind->room;
}

struct cairn_worker *cairn_worker_retain(struct cairn_worker *worker) {
    atomic_fetch_add_explicit(&worker->users, 1, memory_order_relaxed);
    return worker;
}

void cairn_worker_release(struct cairn_worker *worker) {
    if (!worker ||
        atomic_fetch_sub_explicit(&worker->users, 1, memory_order_acq_rel) != 1)
        return;
    struct cairn_workers *owner = worker->owner;
    if (worker->group.data != first_group(worker))
        free((void *)worker->group.data);
    free(worker->death);
    free(worker);
    workers_release(owner);
}

static void set_kind(struct cairn_worker *worker,
                     const struct cairn_worker_options *options) {
    worker->kind = options->kind;
    worker->timeout_ms = options->timeout_ms;
    worker->mailbox.most =
        options->queue_most > UINT32_MAX / 2
            ? UINT32_MAX / 2
            : (unsigned)(options->queue_most ? options->queue_most : QUEUE_DEFAULT);
    char *at = first_group(worker);
    memcpy(at, options->group.data, options->group.size);
    worker->group = (struct cairn_slice){at, options->group.size};
    at += options->group.size;
    if (options->label.size)
        memcpy(at, options->label.data, options->label.size);
    worker->label = (struct cairn_slice){at, options->label.size};
}

static int64_t epoch_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static struct cairn_worker *worker_new(struct cairn_workers *workers,
                                       const struct cairn_worker_options *options,
                                       uint64_t hash) {
    struct cairn_worker *worker =
        calloc(1, offsetof(struct cairn_worker, room) + options->kind->room +
                      options->group.size + options->label.size);
    if (!worker)
        return NULL;
    atomic_fetch_add(&workers->users, 1);
    worker->owner = workers;
    worker->task.run = worker_run;
    worker->timer.fire = worker_tick;
    worker->tally = &workers->tallies[(hash & UINT32_MAX) % workers->loops];
    worker->actor = cairn_actor_new();
    worker->hash = hash;
    worker->started_ms = epoch_ms();
    atomic_init(&worker->users, 2); /* its life, and the caller */
    set_kind(worker, options);
    if (options->fill)
        options->fill(options->arg, worker);
    return worker;
}

/* -- Starting ---------------------------------------------------------------------- */

static enum cairn_status check_label(struct cairn_slice label,
                                     struct cairn_error *error) {
    if (label.size <= GROUP_MAX)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "the label of a worker has at most %d bytes, not %zu", GROUP_MAX,
                      label.size);
}

static enum cairn_status check_group(struct cairn_slice group,
                                     struct cairn_error *error) {
    if (group.size >= 1 && group.size <= GROUP_MAX)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "the name of a group has 1 to %d bytes, not %zu", GROUP_MAX,
                      group.size);
}

static enum cairn_status refuse_closing(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_UNAVAILABLE,
                      "no worker is started: all are being closed");
}

/* Those who wait for the one before wait for this one, who waits for nobody. May be
 * more than its queue takes otherwise: they were accepted. */
static void take_over(struct cairn_worker *worker, struct cairn_worker *before) {
    before->is_displaced = true;
    spin_lock(&before->lock);
    mailbox_close(&before->mailbox);
    struct cairn_request *list = mailbox_take_all(&before->mailbox);
    spin_unlock(&before->lock);
    for (struct cairn_request *request = list; request; request = mailbox_next(request))
        (void)cairn_edge_turn(&request->edge, worker->actor, NULL);
    spin_lock(&worker->lock);
    mailbox_append(&worker->mailbox, list);
    spin_unlock(&worker->lock);
}

/* With the stripe locked, so that the one before is in it, and nobody can post to the
 * new one yet. */
static enum cairn_status enter(struct registry_stripe *stripe,
                               struct cairn_worker *worker, struct cairn_worker *before,
                               struct cairn_error *error) {
    if (atomic_load(&worker->owner->is_closing))
        return refuse_closing(error);
    enum cairn_status status = registry_add(stripe, worker, error);
    if (status)
        return status;
    atomic_fetch_add(&worker->owner->started, 1);
    if (before) {
        take_over(worker, before);
        worker_signal(before, SIGNAL_REPLACE);
    }
    /* Also so that its loop sees how long it is idle. */
    if (before || worker->timeout_ms)
        worker_signal(worker, SIGNAL_MAIL);
    return CAIRN_OK;
}

static enum cairn_status start_new(struct cairn_workers *workers,
                                   const struct cairn_worker_options *options,
                                   uint64_t hash, struct cairn_worker **out, bool *made,
                                   struct cairn_error *error) {
    struct cairn_worker *worker = worker_new(workers, options, hash);
    if (!worker) {
        atomic_fetch_sub(&workers->live, 1);
        workers_notify(workers);
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a worker");
    }
    struct registry_stripe *stripe = registry_lock(&workers->registry, hash);
    struct cairn_worker *before = registry_find(stripe, hash, options->group);
    enum cairn_status status = CAIRN_OK;
    bool given = before && !options->replace;
    if (given)
        cairn_worker_retain(before);
    else
        status = enter(stripe, worker, before, error);
    registry_unlock(stripe);
    if (given || status) {
        worker_signal(worker, SIGNAL_DISCARD); /* what its kind has is its loop's */
        cairn_worker_release(worker);
    }
    if (!status)
        *out = given ? before : worker;
    *made = !given && !status;
    return status;
}

/* Counted before it is made: closing waits for it. */
static enum cairn_status count_in(struct cairn_workers *workers,
                                  struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    if (atomic_fetch_add(&workers->live, 1) >= workers->most)
        status = cairn_fail(error, CAIRN_LIMIT, "there are %zu workers already",
                            workers->most);
    else if (atomic_load(&workers->is_closing))
        status = refuse_closing(error);
    if (!status)
        return CAIRN_OK;
    atomic_fetch_sub(&workers->live, 1);
    workers_notify(workers);
    return status;
}

static struct cairn_worker *find(struct cairn_workers *workers, uint64_t hash,
                                 struct cairn_slice group) {
    struct registry_stripe *stripe = registry_lock(&workers->registry, hash);
    struct cairn_worker *worker = registry_find(stripe, hash, group);
    if (worker)
        cairn_worker_retain(worker);
    registry_unlock(stripe);
    return worker;
}

enum cairn_status cairn_worker_start(struct cairn_workers *workers,
                                     const struct cairn_worker_options *options,
                                     struct cairn_worker **out, bool *made,
                                     struct cairn_error *error) {
    bool ignored;
    uint64_t hash = registry_hash(&workers->registry, options->group);
    enum cairn_status status = check_group(options->group, error);
    if (!status)
        status = check_label(options->label, error);
    if (status)
        return status;
    made = made ? made : &ignored;
    *made = false;
    *out = options->replace ? NULL : find(workers, hash, options->group);
    if (*out)
        return CAIRN_OK;
    status = count_in(workers, error);
    return status ? status : start_new(workers, options, hash, out, made, error);
}

struct cairn_worker *cairn_worker_find(struct cairn_workers *workers,
                                       struct cairn_slice group) {
    return find(workers, registry_hash(&workers->registry, group), group);
}

/* -- Asking ------------------------------------------------------------------------ */

/* On a loop of these workers: what serves them to drain. */
static bool is_inside(const struct cairn_workers *workers) {
    struct cairn_loop *loop = cairn_loop_current();
    unsigned index = loop ? cairn_loop_index(loop) : 0;
    return loop && index < workers->loops && workers->tallies[index].loop == loop;
}

static enum cairn_status push(struct cairn_worker *worker,
                              struct cairn_request *request,
                              struct cairn_error *error) {
    switch (mailbox_post(&worker->mailbox, request)) {
    case MAILBOX_FIRST:
        worker_signal(worker, SIGNAL_MAIL);
        return CAIRN_OK;
    case MAILBOX_MORE:
        return CAIRN_OK;
    case MAILBOX_FULL:
        atomic_fetch_add(&worker->tally->refused_full, 1);
        return worker_fail(worker, error, CAIRN_LIMIT,
                           "has as many requests waiting as it may have");
    case MAILBOX_CLOSED:
        break;
    }
    return worker_fail(worker, error, CAIRN_LEADER_DIED, "has ended, or is about to");
}

/* From outside nothing is accepted while all are being closed. */
static enum cairn_status check_open(struct cairn_worker *worker,
                                    struct cairn_error *error) {
    if (atomic_load(&worker->owner->is_closing) && !is_inside(worker->owner))
        return worker_fail(worker, error, CAIRN_UNAVAILABLE,
                           "takes no more requests: all workers are being closed");
    return CAIRN_OK;
}

static enum cairn_status accept(struct cairn_worker *worker,
                                struct cairn_request *request,
                                struct cairn_error *error) {
    request->edge = (struct cairn_edge){0};
    enum cairn_status status = check_open(worker, error);
    if (status)
        return status;
    if (request->waits)
        status =
            cairn_edge_draw(&request->edge, cairn_actor_self(), worker->actor, error);
    if (status) {
        atomic_fetch_add(&worker->tally->rings, 1);
        return status;
    }
    request->posted_ns = worker_now_ns();
    status = push(worker, request, error);
    if (status)
        cairn_edge_erase(&request->edge);
    return status;
}

enum cairn_status cairn_worker_post(struct cairn_worker *worker,
                                    struct cairn_request *request,
                                    struct cairn_error *error) {
    bool is_quiet = request->is_quiet;
    /* Looked at twice: those who go on posting must not keep closing from a moment
     * without tokens. */
    enum cairn_status status = check_open(worker, error);
    if (status)
        return status;
    tally_enter(worker->tally);
    status = accept(worker, request, error);
    if (status)
        tally_withdraw(worker->owner, worker->tally);
    else if (is_quiet)
        atomic_fetch_add(&worker->tally->not_posted, 1);
    return status;
}

void worker_tell(struct tally *tally, struct cairn_request *request,
                 const struct cairn_landing *landing) {
    cairn_edge_erase(&request->edge);
    if (!request->is_quiet)
        atomic_fetch_add_explicit(&tally->answered, 1, memory_order_relaxed);
    if (landing->status && !request->is_quiet)
        atomic_fetch_add_explicit(&tally->failed, 1, memory_order_relaxed);
    request->answered(request, landing);
}

/* -- Forwarding -------------------------------------------------------------------- */

static void hand_over(struct cairn_worker *from, struct cairn_worker *to,
                      struct cairn_request *request) {
    struct cairn_landing landing = {0};
    tally_enter(to->tally);
    landing.status = cairn_edge_turn(&request->edge, to->actor, &landing.error);
    if (landing.status)
        atomic_fetch_add(&to->tally->rings, 1);
    else
        landing.status = push(to, request, &landing.error);
    if (landing.status) {
        worker_tell(to->tally, request, &landing);
        tally_leave(to->owner, to->tally);
    } else {
        atomic_fetch_add(&to->tally->forwarded, 1);
    }
    tally_withdraw(from->owner, from->tally);
}

size_t cairn_worker_forward(struct cairn_worker *from, struct cairn_worker *to) {
    if (from == to || mailbox_is_closed(&to->mailbox))
        return 0;
    spin_lock(&from->lock);
    struct cairn_request *list = mailbox_take_all(&from->mailbox);
    spin_unlock(&from->lock);
    size_t count = 0;
    while (list) {
        struct cairn_request *request = list;
        list = mailbox_next(request);
        hand_over(from, to, request);
        count++;
    }
    return count;
}

/* -- Ending ------------------------------------------------------------------------ */

void cairn_worker_stop(struct cairn_worker *worker, struct cairn_ending *ending) {
    spin_lock(&worker->lock);
    bool has_ended = worker->has_ended;
    if (ending && !has_ended) {
        ending->next = worker->endings;
        worker->endings = ending;
    }
    mailbox_close(&worker->mailbox);
    spin_unlock(&worker->lock);
    if (!has_ended)
        worker_signal(worker, SIGNAL_STOP);
    else if (ending)
        ending->ended(ending);
}

void cairn_worker_kill(struct cairn_worker *worker, enum cairn_status status,
                       const char *why) {
    size_t size = strlen(why) + 1;
    struct death *death = malloc(sizeof *death + size);
    if (death) {
        death->status = status;
        memcpy(death->why, why, size);
    }
    spin_lock(&worker->lock);
    if (!worker->death) {
        worker->death = death;
        death = NULL;
    }
    mailbox_close(&worker->mailbox);
    spin_unlock(&worker->lock);
    free(death);
    worker_signal(worker, SIGNAL_KILL);
}

/* -- For kinds --------------------------------------------------------------------- */

void *cairn_worker_room(struct cairn_worker *worker) {
    return worker->room;
}

struct cairn_workers *cairn_worker_owner(struct cairn_worker *worker) {
    return worker->owner;
}

struct cairn_loop *cairn_worker_loop(struct cairn_worker *worker) {
    return worker->tally->loop;
}

cairn_actor cairn_worker_actor(const struct cairn_worker *worker) {
    return worker->actor;
}

void cairn_worker_note_memory(struct cairn_worker *worker, int64_t bytes) {
    atomic_store_explicit(&worker->memory_bytes, bytes, memory_order_relaxed);
}

/* With the stripes of both names locked. The table it was in has room for it. */
static enum cairn_status rename_to(struct cairn_worker *worker,
                                   struct cairn_slice group, uint64_t hash, bool *moved,
                                   struct cairn_error *error) {
    struct registry *registry = &worker->owner->registry;
    struct registry_stripe *from = registry_stripe(registry, worker->hash);
    struct registry_stripe *to = registry_stripe(registry, hash);
    struct cairn_slice before = worker->group;
    uint64_t hash_before = worker->hash;
    if (worker->is_displaced || registry_find(to, hash, group))
        return CAIRN_OK;
    registry_remove(from, worker);
    worker->hash = hash;
    enum cairn_status status = registry_add(to, worker, error);
    if (status) {
        worker->hash = hash_before;
        (void)registry_add(from, worker, NULL);
        return status;
    }
    spin_lock(&worker->lock);
    worker->group = group;
    spin_unlock(&worker->lock);
    if (before.data != first_group(worker))
        free((void *)before.data);
    *moved = true;
    return CAIRN_OK;
}

enum cairn_status cairn_worker_move(struct cairn_worker *worker,
                                    struct cairn_slice group, bool *moved,
                                    struct cairn_error *error) {
    struct registry *registry = &worker->owner->registry;
    uint64_t hash = registry_hash(registry, group), hash_before = worker->hash;
    enum cairn_status status = check_group(group, error);
    *moved = false;
    if (status)
        return status;
    if (cairn_slice_equal(group, worker->group)) {
        *moved = true;
        return CAIRN_OK;
    }
    char *copy = malloc(group.size);
    if (!copy)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for the name of a group");
    memcpy(copy, group.data, group.size);
    registry_lock_both(registry, hash_before, hash);
    status =
        rename_to(worker, (struct cairn_slice){copy, group.size}, hash, moved, error);
    registry_unlock_both(registry, hash_before, hash);
    if (!*moved)
        free(copy);
    return status;
}
