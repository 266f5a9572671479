/* chain_stress.c -- many threads against one chain of a tier and a store, then a look
 * at whether the two agree.
 *
 *     chain_stress TIER-URL STORE-URL [--seconds N] [--seed N]
 *
 * What was in the two is gone. Threads read and change a small tree through the chain,
 * so that copies and changes meet all the time; the policy lets them race and leaves
 * stragglers behind now and then. Meanwhile others check that nobody is answered with
 * less than what a finished write has put there. Ten times a second all is quiet: then
 * whatever the tier answers must be what the store answers.
 *
 * Exit code 0 and a summary, or 1 and what was wrong. */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cairn/cairn.h"
#include "cairn/open.h"

enum { COUNTERS = 4, NAMES = 5, MOST_COMPLAINTS = 20 };

struct stress {
    struct cairn_store *tier, *store;
    struct cairn_chain *chain;
    struct cairn_chain *narrow; /* of the store alone */
    atomic_bool stop;
    atomic_uint complaints;
    _Atomic uint64_t floors[COUNTERS]; /* what finished writes have put there */
    _Atomic uint64_t steps, from_tier;
};

struct worker {
    struct stress *stress;
    void (*run)(struct worker *worker);
    size_t number; /* within its role */
    uint64_t random;
};

__attribute__((format(printf, 2, 3))) static void complain(struct stress *stress,
                                                           const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    flockfile(stderr);
    fputs("chain_stress: ", stderr);
    vfprintf(stderr, format, rest);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(rest);
    atomic_fetch_add(&stress->complaints, 1);
}

static uint64_t pick(struct worker *worker, uint64_t below) {
    worker->random ^= worker->random << 13; /* xorshift64 (Marsaglia 2003) */
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random % below;
}

static bool go_on(struct worker *worker) {
    atomic_fetch_add_explicit(&worker->stress->steps, 1, memory_order_relaxed);
    return !atomic_load_explicit(&worker->stress->stop, memory_order_relaxed) &&
           atomic_load(&worker->stress->complaints) < MOST_COMPLAINTS;
}

/* Answers that may be; a straggler's chain could not tell. */
static bool accept(struct worker *worker, enum cairn_status status, const char *what,
                   const struct cairn_error *error) {
    switch (status) {
    case CAIRN_OK:
    case CAIRN_NOT_FOUND:
    case CAIRN_IS_GROUP:
    case CAIRN_NOT_A_GROUP:
    case CAIRN_LINK_LOOP:
    case CAIRN_CONFLICT:
    case CAIRN_UNAVAILABLE:
        return true;
    default:
        complain(worker->stress, "%s: %s: %s", what, cairn_status_word(status),
                 error->message);
        return false;
    }
}

/* -- The policy: the defaults, with a race or a short deadline now and then ------- */

static enum cairn_status decide(void *self, const struct cairn_context *context,
                                const struct cairn_chain_facts *facts,
                                struct cairn_chain_decision *out,
                                struct cairn_error *error) {
    atomic_uint *calls = self;
    unsigned call = atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    (void)context, (void)error;
    if (facts->action != CAIRN_CHAIN_READ || facts->count < 2)
        return CAIRN_NOT_FOUND;
    *out = (struct cairn_chain_decision){
        .order = {0, 1}, .count = 2, .promote = 1, .keep_out_after = 1000};
    if (call % 32 == 0)
        out->race = 2;
    else if (call % 32 == 16)
        out->deadline_ms[1] = 1 + call / 32 % 3;
    return CAIRN_OK;
}

/* -- The random tree -------------------------------------------------------------- */

/* tree/x or tree/x/y of few names. */
static struct cairn_slice any_path(struct worker *worker, char *room, size_t size) {
    int at = snprintf(room, size, "tree/%c", (char)('a' + pick(worker, NAMES)));
    if (pick(worker, 2))
        at += snprintf(room + at, size - (size_t)at, "/%c",
                       (char)('a' + pick(worker, NAMES)));
    return (struct cairn_slice){room, (size_t)at};
}

