/* coalescing.c -- one computation for all who ask at the same time: threads of C
 * callers on one cache.
 *
 *     coalescing          lists the tests, one name a line
 *     coalescing NAME     runs one; exit code 1 and a line for each thing that is not
 * so
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cairn/cairn.h"
#include "cairn/open.h"

enum { CALLERS = 24, MANY = 400, LARGE = 1 << 20 };

static atomic_uint failures;

static void expect(bool holds, const char *what, int line) {
    if (holds)
        return;
    fprintf(stderr, "line %d: not so: %s\n", line, what);
    atomic_fetch_add(&failures, 1);
}
#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void rest(int64_t ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* -- A cache on a store in memory ---------------------------------------------------
 */

struct house {
    struct cairn_store *store;
    struct cairn_chain *chain;
    struct cairn_cache *cache;
    struct cairn_policy policy;
    bool lookup, keep, serve_stale; /* what the policy decides */
    int64_t fresh_ms;
    void (*on_read)(struct house *house); /* before the chain is read */
};

static enum cairn_status decide(void *self, const struct cairn_context *context,
                                const struct cairn_cache_facts *facts,
                                struct cairn_cache_decision *out,
                                struct cairn_error *error) {
    const struct house *house = self;
    (void)context, (void)error;
    memset(out, 0, sizeof *out);
    out->lookup = house->lookup;
    out->max_age_ms = CAIRN_FOREVER;
    out->store = house->keep;
    out->fresh_ms = house->fresh_ms;
    out->if_error_ms = CAIRN_FOREVER;
    out->serve = house->serve_stale && facts->moment == CAIRN_AT_ERROR;
    return CAIRN_OK;
}

static enum cairn_status look_on(void *self, const struct cairn_context *context,
                                 const struct cairn_chain_facts *facts,
                                 struct cairn_chain_decision *out,
                                 struct cairn_error *error) {
    struct house *house = self;
    (void)context, (void)out, (void)error;
    if (house->on_read && facts->action == CAIRN_CHAIN_READ)
        house->on_read(house);
    return CAIRN_NOT_FOUND;
}

static void open_house(struct house *house) {
    struct cairn_error error;
    *house = (struct house){.lookup = true, .keep = true, .fresh_ms = 3600000};
    house->policy = (struct cairn_policy){house, decide, look_on, NULL};
    struct cairn_chain_member member = {.name = NULL};
    if (cairn_open(cairn_slice_of("memory:"), &house->store, &error))
        exit(2);
    member.store = house->store;
    if (cairn_chain_open(&member, 1, &house->policy, &house->chain, &error) ||
        cairn_cache_open(house->chain, &house->policy, NULL, &house->cache, &error))
        exit(2);
}

static void close_house(struct house *house) {
    cairn_cache_close(house->cache);
    cairn_chain_close(house->chain);
    cairn_store_close(house->store);
}

static struct cairn_cache_counts counts_of(const struct house *house) {
    struct cairn_cache_counts counts;
    cairn_cache_counts(house->cache, &counts);
    return counts;
}

/* -- Callers ------------------------------------------------------------------------
 */

struct caller {
    struct house *house;
    const char *base, *request; /* { base = ... } and a path */
    const struct cairn_context *context;
    struct cairn_resolve_options options;
    cairn_compute compute;
    void *arg;

    pthread_t thread;
    enum cairn_status status;
    struct cairn_error error;
    struct cairn_resolved info;
    struct cairn_bytes answer;
};

static void message_of(const char *text, struct cairn_pair *room,
                       struct cairn_value *out) {
    *room = (struct cairn_pair){.key = cairn_slice_of("base")};
    room->value = (struct cairn_value){.as.bytes = cairn_slice_of(text)};
    *out = (struct cairn_value){.type = CAIRN_VALUE_MESSAGE, .count = 1};
    out->as.fields = room;
}

