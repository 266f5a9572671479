/* workers_control.c -- the control socket of a set of workers, and its questions. */
#include "workers_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua_worker.h"
#include "workers_rows.h"

enum { SETS_MOST = 1000 }; /* of one process */

struct workers_control {
    struct workers_ref *ref;
    struct cairn_control *control;
};

/* -- Answers ----------------------------------------------------------------------- */

static enum cairn_status add_line(struct cairn_bytes *out, struct cairn_pair *fields,
                                  size_t count, struct cairn_error *error) {
    const struct cairn_value line = {CAIRN_VALUE_MESSAGE, count, {.fields = fields}};
    enum cairn_status status = cairn_value_to_json(&line, 0, out, error);
    if (!status && !cairn_bytes_append(out, cairn_slice_of("\n")))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "no memory for an answer");
    return status;
}

#define ADD_LINE(out, fields, error)                                                   \
    add_line((out), (fields), sizeof(fields) / sizeof *(fields), (error))

static struct cairn_pair text(const char *key, struct cairn_slice value) {
    return (struct cairn_pair){cairn_slice_of(key),
                               {CAIRN_VALUE_BYTES, 0, {.bytes = value}}};
}

static struct cairn_pair whole(const char *key, int64_t value) {
    return (struct cairn_pair){cairn_slice_of(key),
                               {CAIRN_VALUE_INTEGER, 0, {.integer = value}}};
}

