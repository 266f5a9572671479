/* stress.c -- many threads against one store, then a look at what they left.
 *
 *     stress URL [--seconds N | --operations N] [--seed N]
 *
 * What was in the store is gone. Threads make random changes to a small tree, so that
 * they meet all the time, while others check what a reader may never see:
 *  - of two values written by one batch, the second behind the first;
 *  - two winners of one if_absent, or none;
 *  - a counter that transactions (or conditional writes) count up, off by anything.
 * In the end the whole tree must hang together: every entry's parent is a group,
 * nothing lies beneath a link or a value, a listing agrees with reads.
 *
 * Exit code 0 and a summary, or 1 and what was wrong. */
#include "stress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    void (*run)(struct worker *worker);
    unsigned threads;
    bool batches; /* needs CAIRN_CAN_BATCH */
} ROLES[] = {
    {role_change, 4, false},   {role_read, 2, false}, {role_pair_write, 1, true},
    {role_pair_read, 2, true}, {role_race, 3, false}, {role_count, 4, false},
};

void complain(struct stress *stress, const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    flockfile(stderr);
    fputs("stress: ", stderr);
    vfprintf(stderr, format, rest);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(rest);
    atomic_fetch_add(&stress->complaints, 1);
}

bool accept(struct worker *worker, enum cairn_status status, const char *what,
            const struct cairn_error *error) {
    switch (status) {
    case CAIRN_OK:
    case CAIRN_NOT_FOUND:
    case CAIRN_IS_GROUP:
    case CAIRN_NOT_A_GROUP:
    case CAIRN_LINK_LOOP:
    case CAIRN_CONFLICT:
        atomic_fetch_add_explicit(&worker->stress->outcomes[status], 1,
                                  memory_order_relaxed);
        return true;
    default:
        complain(worker->stress, "%s: %s: %s", what, cairn_status_word(status),
                 error->message);
        return false;
    }
}

uint64_t pick(struct worker *worker, uint64_t below) {
    worker->random ^= worker->random << 13; /* xorshift64 (Marsaglia 2003) */
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random % below;
}

bool go_on(struct worker *worker) {
    struct stress *stress = worker->stress;
    worker->done++;
    if (atomic_load(&stress->complaints) > 20)
        return false;
    if (stress->operations)
        return worker->done <= stress->operations;
    return !atomic_load_explicit(&stress->stop, memory_order_relaxed);
}

static void *thread_main(void *argument) {
    struct worker *worker = argument;
    worker->run(worker);
    return NULL;
}

static size_t hire(struct stress *stress, struct worker *workers, size_t most,
                   uint64_t seed) {
    bool can_batch = cairn_store_capabilities(stress->store) & CAIRN_CAN_BATCH;
    size_t hired = 0;
    for (size_t role = 0; role < sizeof ROLES / sizeof ROLES[0]; role++) {
        if (ROLES[role].batches && !can_batch)
            continue;
        for (unsigned i = 0; i < ROLES[role].threads && hired < most; i++, hired++) {
            workers[hired] = (struct worker){.stress = stress,
                                             .run = ROLES[role].run,
                                             .number = i,
                                             .random = (seed + hired + 1) *
                                                       UINT64_C(0x9e3779b97f4a7c15)};
        }
    }
    return hired;
}

static bool work(struct stress *stress, unsigned seconds, uint64_t seed) {
    enum { MOST = 64 };
    struct worker workers[MOST];
    pthread_t ids[MOST];
    size_t hired = hire(stress, workers, MOST, seed), started = 0;
    for (; started < hired; started++)
        if (pthread_create(&ids[started], NULL, thread_main, &workers[started]))
            break;
    if (started < hired)
        complain(stress, "only %zu of %zu threads could be started", started, hired);
    for (unsigned tenth = 0; !stress->operations && tenth < seconds * 10; tenth++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    atomic_store(&stress->stop, true);
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);

    uint64_t done = 0;
    for (size_t i = 0; i < started; i++)
        done += workers[i].done;
    printf("%zu threads, %llu steps:", started, (unsigned long long)done);
    for (int status = 0; status < CAIRN_STATUS_COUNT; status++) {
        unsigned long long count = atomic_load(&stress->outcomes[status]);
        if (count)
            printf(" %s %llu", cairn_status_word((enum cairn_status)status), count);
    }
    putchar('\n');
    return done > 0;
}

static unsigned long number(const char *text, const char *what) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || end == text) {
        fprintf(stderr, "stress: %s needs a number, not '%s'\n", what, text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv) {
    unsigned long seconds = 2, seed = 1;
    struct stress stress = {0};
    if (argc < 2) {
        fputs("usage: stress URL [--seconds N | --operations N] [--threads N] [--seed "
              "N]\n",
              stderr);
        return 2;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = number(argv[i + 1], argv[i]);
        else if (strcmp(argv[i], "--operations") == 0)
            stress.operations = number(argv[i + 1], argv[i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number(argv[i + 1], argv[i]);
        else {
            fprintf(stderr, "stress: there is no option %s\n", argv[i]);
            return 2;
        }
    }

    struct cairn_error error;
    if (cairn_open(cairn_slice_of(argv[1]), &stress.store, &error)) {
        fprintf(stderr, "stress: %s\n", error.message);
        return 1;
    }
    bool worked = prepare(&stress) && work(&stress, (unsigned)seconds, seed);
    if (worked) {
        check_roles(&stress);
        check_tree(&stress);
    }
    cairn_store_close(stress.store);
    unsigned complaints = atomic_load(&stress.complaints);
    if (complaints)
        fprintf(stderr, "stress: %u complaints\n", complaints);
    return worked && !complaints ? 0 : 1;
}