static void ask(struct caller *caller) {
    struct cairn_pair room;
    struct cairn_value message;
    struct cairn_reading reading;
    message_of(caller->base, &room, &message);
    struct cairn_party base = {.message = &message};
    struct cairn_party request = {.id = cairn_slice_of(caller->request)};
    caller->error.message[0] = '\0';
    caller->status = cairn_cache_resolve(
        caller->house->cache, caller->context, &base, &request, caller->compute,
        caller->arg, &caller->options, &reading, &caller->info, &caller->error);
    caller->answer = (struct cairn_bytes){.data = NULL};
    if (caller->status)
        return;
    EXPECT(reading.value.type == CAIRN_VALUE_BYTES);
    EXPECT(cairn_bytes_append(&caller->answer, reading.value.as.bytes));
    cairn_reading_release(&reading);
}

static void *run_caller(void *arg) {
    ask(arg);
    return NULL;
}

static void start(struct caller *caller) {
    if (pthread_create(&caller->thread, NULL, run_caller, caller))
        exit(2);
}

static void finish(struct caller *caller) {
    pthread_join(caller->thread, NULL);
}

static bool answers(const struct caller *caller, const char *text) {
    return !caller->status &&
           cairn_slice_equal(cairn_bytes_slice(&caller->answer), cairn_slice_of(text));
}

/* Until so many wait, or wait no longer: what was begun on other threads has come
 * there. */
static void until_coalesced(const struct house *house, uint64_t count) {
    for (int i = 0; i < 10000 && counts_of(house).coalesced < count; i++)
        rest(1);
    EXPECT(counts_of(house).coalesced >= count);
}

/* -- Computations --------------------------------------------------------------------
 */

struct work {
    atomic_uint runs;
    atomic_bool go; /* it is not over before */
    const char *answer;
    size_t size; /* 0: of the text */
    enum cairn_status status;
};

static enum cairn_status compute(void *arg, const struct cairn_party *base,
                                 const struct cairn_party *request,
                                 struct cairn_reading *result,
                                 struct cairn_error *error) {
    struct work *work = arg;
    atomic_fetch_add(&work->runs, 1);
    EXPECT(base->message && request->message);
    while (!atomic_load(&work->go))
        rest(1);
    if (work->status)
        return cairn_fail(error, work->status, "%s", work->answer);
    size_t size = work->size ? work->size : strlen(work->answer);
    char *bytes = cairn_arena_take(&result->arena, size);
    if (!bytes)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory");
    memset(bytes, 'x', size);
    memcpy(bytes, work->answer, strlen(work->answer));
    result->value = (struct cairn_value){.as.bytes = {bytes, size}};
    return CAIRN_OK;
}

/* One leads, all others of CALLERS wait for him by the time he may go on. */
static void meet(struct house *house, struct work *work, struct caller *callers) {
    uint64_t before = counts_of(house).coalesced;
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){house, "a", "k", .compute = compute, .arg = work};
        start(&callers[i]);
    }
    until_coalesced(house, before + CALLERS - 1);
    rest(20); /* counted, they have yet to wait */
    atomic_store(&work->go, true);
    for (size_t i = 0; i < CALLERS; i++)
        finish(&callers[i]);
}

static void let_go(struct caller *callers) {
    for (size_t i = 0; i < CALLERS; i++)
        cairn_bytes_free(&callers[i].answer);
}

/* -- Tests ----------------------------------------------------------------------------
 */

static void expect_one_run(bool keep) {
    struct house house;
    struct work work = {.answer = "answer"};
    struct caller callers[CALLERS];
    unsigned coalesced = 0;
    open_house(&house);
    house.lookup = house.keep = keep;
    meet(&house, &work, callers);
    EXPECT(work.runs == 1);
    for (size_t i = 0; i < CALLERS; i++) {
        EXPECT(answers(&callers[i], "answer"));
        EXPECT(callers[i].info.status == 200);
        EXPECT(callers[i].info.stored == keep);
        EXPECT(callers[i].info.outcome ==
               (keep ? CAIRN_OUTCOME_MISS : CAIRN_OUTCOME_BYPASS));
        coalesced += callers[i].info.coalesced;
    }
    EXPECT(coalesced == CALLERS - 1);
    EXPECT(counts_of(&house).computed == 1);
    let_go(callers);
    close_house(&house);
}