static struct cairn_pair natural(const char *key, uint64_t value) {
    return whole(key, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

/* In ms: to the microsecond is enough. */
static struct cairn_pair milliseconds(const char *key, uint64_t ns) {
    return (struct cairn_pair){cairn_slice_of(key),
                               {CAIRN_VALUE_FLOAT, 0, {.number = ns / 1000 / 1e3}}};
}

/* -- Workers ----------------------------------------------------------------------- */

static enum cairn_status add_worker(struct cairn_bytes *out,
                                    const struct workers_row *row,
                                    struct cairn_error *error) {
    const struct cairn_worker_facts *facts = &row->facts;
    struct cairn_pair fields[] = {
        text("group", facts->group),
        text("state", cairn_slice_of(cairn_worker_state_word(facts->state))),
        whole("thread", (int64_t)facts->loop + 1),
        natural("queue", facts->queue),
        natural("requests", facts->requests),
        natural("failures", facts->failures),
        milliseconds("busy", facts->busy_ns),
        whole("memory", facts->memory_bytes),
        whole("started", facts->started_ms),
        text("handler", facts->label),
        text("version", cairn_slice_of(row->version)),
    };
    size_t count = sizeof fields / sizeof *fields;
    return add_line(out, fields, row->version[0] ? count : count - 1, error);
}

static enum cairn_status add_sums(struct cairn_bytes *out,
                                  const struct workers_rows *rows, size_t shown,
                                  struct cairn_error *error) {
    struct cairn_pair fields[] = {
        whole("pid", getpid()),
        natural("total", rows->total),
        natural("shown", shown),
        natural("queue", rows->sums.queue),
        natural("requests", rows->sums.requests),
        natural("failures", rows->sums.failures),
        milliseconds("busy", rows->sums.busy_ns),
        whole("memory", rows->sums.memory_bytes),
    };
    return ADD_LINE(out, fields, error);
}

static enum cairn_status answer_workers(struct workers_ref *ref,
                                        struct cairn_slice prefix,
                                        struct cairn_bytes *out,
                                        struct cairn_error *error) {
    struct workers_rows rows = {0};
    enum cairn_status status = workers_rows_collect(ref, prefix, &rows, error);
    size_t shown = 0;
    while (!status && shown < rows.count && out->size < WORKERS_ROWS_BYTES)
        status = add_worker(out, &rows.items[shown++], error);
    if (!status)
        status = add_sums(out, &rows, shown, error);
    workers_rows_free(&rows);
    return status;
}

/* -- Counters ---------------------------------------------------------------------- */

static void count_flight(void *arg, struct cairn_slice name, size_t waiters,
                         int64_t since_ms) {
    (void)name, (void)waiters, (void)since_ms;
    ++*(uint64_t *)arg;
}

static enum cairn_status add_thread(struct cairn_bytes *out,
                                    struct cairn_scheduler *scheduler, unsigned i,
                                    struct cairn_error *error) {
    struct cairn_loop_counts counts;
    cairn_loop_counts(cairn_scheduler_loop(scheduler, i), &counts);
    struct cairn_pair fields[] = {
        whole("thread", (int64_t)i + 1),  natural("tasks", counts.tasks),
        natural("timers", counts.timers), natural("offloads", counts.offloads),
        natural("sleeps", counts.sleeps), milliseconds("busy", counts.busy_ns),
    };
    return ADD_LINE(out, fields, error);
}

static enum cairn_status add_counters(struct cairn_bytes *out,
                                      struct cairn_workers *workers,
                                      struct cairn_error *error) {
    struct cairn_workers_counts counts;
    struct cairn_pair fields[16];
    uint64_t flights = 0;
    size_t n = 0;
    cairn_workers_counts(workers, &counts);
    cairn_flights_each(cairn_workers_flights(workers), count_flight, &flights);
    fields[n++] = whole("pid", getpid());
    fields[n++] = natural("workers", counts.workers);
    fields[n++] = natural("started", counts.started);
    for (int end = 0; end < CAIRN_END_COUNT; end++)
        fields[n++] = natural(cairn_end_word((enum cairn_end)end), counts.ended[end]);
    fields[n++] = natural("posted", counts.posted);
    fields[n++] = natural("answered", counts.answered);
    fields[n++] = natural("failed", counts.failed);
    fields[n++] = natural("full", counts.refused_full);
    fields[n++] = natural("rings", counts.rings);
    fields[n++] = natural("forwarded", counts.forwarded);
    fields[n++] = natural("waiting", flights);
    _Static_assert(sizeof fields / sizeof *fields == 10 + CAIRN_END_COUNT,
                   "a place for each");
    return add_line(out, fields, n, error);
}

static enum cairn_status answer_stats(struct workers_ref *ref,
                                      struct cairn_slice ignored,
                                      struct cairn_bytes *out,
                                      struct cairn_error *error) {
    (void)ignored;
    struct cairn_scheduler *scheduler = cairn_workers_scheduler(ref->workers);
    enum cairn_status status = CAIRN_OK;
    for (unsigned i = 0; !status && i < cairn_scheduler_loops(scheduler); i++)
        status = add_thread(out, scheduler, i, error);
    return status ? status : add_counters(out, ref->workers, error);
}

/* -- Handlers ---------------------------------------------------------------------- */

struct telling {
    struct cairn_bytes *out;
    size_t total, shown;
    enum cairn_status status;
    struct cairn_error *error;
};

static void tell_handler(void *arg, const char *name, const char *file,
                         const char *version, uint64_t reloads, const char *problem) {
    struct telling *telling = arg;
    struct cairn_pair fields[] = {
        text("name", cairn_slice_of(name)),
        text("file", cairn_slice_of(file)),
        text("version", (struct cairn_slice){version, strnlen(version, 12)}),
        natural("reloads", reloads),
        text("problem", cairn_slice_of(problem ? problem : "")),
    };
    size_t count = sizeof fields / sizeof *fields;
    telling->total++;
    if (telling->status || telling->out->size >= WORKERS_ROWS_BYTES)
        return;
    telling->shown++;
    telling->status =
        add_line(telling->out, fields, problem ? count : count - 1, telling->error);
}

static enum cairn_status answer_handlers(struct workers_ref *ref,
                                         struct cairn_slice ignored,
                                         struct cairn_bytes *out,
                                         struct cairn_error *error) {
    struct telling telling = {.out = out, .error = error};
    (void)ignored;
    handlers_each(ref->handlers, tell_handler, &telling);
    struct cairn_pair fields[] = {
        whole("pid", getpid()),
        natural("total", telling.total),
        natural("shown", telling.shown),
    };
    return telling.status ? telling.status : ADD_LINE(out, fields, error);
}

/* -- Questions --------------------------------------------------------------------- */

static const struct question {
    const char *word;
    bool takes_prefix;
    enum cairn_status (*answer)(struct workers_ref *ref, struct cairn_slice prefix,
                                struct cairn_bytes *out, struct cairn_error *error);
} questions[] = {
    {"workers", true, answer_workers},
    {"stats", false, answer_stats},
    {"handlers", false, answer_handlers},
};

static enum cairn_status answer_one(struct workers_ref *ref, struct cairn_slice asked,
                                    struct cairn_bytes *out,
                                    struct cairn_error *error) {
    const char *blank = asked.size ? memchr(asked.data, ' ', asked.size) : NULL;
    size_t size = blank ? (size_t)(blank - asked.data) : asked.size;
    struct cairn_slice word = cairn_slice_sub(asked, 0, size);
    struct cairn_slice prefix = {"", 0};
    if (blank)
        prefix = cairn_slice_sub(asked, size + 1, asked.size - size - 1);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        const struct question *question = &questions[i];
        if (cairn_slice_equal(word, cairn_slice_of(question->word)) &&
            (question->takes_prefix || prefix.size == 0))
            return question->answer(ref, prefix, out, error);
    }
    return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT, "an unknown question", asked);
}

