/* measure.c -- two sides taking turns, and the middle of what they needed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

double bench_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

size_t bench_resident(void) {
    size_t total, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%zu %zu", &total, &pages) != 2)
        bench_stop("cannot read /proc/self/statm");
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

double bench_round(const struct bench_plan *plan, struct bench_batch *batch,
                   unsigned turn, double seconds[2]) {
    if (plan->fill)
        plan->fill(plan->arg, batch);
    for (unsigned i = 0; i < 2; i++) {
        unsigned side = (turn + i) % 2;
        double start = bench_now();
        plan->work[side](plan->arg, batch);
        seconds[side] = bench_now() - start;
    }
    return seconds[BENCH_CAIRN] / seconds[BENCH_RAW];
}

/* One repeat: fills in its ratio, and the times of one operation at `times[side]`. */
static double repeat(const struct bench_plan *plan, struct bench_batch *batch,
                     double *times[2]) {
    double *ratios = calloc(plan->rounds, sizeof *ratios);
    if (!ratios)
        bench_stop("no memory for %zu rounds", plan->rounds);
    for (unsigned round = 0; round < plan->rounds; round++) {
        double seconds[2];
        ratios[round] = bench_round(plan, batch, round, seconds);
        for (int side = 0; side < 2; side++)
            *times[side]++ = seconds[side] * 1e9 / (double)plan->operations;
    }
    double ratio = bench_median(ratios, plan->rounds);
    free(ratios);
    return ratio;
}

void bench_measure(const struct bench_plan *plan, unsigned repeats,
                   struct bench_result *result) {
    struct bench_batch batch;
    double ignored[2], *times[2], *next[2];
    size_t rounds = plan->rounds * repeats;
    bench_batch_open(&batch, plan->fill ? plan->operations : 1);
    for (int side = 0; side < 2; side++) {
        next[side] = times[side] = calloc(rounds, sizeof *times[side]);
        if (!times[side])
            bench_stop("no memory for %zu rounds", rounds);
    }

    bench_round(plan, &batch, 0, ignored);
    result->count = repeats;
    for (unsigned i = 0; i < repeats; i++)
        result->ratios[i] = repeat(plan, &batch, next);
    result->operations = rounds * plan->operations;
    for (int side = 0; side < 2; side++) {
        result->nanoseconds[side] = bench_median(times[side], rounds);
        free(times[side]);
    }
    bench_batch_close(&batch);
}