static struct cairn_chain *any_chain(struct worker *worker) {
    return pick(worker, 4) ? worker->stress->chain : worker->stress->narrow;
}

static enum cairn_status apply(struct worker *worker, struct cairn_operation operation,
                               struct cairn_error *error) {
    return cairn_chain_apply(any_chain(worker), NULL, &operation, 1, 0, NULL, error);
}

static enum cairn_status make_pack(struct worker *worker, struct cairn_slice path,
                                   struct cairn_error *error) {
    char value[32], target[32];
    snprintf(value, sizeof value, "packed %" PRIu64, worker->random);
    struct cairn_pack_child children[3] = {
        {cairn_slice_of("a"),
         {.kind = CAIRN_RAW, .payload = cairn_slice_of(value), .size = strlen(value)}},
        {cairn_slice_of("c"), {.kind = CAIRN_RAW}},
        {cairn_slice_of("d"), {.kind = CAIRN_LINK}},
    };
    children[2].entry.payload = any_path(worker, target, sizeof target);
    children[2].entry.size = children[2].entry.payload.size;
    return apply(worker,
                 (struct cairn_operation){.kind = CAIRN_MAKE_PACK,
                                          .path = path,
                                          .children = children,
                                          .child_count = pick(worker, 3) + 1,
                                          .keep = pick(worker, 4) == 0},
                 error);
}

static enum cairn_status change(struct worker *worker, struct cairn_error *error) {
    char room[32], other[32], value[32];
    struct cairn_slice path = any_path(worker, room, sizeof room);
    snprintf(value, sizeof value, "%" PRIu64, worker->random);
    switch (pick(worker, 12)) {
    case 0 ... 4:
        return apply(worker,
                     (struct cairn_operation){.kind = CAIRN_WRITE,
                                              .path = path,
                                              .value = cairn_slice_of(value)},
                     error);
    case 5 ... 6:
        return apply(
            worker,
            (struct cairn_operation){.kind = CAIRN_MAKE_LINK,
                                     .path = path,
                                     .value = any_path(worker, other, sizeof other)},
            error);
    case 7:
        return make_pack(worker, path, error);
    case 8 ... 9:
        return cairn_chain_delete(any_chain(worker), NULL, path, false, error);
    case 10:
        return apply(worker,
                     (struct cairn_operation){.kind = CAIRN_DELETE, .path = path},
                     error);
    default:
        return cairn_chain_delete(any_chain(worker), NULL, path, true, error);
    }
}

static void role_change(struct worker *worker) {
    while (go_on(worker)) {
        struct cairn_error error;
        if (!accept(worker, change(worker, &error), "change", &error))
            return;
    }
}

static void role_read(struct worker *worker) {
    while (go_on(worker)) {
        char room[32];
        struct cairn_view view = {.release = NULL};
        struct cairn_error error;
        enum cairn_kind kind;
        size_t member = 1;
        struct cairn_slice path = any_path(worker, room, sizeof room);
        struct cairn_chain *chain = worker->stress->chain;
        enum cairn_status status =
            pick(worker, 8)
                ? cairn_chain_get(chain, NULL, path, &view, &member, &error)
                : cairn_chain_type(chain, NULL, path, &kind, &member, &error);
        if (!accept(worker, status, "read", &error))
            return;
        if (!status)
            atomic_fetch_add(&worker->stress->from_tier, member == 0);
        cairn_view_release(&view);
    }
}

/* -- Counters: nobody is answered with what was there before ---------------------- */

/* Counters are written and read at their place, and through links: one that is never
 * read, so that the tier does not know it, and one that is. */
static bool make_links(struct stress *stress, struct cairn_error *error) {
    struct cairn_operation links[] = {
        {.kind = CAIRN_MAKE_LINK,
         .path = cairn_slice_of("written"),
         .value = cairn_slice_of("counters")},
        {.kind = CAIRN_MAKE_LINK,
         .path = cairn_slice_of("read"),
         .value = cairn_slice_of("counters")},
    };
    return !cairn_chain_apply(stress->chain, NULL, links, 2, CAIRN_STORE_IN_STEPS, NULL,
                              error);
}