static void answer(void *arg, struct cairn_slice asked, struct cairn_bytes *out) {
    const struct workers_control *control = arg;
    struct cairn_error error;
    enum cairn_status status = answer_one(control->ref, asked, out, &error);
    if (!status)
        return;
    struct cairn_pair fields[] = {
        text("error", cairn_slice_of(error.message)),
        text("code", cairn_slice_of(cairn_status_word(status))),
    };
    out->size = 0;
    if (ADD_LINE(out, fields, NULL))
        out->size = 0; /* no answer: whoever asked is told so */
}

/* -- Opening and closing ----------------------------------------------------------- */

/* <pid>.sock, and <pid>-2.sock for the next set of workers. */
static enum cairn_status serve_in(const char *directory,
                                  struct workers_control *control,
                                  struct cairn_error *error) {
    enum cairn_status status = CAIRN_CONFLICT;
    for (int i = 1; status == CAIRN_CONFLICT && i <= SETS_MOST; i++) {
        char path[2 * CAIRN_CONTROL_PATH], which[16] = "";
        if (i > 1)
            snprintf(which, sizeof which, "-%d", i);
        int size =
            snprintf(path, sizeof path, "%s/%d%s.sock", directory, getpid(), which);
        if (size < 0 || (size_t)size >= sizeof path)
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "control: too long a path of a directory: %s", directory);
        status = cairn_control_serve(path, answer, control, &control->control, error);
    }
    return status;
}

static enum cairn_status serve(const char *path, struct workers_control *control,
                               struct cairn_error *error) {
    char directories[2][CAIRN_CONTROL_PATH];
    if (path)
        return cairn_control_serve(path, answer, control, &control->control, error);
    enum cairn_status status = CAIRN_OK;
    unsigned count = cairn_control_directories(directories);
    for (unsigned i = 0; i < count; i++)
        if (!(status = serve_in(directories[i], control, error)))
            break;
    return status;
}

enum cairn_status workers_control_open(struct workers_ref *ref, const char *path,
                                       struct workers_control **out,
                                       struct cairn_error *error) {
    struct workers_control *control = calloc(1, sizeof *control);
    if (!control)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a control socket");
    control->ref = ref;
    enum cairn_status status = serve(path, control, error);
    if (status)
        free(control);
    else
        *out = control;
    return status;
}

void workers_control_close(struct workers_control *control) {
    if (!control)
        return;
    cairn_control_close(control->control);
    free(control);
}