static void test_once(void) {
    expect_one_run(true);
}

static void test_bypass(void) {
    expect_one_run(false);
}

/* Each thread asks for one result after the other, so that they meet at all moments. */
struct rush {
    struct house *house;
    struct work works[MANY];
};

static void *rush(void *arg) {
    struct rush *all = arg;
    for (size_t i = 0; i < MANY; i++) {
        char path[16];
        snprintf(path, sizeof path, "k%zu", i);
        struct caller caller = {all->house, "a", path, .compute = compute,
                                .arg = &all->works[i]};
        ask(&caller);
        EXPECT(answers(&caller, "answer"));
        cairn_bytes_free(&caller.answer);
    }
    return NULL;
}

static void test_rush(void) {
    struct house house;
    static struct rush all;
    pthread_t threads[CALLERS];
    open_house(&house);
    all.house = &house;
    for (size_t i = 0; i < MANY; i++)
        all.works[i] = (struct work){.go = true, .answer = "answer"};
    for (size_t i = 0; i < CALLERS; i++)
        if (pthread_create(&threads[i], NULL, rush, &all))
            exit(2);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < MANY; i++)
        EXPECT(all.works[i].runs == 1);
    EXPECT(counts_of(&house).computed == MANY);
    close_house(&house);
}

static void test_failure(void) {
    struct house house;
    struct work work = {.answer = "the source is away", .status = CAIRN_UNAVAILABLE};
    struct caller callers[CALLERS];
    open_house(&house);
    meet(&house, &work, callers);
    EXPECT(work.runs == 1);
    for (size_t i = 0; i < CALLERS; i++) {
        EXPECT(callers[i].status == CAIRN_UNAVAILABLE);
        EXPECT(strcmp(callers[i].error.message, "the source is away") == 0);
        EXPECT(callers[i].info.status == 503);
    }
    EXPECT(counts_of(&house).compute_failed == 1);
    close_house(&house);
}

static void test_stale(void) {
    struct house house;
    struct work first = {.go = true, .answer = "old"};
    struct work work = {.answer = "away", .status = CAIRN_UNAVAILABLE};
    struct caller callers[CALLERS];
    open_house(&house);
    house.fresh_ms = 1;
    house.serve_stale = true;
    struct caller one = {&house, "a", "k", .compute = compute, .arg = &first};
    ask(&one);
    cairn_bytes_free(&one.answer);
    rest(5);
    meet(&house, &work, callers);
    EXPECT(work.runs == 1);
    for (size_t i = 0; i < CALLERS; i++) {
        EXPECT(answers(&callers[i], "old"));
        EXPECT(callers[i].info.outcome == CAIRN_OUTCOME_STALE);
    }
    EXPECT(counts_of(&house).stale == CALLERS);
    let_go(callers);
    close_house(&house);
}

static void test_large(void) {
    struct house house;
    struct work work = {.answer = "x", .size = LARGE};
    struct caller callers[CALLERS];
    open_house(&house);
    meet(&house, &work, callers);
    EXPECT(work.runs == 1);
    for (size_t i = 0; i < CALLERS; i++)
        EXPECT(!callers[i].status && callers[i].answer.size == LARGE);
    let_go(callers);
    close_house(&house);
}

static void test_alone(void) {
    struct house house;
    struct work work = {.answer = "answer"};
    struct caller callers[4];
    open_house(&house);
    for (size_t i = 0; i < 4; i++) {
        callers[i] =
            (struct caller){&house, "a", "k", .compute = compute, .arg = &work};
        callers[i].options.alone = i > 0;
        start(&callers[i]);
    }
    while (atomic_load(&work.runs) < 4)
        rest(1);
    atomic_store(&work.go, true);
    for (size_t i = 0; i < 4; i++) {
        finish(&callers[i]);
        EXPECT(answers(&callers[i], "answer"));
        EXPECT(!callers[i].info.coalesced);
        cairn_bytes_free(&callers[i].answer);
    }
    close_house(&house);
}

