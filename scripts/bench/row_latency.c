/* row_latency.c -- what others of a worker's thread notice of it: a thousand of them
 * are asked at random times, while one loops for ever, or waits for a slow store.
 *
 * They are asked from C, whether or not those before have answered, so that one delay
 * counts for all whom it delays. */
#include <math.h>
#include <stdlib.h>

#include "slow.h"
#include "workers.h"

/* Each of them twice a second. */
enum { OTHERS = 1000, ASKS_A_SECOND = 2000 };

/* On the stack of L: the loops, the workers. */
enum { WORKERS = BENCH_LOOPS + 1 };

struct party {
    lua_State *L;
    struct cairn_worker *others[OTHERS];
};

static struct party *party_open(void) {
    struct party *party = calloc(1, sizeof *party);
    if (!party)
        bench_stop("no memory for %d workers", OTHERS);
    party->L = bench_script_open();
    bench_workers_open(party->L, 1, 0);
    for (size_t i = 0; i < OTHERS; i++)
        party->others[i] = bench_worker_start(party->L, WORKERS, "echo", i);
    return party;
}

static void party_close(struct party *party) {
    for (size_t i = 0; i < OTHERS; i++)
        cairn_worker_release(party->others[i]);
    bench_workers_close(party->L, WORKERS);
    lua_close(party->L);
    free(party);
}

/* Seconds until the next one is asked: as if each decided for himself. */
static double pause_length(void) {
    double drawn = (double)(bench_random(1 << 30) + 1) / (1 << 30);
    return -log(drawn) / ASKS_A_SECOND;
}

/* Asks for so long; in between calls `look`, which may be NULL. */
static void ask_for(struct party *party, double seconds, struct bench_asks *asks,
                    void (*look)(void *arg), void *arg) {
    double now = bench_now(), next = now, end = now + seconds;
    while (next < end) {
        bench_rest(next - now);
        if (look)
            look(arg);
        bench_asks_post(asks, party->others[bench_random(OTHERS)]);
        next += pause_length();
        now = bench_now();
    }
    bench_asks_wait(asks);
}

/* Adds how long each answer took, in ms, to a list. */
static void collect(const struct bench_asks *asks, double *ms, size_t *count) {
    for (size_t i = 0; i < asks->count; i++)
        ms[(*count)++] = (asks->list[i].answered - asks->list[i].posted) * 1000;
}

static double p99(double *ms, size_t count) {
    bench_median(ms, count); /* sorts them */
    return ms[count * 99 / 100];
}

/* Room for what is asked in so many seconds, and for chance. */
static size_t room(double seconds) {
    return (size_t)(seconds * ASKS_A_SECOND * 1.5) + 100;
}

static void *list_of(size_t count, size_t size) {
    void *list = calloc(count, size);
    if (!list)
        bench_stop("no memory for %zu answers", count);
    return list;
}

/* -- One that loops ---------------------------------------------------------------- */

enum { LOOP_SECONDS = 5 };

struct spinning {
    struct party *party;
    struct bench_asks asks; /* of those that spin */
    struct bench_ask *now;  /* whom it concerns; NULL: none yet */
    size_t started;
};

/* There is always one that loops: when it has been ended the next one begins. */
static void keep_spinning(void *arg) {
    struct spinning *spinning = arg;
    if (spinning->now && atomic_load(&spinning->asks.open))
        return;
    if (spinning->now && spinning->now->status != CAIRN_LEADER_DIED)
        bench_stop("what loops for ever was answered with '%s'",
                   cairn_status_word(spinning->now->status));
    struct cairn_worker *worker =
        bench_worker_start(spinning->party->L, WORKERS, "spin", spinning->started++);
    spinning->now = bench_asks_post(&spinning->asks, worker);
    cairn_worker_release(worker);
}

static double latency(struct spinning *spinning, size_t *operations) {
    struct bench_asks asks;
    size_t most = room(LOOP_SECONDS), count = 0;
    double *ms = list_of(most, sizeof *ms);
    bench_asks_open(&asks, most, 1);
    ask_for(spinning->party, LOOP_SECONDS, &asks, keep_spinning, spinning);
    collect(&asks, ms, &count);
    double value = p99(ms, count);
    *operations += count;
    bench_asks_close(&asks);
    free(ms);
    return value;
}

void bench_worker_loop(const struct bench *bench, struct bench_result *result) {
    struct spinning spinning = {.party = party_open()};
    bench_asks_open(&spinning.asks, 10000, 1);
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = latency(&spinning, &result->operations);
    result->count = bench->repeats;
    result->note = "p99 of 1,000 others of its thread";
    if (spinning.started < 2)
        bench_stop("what loops for ever was not ended");
    while (atomic_load(&spinning.asks.open))
        bench_rest(0.001);
    party_close(spinning.party);
    bench_asks_close(&spinning.asks);
}

/* -- One that waits ---------------------------------------------------------------- */

enum { PAIRS = 7, WAIT_MS = 1000 };

/* The p99 of the others for so long; `slow` waits all the time, NULL: nobody does. */
static double phase(struct party *party, struct cairn_worker *slow,
                    size_t *operations) {
    const double seconds = WAIT_MS / 1000.0;
    struct bench_asks asks, waits;
    size_t most = room(seconds), count = 0;
    double *ms = list_of(most, sizeof *ms);
    bench_asks_open(&asks, most, 1);
    bench_asks_open(&waits, 1, 1);
    if (slow)
        bench_asks_post(&waits, slow);
    ask_for(party, seconds, &asks, NULL, NULL);
    bench_asks_wait(&waits);
    collect(&asks, ms, &count);
    double value = p99(ms, count);
    *operations += slow ? count : 0;
    bench_asks_close(&asks);
    bench_asks_close(&waits);
    free(ms);
    return value;
}

/* Who begins changes every pair. */
static double slowed(struct party *party, struct cairn_worker *slow,
                     size_t *operations) {
    double ratios[PAIRS], values[2];
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        for (unsigned i = 0; i < 2; i++) {
            unsigned waits = (pair + i) % 2;
            values[waits] = phase(party, waits ? slow : NULL, operations);
        }
        ratios[pair] = values[1] / values[0];
    }
    return bench_median(ratios, PAIRS);
}

void bench_worker_slow(const struct bench *bench, struct bench_result *result) {
    struct party *party = party_open();
    bench_slow_open(WAIT_MS);
    struct cairn_worker *slow = bench_worker_start(party->L, WORKERS, "slow", 0);
    for (unsigned i = 0; i < bench->repeats; i++)
        result->ratios[i] = slowed(party, slow, &result->operations);
    result->count = bench->repeats;
    result->note = "p99 of 1,000 others while one waits 1 s, over that without";
    if (bench_slow_facts().reads != (size_t)PAIRS * bench->repeats)
        bench_stop("the slow store was read %zu times", bench_slow_facts().reads);
    cairn_worker_release(slow);
    party_close(party);
}