static void role_count(struct worker *worker) {
    char path[32], value[32];
    uint64_t count = atomic_load(&worker->stress->floors[worker->number]) + 1;
    for (; go_on(worker); count++) {
        struct cairn_error error;
        snprintf(path, sizeof path, "%s/%zu", pick(worker, 2) ? "counters" : "written",
                 worker->number);
        snprintf(value, sizeof value, "%" PRIu64, count);
        if (!accept(worker,
                    apply(worker,
                          (struct cairn_operation){.kind = CAIRN_WRITE,
                                                   .path = cairn_slice_of(path),
                                                   .value = cairn_slice_of(value)},
                          &error),
                    "count", &error))
            return;
        atomic_store(&worker->stress->floors[worker->number], count);
    }
}

static void role_watch(struct worker *worker) {
    struct stress *stress = worker->stress;
    while (go_on(worker)) {
        char path[32], text[32] = "";
        struct cairn_view view;
        struct cairn_error error;
        size_t member = 1, counter = pick(worker, COUNTERS);
        uint64_t floor = atomic_load(&stress->floors[counter]);
        snprintf(path, sizeof path, "%s/%zu", pick(worker, 2) ? "counters" : "read",
                 counter);
        enum cairn_status status = cairn_chain_read(
            stress->chain, NULL, cairn_slice_of(path), &view, &member, &error);
        if (!accept(worker, status, "watch", &error))
            return;
        if (status == CAIRN_NOT_FOUND && floor)
            complain(stress, "%s: gone after %" PRIu64, path, floor);
        if (status)
            continue;
        size_t size = view.entry.payload.size;
        memcpy(text, view.entry.payload.data, size < 31 ? size : 31);
        cairn_view_release(&view);
        atomic_fetch_add(&stress->from_tier, member == 0);
        if (strtoull(text, NULL, 10) < floor)
            complain(stress, "%s: %s from member %zu, after %" PRIu64, path, text,
                     member, floor);
    }
}

/* -- In the end ------------------------------------------------------------------- */

/* Groups without a pack are no answer of a tier. */
static bool answers(enum cairn_status status, const struct cairn_view *view) {
    return !status && (view->entry.kind == CAIRN_RAW || view->entry.payload.size > 0);
}

static unsigned compare(struct stress *stress, const char *path) {
    struct cairn_view tier, store;
    struct cairn_error error;
    enum cairn_status in_tier =
        cairn_store_get(stress->tier, NULL, cairn_slice_of(path), &tier, NULL, &error);
    if (!answers(in_tier, &tier)) {
        if (!in_tier)
            cairn_view_release(&tier);
        return 0;
    }
    enum cairn_status in_store = cairn_store_get(
        stress->store, NULL, cairn_slice_of(path), &store, NULL, &error);
    if (in_store)
        complain(stress, "%s: the tier has it, the store says: %s", path,
                 error.message);
    else if (tier.entry.kind != store.entry.kind ||
             !cairn_slice_equal(tier.entry.payload, store.entry.payload))
        complain(stress, "%s: '%.*s' in the tier, '%.*s' in the store", path,
                 (int)tier.entry.payload.size, tier.entry.payload.data,
                 (int)store.entry.payload.size, store.entry.payload.data);
    cairn_view_release(&tier);
    if (!in_store)
        cairn_view_release(&store);
    return 1;
}

static unsigned compare_all(struct stress *stress) {
    unsigned copies = 0;
    char path[32];
    for (int counter = 0; counter < COUNTERS; counter++) {
        snprintf(path, sizeof path, "counters/%d", counter);
        copies += compare(stress, path);
    }
    for (int a = 0; a < NAMES; a++) {
        snprintf(path, sizeof path, "tree/%c", 'a' + a);
        copies += compare(stress, path);
        for (int b = 0; b < NAMES; b++) {
            snprintf(path, sizeof path, "tree/%c/%c", 'a' + a, 'a' + b);
            copies += compare(stress, path);
        }
    }
    return copies;
}