static void test_bound(void) {
    struct house house;
    struct work work = {.answer = "answer"};
    struct caller callers[3];
    open_house(&house);
    for (size_t i = 0; i < 3; i++) {
        callers[i] =
            (struct caller){&house, "a", "k", .compute = compute, .arg = &work};
        callers[i].options.waiters_most = 2;
        start(&callers[i]);
    }
    until_coalesced(&house, 2);
    rest(20);
    struct caller late = {&house, "a", "k", .compute = compute, .arg = &work};
    late.options.waiters_most = 2;
    ask(&late);
    EXPECT(late.status == CAIRN_LIMIT);
    EXPECT(strstr(late.error.message, "wait already") != NULL);
    atomic_store(&work.go, true);
    for (size_t i = 0; i < 3; i++) {
        finish(&callers[i]);
        EXPECT(answers(&callers[i], "answer"));
        cairn_bytes_free(&callers[i].answer);
    }
    EXPECT(work.runs == 1);
    close_house(&house);
}

static void test_apart(void) {
    static const char *const asked[][2] = {{"a", "k"}, {"a", "l"}, {"b", "k"}};
    struct house house;
    struct work work = {.answer = "answer"};
    struct caller callers[4];
    const struct cairn_context local = {.scopes = CAIRN_SCOPE_LOCAL};
    open_house(&house);
    for (size_t i = 0; i < 4; i++) {
        callers[i] = (struct caller){&house, asked[i % 3][0], asked[i % 3][1],
                                     .compute = compute, .arg = &work};
        callers[i].context = i == 3 ? &local : NULL;
        start(&callers[i]);
    }
    while (atomic_load(&work.runs) < 4)
        rest(1);
    atomic_store(&work.go, true);
    for (size_t i = 0; i < 4; i++) {
        finish(&callers[i]);
        cairn_bytes_free(&callers[i].answer);
    }
    EXPECT(counts_of(&house).coalesced == 0);
    close_house(&house);
}

static void test_timeout(void) {
    struct house house;
    struct work work = {.answer = "answer"};
    open_house(&house);
    struct caller leader = {&house, "a", "k", .compute = compute, .arg = &work};
    start(&leader);
    while (!atomic_load(&work.runs))
        rest(1);
    const struct cairn_context hasty = {.deadline_ms = cairn_context_now(NULL) + 50};
    struct caller waiter = {&house, "a", "k", &hasty, .compute = compute, .arg = &work};
    ask(&waiter);
    EXPECT(waiter.status == CAIRN_TIMEOUT);
    EXPECT(waiter.info.status == 504);
    atomic_store(&work.go, true);
    finish(&leader);
    EXPECT(answers(&leader, "answer"));
    EXPECT(work.runs == 1);
    cairn_bytes_free(&leader.answer);
    close_house(&house);
}

/* What computing asks for in turn, and what it was told. */
struct asking {
    struct caller inner;
    pthread_barrier_t *together; /* NULL: nobody else */
};

static enum cairn_status compute_asking(void *arg, const struct cairn_party *base,
                                        const struct cairn_party *request,
                                        struct cairn_reading *result,
                                        struct cairn_error *error) {
    struct asking *asking = arg;
    (void)base, (void)request, (void)result;
    if (asking->together)
        pthread_barrier_wait(asking->together);
    ask(&asking->inner);
    cairn_bytes_free(&asking->inner.answer);
    return asking->inner.status ? cairn_fail(error, asking->inner.status, "%s",
                                             asking->inner.error.message)
                                : CAIRN_OK;
}

