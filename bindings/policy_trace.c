/* policy_trace.c -- two buffers: calls fill one while the thread writes the other. */
#include "policy_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUFFER_MAX = 4 << 20, WAIT_MS = 200, ENOUGH = 64 << 10 };

struct policy_trace {
    pthread_mutex_t control; /* start and stop, one at a time */
    pthread_t thread;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t arrived;
    struct cairn_bytes waiting;
    uint64_t dropped; /* since the last line that says so */
    bool stopping;

    atomic_bool on;

    /* The thread's own while it runs. */
    int file;
    struct cairn_error trouble; /* of writing; empty: none */
};

struct policy_trace *policy_trace_new(void) {
    struct policy_trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return NULL;
    pthread_mutex_init(&trace->control, NULL);
    pthread_mutex_init(&trace->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&trace->arrived, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return trace;
}

void policy_trace_free(struct policy_trace *trace) {
    if (!trace)
        return;
    policy_trace_stop(trace, NULL);
    pthread_cond_destroy(&trace->arrived);
    pthread_mutex_destroy(&trace->lock);
    pthread_mutex_destroy(&trace->control);
    free(trace);
}

bool policy_trace_is_on(const struct policy_trace *trace) {
    return atomic_load_explicit(&trace->on, memory_order_relaxed);
}

/* -- Filling ----------------------------------------------------------------------- */

static bool append(struct policy_trace *trace, struct cairn_slice line) {
    if (line.size > BUFFER_MAX - trace->waiting.size)
        return false;
    return cairn_bytes_append(&trace->waiting, line);
}

/* Says how many are missing, before what comes next. */
static bool append_dropped(struct policy_trace *trace, int64_t now_ms) {
    char line[96];
    snprintf(line, sizeof line, "{\"time\":%" PRId64 ",\"dropped\":%" PRIu64 "}\n",
             now_ms, trace->dropped);
    return append(trace, cairn_slice_of(line));
}

void policy_trace_add(struct policy_trace *trace, struct cairn_slice line,
                      int64_t now_ms) {
    pthread_mutex_lock(&trace->lock);
    if (!policy_trace_is_on(trace)) { /* not any more */
        pthread_mutex_unlock(&trace->lock);
        return;
    }
    size_t before = trace->waiting.size;
    if (trace->dropped && append_dropped(trace, now_ms))
        trace->dropped = 0;
    if (trace->dropped || !append(trace, line))
        trace->dropped++;
    if (before < ENOUGH && trace->waiting.size >= ENOUGH)
        pthread_cond_signal(&trace->arrived);
    pthread_mutex_unlock(&trace->lock);
}

/* -- Writing ----------------------------------------------------------------------- */

static void write_out(struct policy_trace *trace, struct cairn_slice bytes) {
    while (bytes.size && !trace->trouble.message[0]) {
        ssize_t put = write(trace->file, bytes.data, bytes.size);
        if (put > 0)
            bytes = cairn_slice_sub(bytes, (size_t)put, bytes.size - (size_t)put);
        else if (put < 0 && errno != EINTR)
            cairn_fail(&trace->trouble, CAIRN_IO, "the trace cannot be written: %s",
                       strerror(errno));
    }
}

static void wait_a_while(struct policy_trace *trace) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&trace->arrived, &trace->lock, &until);
}

static void *run(void *arg) {
    struct policy_trace *trace = arg;
    struct cairn_bytes writing = {0};
    bool stopping = false;
    while (!stopping) {
        pthread_mutex_lock(&trace->lock);
        if (!trace->stopping && trace->waiting.size < ENOUGH)
            wait_a_while(trace);
        stopping = trace->stopping;
        struct cairn_bytes full = trace->waiting;
        trace->waiting = writing;
        pthread_mutex_unlock(&trace->lock);
        write_out(trace, cairn_bytes_slice(&full));
        full.size = 0;
        writing = full;
    }
    cairn_bytes_free(&writing);
    return NULL;
}

/* -- Beginning and ending ---------------------------------------------------------- */

static enum cairn_status stop(struct policy_trace *trace, struct cairn_error *error) {
    if (!policy_trace_is_on(trace))
        return CAIRN_OK;
    pthread_mutex_lock(&trace->lock);
    atomic_store(&trace->on, false);
    if (trace->dropped && append_dropped(trace, 0))
        trace->dropped = 0;
    trace->stopping = true;
    pthread_cond_signal(&trace->arrived);
    pthread_mutex_unlock(&trace->lock);
    pthread_join(trace->thread, NULL);
    pthread_mutex_lock(&trace->lock);
    cairn_bytes_free(&trace->waiting); /* written, but for its memory */
    trace->stopping = false;
    trace->dropped = 0;
    pthread_mutex_unlock(&trace->lock);
    if (close(trace->file) < 0 && !trace->trouble.message[0])
        cairn_fail(&trace->trouble, CAIRN_IO, "the trace cannot be written: %s",
                   strerror(errno));
    if (trace->trouble.message[0])
        return cairn_fail(error, CAIRN_IO, "%s", trace->trouble.message);
    return CAIRN_OK;
}

enum cairn_status policy_trace_stop(struct policy_trace *trace,
                                    struct cairn_error *error) {
    pthread_mutex_lock(&trace->control);
    enum cairn_status status = stop(trace, error);
    pthread_mutex_unlock(&trace->control);
    return status;
}

static enum cairn_status start(struct policy_trace *trace, const char *file,
                               struct cairn_error *error) {
    enum cairn_status status = stop(trace, error);
    if (status)
        return status;
    trace->trouble.message[0] = '\0';
    trace->file =
        open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0666);
    if (trace->file < 0)
        return cairn_fail(error, CAIRN_IO, "cannot open the trace %s: %s", file,
                          strerror(errno));
    int code = pthread_create(&trace->thread, NULL, run, trace);
    if (code) {
        close(trace->file);
        return cairn_fail(error, CAIRN_IO, "cannot start a thread for the trace: %s",
                          strerror(code));
    }
    atomic_store(&trace->on, true);
    return CAIRN_OK;
}

enum cairn_status policy_trace_start(struct policy_trace *trace, const char *file,
                                     struct cairn_error *error) {
    pthread_mutex_lock(&trace->control);
    enum cairn_status status = start(trace, file, error);
    pthread_mutex_unlock(&trace->control);
    return status;
}
