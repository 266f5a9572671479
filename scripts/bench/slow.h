/* slow.h -- a store that is far away: "bench-slow:", whose "answer" takes its time. */
#ifndef BENCH_SLOW_H
#define BENCH_SLOW_H

#include "bench.h"

/* From now on its URLs can be opened, and a read of "answer" waits so long. */
void bench_slow_open(unsigned delay_ms);

struct bench_slow_facts {
    size_t reads; /* of "answer", since the last bench_slow_open */
    double ended; /* when the last of them was */
};
struct bench_slow_facts bench_slow_facts(void);

#endif
