/* slow.c -- memory, told to be remote, with one path that is there always and slow. */
#include "slow.h"

#include <pthread.h>
#include <time.h>

#include "cairn/backend.h"
#include "cairn/open.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned delay_ms;
static struct bench_slow_facts facts;

static const struct cairn_backend *memory;
static struct cairn_backend slow;

static void wait_ms(unsigned ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&time, &time) != 0)
        ;
}

static enum cairn_status slow_get(void *self, const struct cairn_context *context,
                                  void *snapshot, struct cairn_slice path,
                                  unsigned want, struct cairn_view *out,
                                  struct cairn_error *error) {
    if (!cairn_slice_equal(path, cairn_slice_of("answer")))
        return memory->get(self, context, snapshot, path, want, out, error);
    pthread_mutex_lock(&lock);
    unsigned ms = delay_ms;
    pthread_mutex_unlock(&lock);
    wait_ms(ms);
    pthread_mutex_lock(&lock);
    facts.reads++;
    facts.ended = bench_now();
    pthread_mutex_unlock(&lock);
    *out = (struct cairn_view){.entry = {.kind = CAIRN_RAW,
                                         .payload = cairn_slice_of("forty-two"),
                                         .size = 9}};
    return CAIRN_OK;
}

void bench_slow_open(unsigned ms) {
    struct cairn_error error;
    memory = cairn_backend_find(cairn_slice_of("memory"));
    if (!slow.name) {
        slow = *memory;
        slow.name = "bench-slow";
        slow.summary = "memory that is far away";
        slow.scope = CAIRN_SCOPE_REMOTE;
        slow.get = slow_get;
        bench_check(cairn_backend_register(&slow, &error), &error, "register a store");
    }
    pthread_mutex_lock(&lock);
    delay_ms = ms;
    facts = (struct bench_slow_facts){.reads = 0};
    pthread_mutex_unlock(&lock);
}

struct bench_slow_facts bench_slow_facts(void) {
    pthread_mutex_lock(&lock);
    struct bench_slow_facts now = facts;
    pthread_mutex_unlock(&lock);
    return now;
}