static void test_itself(void) {
    struct house house;
    struct work work = {.go = true, .answer = "inner"};
    open_house(&house);
    struct asking asking = {{&house, "a", "k", .compute = compute, .arg = &work}, NULL};
    struct caller outer = {&house, "a", "k", .compute = compute_asking, .arg = &asking};
    ask(&outer);
    EXPECT(outer.status == CAIRN_INFINITE_RECURSION);
    EXPECT(outer.info.status == 508);
    EXPECT(work.runs == 0);
    asking.inner.request = "l"; /* something else is fine */
    ask(&outer);
    EXPECT(!outer.status && work.runs == 1);
    cairn_bytes_free(&outer.answer);
    close_house(&house);
}

/* Each computes what the next asks for. One of them is refused, and all come back. */
static void test_ring(void) {
    static const char *const paths[] = {"k", "l", "m"};
    struct house house;
    struct work work = {.go = true, .answer = "never"};
    pthread_barrier_t together;
    struct asking asking[3];
    struct caller outer[3];
    open_house(&house);
    pthread_barrier_init(&together, NULL, 3);
    for (size_t i = 0; i < 3; i++) {
        asking[i] = (struct asking){
            {&house, "a", paths[(i + 1) % 3], .compute = compute, .arg = &work},
            &together};
        outer[i] = (struct caller){&house, "a", paths[i], .compute = compute_asking,
                                   .arg = &asking[i]};
        start(&outer[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        finish(&outer[i]);
        EXPECT(outer[i].status == CAIRN_INFINITE_RECURSION);
    }
    EXPECT(work.runs == 0);
    pthread_barrier_destroy(&together);
    close_house(&house);
}

/* -- Step by step
 * ---------------------------------------------------------------------- */

struct stepping {
    struct cairn_resolution *resolution;
    struct cairn_pair room;
    struct cairn_value message;
    struct cairn_party base, request;
    struct cairn_reading reading;
    struct cairn_resolved info;
};

static enum cairn_step begin(struct house *house, struct stepping *stepping) {
    enum cairn_step step;
    struct cairn_error error;
    message_of("a", &stepping->room, &stepping->message);
    stepping->base = (struct cairn_party){.message = &stepping->message};
    stepping->request = (struct cairn_party){.id = cairn_slice_of("k")};
    EXPECT(!cairn_resolution_new(house->cache, &stepping->resolution, &error));
    EXPECT(!cairn_resolution_begin(stepping->resolution, NULL, &stepping->base,
                                   &stepping->request, true, NULL, &stepping->reading,
                                   &stepping->info, &step, &error));
    return step;
}

static enum cairn_status end(struct stepping *stepping, const char *text) {
    stepping->reading.value = (struct cairn_value){.as.bytes = cairn_slice_of(text)};
    enum cairn_status status = cairn_resolution_end(
        stepping->resolution, CAIRN_OK, &stepping->reading, &stepping->info, NULL);
    if (!status)
        cairn_reading_release(&stepping->reading);
    return status;
}

static void expect_death(bool freed) {
    struct house house;
    struct stepping leader;
    struct work work = {.go = true, .answer = "again"};
    struct caller waiter = {&house, "a", "k", .compute = compute, .arg = &work};
    open_house(&house);
    EXPECT(begin(&house, &leader) == CAIRN_STEP_COMPUTE);
    start(&waiter);
    until_coalesced(&house, 1);
    if (freed)
        cairn_resolution_free(leader.resolution);
    else
        cairn_resolution_abandon(leader.resolution, "out of sorts");
    finish(&waiter);
    EXPECT(waiter.status == CAIRN_LEADER_DIED);
    EXPECT(waiter.info.status == 503);
    EXPECT(freed || strstr(waiter.error.message, "out of sorts") != NULL);
    ask(&waiter); /* who comes now leads */
    EXPECT(answers(&waiter, "again"));
    EXPECT(work.runs == 1);
    if (!freed)
        cairn_resolution_free(leader.resolution);
    cairn_bytes_free(&waiter.answer);
    close_house(&house);
}

static void test_abandon(void) {
    expect_death(false);
}

static void test_free(void) {
    expect_death(true);
}

/* The leader knows its base by id only, and it is not there; who comes to wait while it
 * looks for it has the message. */
static unsigned reads;
static struct caller holders[3];

static void come_while_it_loads(struct house *house) {
    if (++reads < 3)
        return; /* of the record, of the hashpath; then of the base */
    house->on_read = NULL;
    for (size_t i = 0; i < 3; i++)
        start(&holders[i]);
    until_coalesced(house, 3);
    rest(20);
}

static void test_unloaded(void) {
    struct house house;
    struct work work = {.go = true, .answer = "answer"};
    struct cairn_pair room;
    struct cairn_value message;
    struct cairn_id id;
    struct cairn_resolved info;
    struct cairn_reading reading;
    struct cairn_error error;
    open_house(&house);
    message_of("a", &room, &message);
    EXPECT(!cairn_cache_id(house.cache, &message, &id, &error));
    struct cairn_party base = {.id = cairn_id_slice(&id)};
    struct cairn_party request = {.id = cairn_slice_of("k")};
    for (size_t i = 0; i < 3; i++)
        holders[i] =
            (struct caller){&house, "a", "k", .compute = compute, .arg = &work};
    house.on_read = come_while_it_loads;
    EXPECT(cairn_cache_resolve(house.cache, NULL, &base, &request, compute, &work, NULL,
                               &reading, &info, &error) == CAIRN_NOT_FOUND);
    EXPECT(info.status == 404);
    for (size_t i = 0; i < 3; i++) {
        finish(&holders[i]);
        EXPECT(answers(&holders[i], "answer"));
        cairn_bytes_free(&holders[i].answer);
    }
    EXPECT(work.runs == 1);
    close_house(&house);
}

/* Between a look-up in vain and joining, the one who computed keeps it and lands. */
static struct stepping early;

static void land_between(struct house *house) {
    if (++reads < 2)
        return; /* of its record; then what is at the hashpath itself */
    house->on_read = NULL;
    EXPECT(!end(&early, "early"));
}

static void test_between(void) {
    struct house house;
    struct work work = {.go = true, .answer = "late"};
    struct caller late = {&house, "a", "k", .compute = compute, .arg = &work};
    open_house(&house);
    EXPECT(begin(&house, &early) == CAIRN_STEP_COMPUTE);
    house.on_read = land_between;
    ask(&late);
    EXPECT(reads == 2);
    EXPECT(answers(&late, "early"));
    EXPECT(late.info.outcome == CAIRN_OUTCOME_HIT);
    EXPECT(work.runs == 0);
    EXPECT(counts_of(&house).misses == 1);
    cairn_bytes_free(&late.answer);
    cairn_resolution_free(early.resolution);
    close_house(&house);
}

static const struct {
    const char *name;
    void (*run)(void);
} TESTS[] = {
    {"all who ask at the same time are answered by one computation", test_once},
    {"so are those who neither look up nor keep", test_bypass},
    {"what is kept is computed once, however threads meet", test_rush},
    {"a failure is everybody's", test_failure},
    {"each has what it found stale against a failure of the one", test_stale},
    {"a large result goes to all who wait", test_large},
    {"who computes alone waits for nobody", test_alone},
    {"only so many wait", test_bound},
    {"another base, another request, other scopes are apart", test_apart},
    {"who waits gives up at its deadline", test_timeout},
    {"a computation that asks for its own result is refused", test_itself},
    {"computations that wait for each other in a ring are refused", test_ring},
    {"when the one who computes gives up, those who wait know at once", test_abandon},
    {"so they do when the one who computes is gone", test_free},
    {"who has the messages computes where another one cannot find them", test_unloaded},
    {"who leads looks again for what was kept meanwhile", test_between},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof TESTS / sizeof TESTS[0]; i++) {
        if (argc < 2) {
            puts(TESTS[i].name);
        } else if (strcmp(argv[1], TESTS[i].name) == 0) {
            TESTS[i].run();
            return atomic_load(&failures) ? 1 : 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
