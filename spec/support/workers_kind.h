/* workers_kind.h -- what the workers of spec.workers do; see workers.c. */
#ifndef WORKERS_KIND_H
#define WORKERS_KIND_H

#include <pthread.h>
#include <time.h>

#include "cairn/worker.h"

enum { LOG_MAX = 4096, WORDS_MAX = 160 };

struct world {
    struct cairn_workers *workers; /* NULL once closed */
    _Atomic int64_t now_ms;
    atomic_int alive; /* rooms that were filled and not freed */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gate; /* open */
    int held, count;
    char log[LOG_MAX][WORDS_MAX];
};

struct ask {
    struct cairn_request request;
    struct cairn_ending ending;
    atomic_uint users;
    struct cairn_worker *asker; /* retained; NULL: nobody to be woken */
    char words[WORDS_MAX];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int times;
    enum cairn_status status;
    unsigned detail;
    char message[sizeof(struct cairn_error)];
};

void ask_release(struct ask *ask);
/* For two: who waits, and who tells. NULL without memory. */
struct ask *ask_new(const char *words, bool waits);

struct timespec in_ms(int64_t ms);

extern const struct cairn_worker_kind kind;

struct filling {
    struct world *world;
    const char *stop;
};

void fill(void *arg, struct cairn_worker *worker); /* a struct filling */

#endif