static void sum_up(struct stress *stress, uint64_t copies) {
    struct cairn_member_counts counts;
    cairn_chain_counts(stress->chain, 0, &counts);
    printf("%" PRIu64 " copies agree; %" PRIu64 " steps, %" PRIu64
           " answers of the tier, %" PRIu64 " copies made\n",
           copies, atomic_load(&stress->steps), atomic_load(&stress->from_tier),
           counts.promoted);
}

/* -- The program ------------------------------------------------------------------ */

static const struct {
    void (*run)(struct worker *worker);
    size_t threads;
} ROLES[] = {{role_change, 2}, {role_read, 3}, {role_count, COUNTERS}, {role_watch, 2}};

static void *thread_main(void *argument) {
    struct worker *worker = argument;
    worker->run(worker);
    return NULL;
}

enum { MOST = 16, ROUND_MS = 100 };

static size_t hire(struct stress *stress, struct worker *workers, uint64_t seed) {
    size_t hired = 0;
    for (size_t role = 0; role < sizeof ROLES / sizeof *ROLES; role++)
        for (size_t i = 0; i < ROLES[role].threads && hired < MOST; i++, hired++)
            workers[hired] =
                (struct worker){stress, ROLES[role].run, i,
                                (seed + hired + 1) * UINT64_C(0x9e3779b97f4a7c15)};
    return hired;
}

/* All of them for a while, then none. */
static void play(struct stress *stress, struct worker *workers, size_t hired) {
    pthread_t ids[MOST];
    size_t started = 0;
    atomic_store(&stress->stop, false);
    while (started < hired &&
           !pthread_create(&ids[started], NULL, thread_main, &workers[started]))
        started++;
    if (started < hired)
        complain(stress, "only %zu of %zu threads could be started", started, hired);
    nanosleep(&(struct timespec){.tv_nsec = ROUND_MS * 1000000L}, NULL);
    atomic_store(&stress->stop, true);
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
}

static void work(struct stress *stress, unsigned seconds, uint64_t seed) {
    struct worker workers[MOST];
    size_t hired = hire(stress, workers, seed);
    uint64_t copies = 0;
    for (unsigned round = 0; round < seconds * 1000 / ROUND_MS; round++) {
        if (atomic_load(&stress->complaints) >= MOST_COMPLAINTS)
            break;
        play(stress, workers, hired);
        copies += compare_all(stress);
    }
    sum_up(stress, copies);
}

static bool open_all(struct stress *stress, const char *tier, const char *store,
                     const struct cairn_policy *policy, struct cairn_error *error) {
    const size_t last[] = {1};
    if (cairn_open(cairn_slice_of(tier), &stress->tier, error) ||
        cairn_open(cairn_slice_of(store), &stress->store, error))
        return false;
    struct cairn_chain_member members[] = {{"tier", stress->tier, CAIRN_MEMBER_TIER, 0},
                                           {"store", stress->store, 0, 0}};
    return !cairn_chain_open(members, 2, policy, &stress->chain, error) &&
           !cairn_chain_narrow(stress->chain, last, 1, &stress->narrow, error) &&
           !cairn_chain_reset(stress->chain, NULL, error) && make_links(stress, error);
}

static void close_all(struct stress *stress) {
    cairn_chain_close(stress->narrow);
    cairn_chain_close(stress->chain);
    cairn_store_close(stress->store);
    cairn_store_close(stress->tier);
}

int main(int argc, char **argv) {
    struct stress stress = {.tier = NULL};
    struct cairn_error error;
    unsigned seconds = 2;
    uint64_t seed = 1;
    atomic_uint calls = 0;
    const struct cairn_policy policy = {.self = &calls, .chain = decide};
    if (argc < 3) {
        fputs("usage: chain_stress TIER-URL STORE-URL [--seconds N] [--seed N]\n",
              stderr);
        return 2;
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    bool opened = open_all(&stress, argv[1], argv[2], &policy, &error);
    if (!opened) {
        complain(&stress, "cannot begin: %s", error.message);
    } else {
        work(&stress, seconds, seed);
    }
    close_all(&stress);
    return atomic_load(&stress.complaints) ? 1 : 0;
}
