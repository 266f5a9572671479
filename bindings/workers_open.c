/* workers_open.c -- a set of workers: opened, shared by a process, closed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua_worker.h"
#include "workers_control.h"

int64_t workers_now(const struct workers_ref *ref) {
    struct cairn_context context = {0};
    lua_clock_set(ref->clock, &context);
    return cairn_context_now(&context);
}

/* -- The log ----------------------------------------------------------------------- */

/* One JSON object a line, each in one write, so that lines of several threads do not
 * mix. */
void workers_report(void *arg, const char *event, const char *name, const char *version,
                    const char *message) {
    const struct workers_ref *ref = arg;
    struct cairn_bytes line = {0};
    if (ref->log < 0)
        return;
    struct cairn_pair fields[] = {
        {cairn_slice_of("event"), {CAIRN_VALUE_BYTES, 0, {cairn_slice_of(event)}}},
        {cairn_slice_of("handler"), {CAIRN_VALUE_BYTES, 0, {cairn_slice_of(name)}}},
        {cairn_slice_of("message"),
         {CAIRN_VALUE_BYTES, 0, {cairn_slice_of(message ? message : "")}}},
        {cairn_slice_of("time"),
         {CAIRN_VALUE_INTEGER, 0, {.integer = workers_now(ref)}}},
        {cairn_slice_of("version"),
         {CAIRN_VALUE_BYTES, 0, {cairn_slice_of(version ? version : "")}}},
    };
    const struct cairn_value entry = {
        CAIRN_VALUE_MESSAGE, sizeof fields / sizeof *fields, {.fields = fields}};
    if (!cairn_value_to_json(&entry, 0, &line, NULL) &&
        cairn_bytes_append(&line, cairn_slice_of("\n")))
        (void)!write(ref->log, line.data, line.size);
    cairn_bytes_free(&line);
}

/* -- Settings ---------------------------------------------------------------------- */

static int64_t number(lua_State *L, int index, const char *name) {
    int64_t value = 0;
    cairn_lua_integer(L, index, name, &value);
    return value;
}

static bool copy_field(lua_State *L, int index, const char *name,
                       struct cairn_bytes *out) {
    struct cairn_slice text = {"", 0};
    cairn_lua_string(L, index, name, &text);
    bool copied = cairn_bytes_append(out, text) &&
                  cairn_bytes_append(out, (struct cairn_slice){"", 1});
    if (copied)
        out->size--; /* the NUL is for those who want a string */
    lua_pop(L, 1);
    return copied;
}

static void read_settings(lua_State *L, int index, struct workers_ref *ref,
                          struct cairn_workers_options *options) {
    ref->bounds.steps = (uint64_t)number(L, index, "steps");
    ref->bounds.memory_bytes = (size_t)number(L, index, "memory");
    ref->bounds.message_bytes = (size_t)number(L, index, "message");
    ref->bounds.slice_ns = number(L, index, "slice_ns");
    ref->queue_most = (size_t)number(L, index, "queue");
    ref->timeout_ms = number(L, index, "timeout");
    ref->drain_ms = number(L, index, "drain");
    ref->state_bytes = SIZE_MAX / 4;
    options->scheduler.loops = (unsigned)number(L, index, "loops");
    options->most = (size_t)number(L, index, "most");
    cairn_lua_field(L, index, "clock");
    ref->clock = cairn_lua_toclock(L, lua_gettop(L), "clock");
    lua_pop(L, 1);
    if (cairn_lua_field(L, index, "cache") != LUA_TNIL) {
        ref->cache = cairn_lua_checkcache(L, lua_gettop(L));
        cairn_lua_retain_cache(ref->cache);
    }
    lua_pop(L, 1);
}

/* -- Opening ----------------------------------------------------------------------- */

static enum cairn_status start_loop(void *arg, struct cairn_loop *loop,
                                    struct cairn_error *error) {
    return worker_state_open(arg, loop, error);
}

static void stop_loop(void *arg, struct cairn_loop *loop) {
    (void)arg;
    worker_state_close(loop);
}

static enum cairn_status open_log(struct workers_ref *ref, const char *path,
                                  struct cairn_error *error) {
    if (!path)
        return CAIRN_OK;
    ref->log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return ref->log >= 0 ? CAIRN_OK
                         : cairn_fail(error, CAIRN_IO, "cannot open the log %s: %s",
                                      path, strerror(errno));
}

static enum cairn_status open_handlers(struct workers_ref *ref, bool watch,
                                       struct cairn_error *error) {
    const struct handlers_options options = {.path = ref->package_path.data,
                                             .cpath = ref->package_cpath.data,
                                             .watch = watch,
                                             .prepare = worker_state_prepare,
                                             .report = workers_report,
                                             .arg = ref};
    return handlers_open(&options, &ref->handlers, error);
}

/* That nobody outside can look is no reason not to work, unless it was asked for. */
static enum cairn_status open_control(lua_State *L, int index, struct workers_ref *ref,
                                      struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    int type = cairn_lua_field(L, index, "control");
    if (type == LUA_TSTRING)
        status = workers_control_open(ref, lua_tostring(L, -1), &ref->control, error);
    else if (lua_toboolean(L, -1) &&
             workers_control_open(ref, NULL, &ref->control, error))
        workers_report(ref, "not_seen", "", "", error->message);
    lua_pop(L, 1);
    return status;
}

static enum cairn_status open_all(lua_State *L, int index, struct workers_ref *ref,
                                  struct cairn_error *error) {
    struct cairn_workers_options options = {
        .scheduler = {.start = start_loop, .stop = stop_loop, .arg = ref}};
    struct cairn_context context = {0};
    bool watch = true;
    read_settings(L, index, ref, &options);
    cairn_lua_boolean(L, index, "watch", &watch);
    lua_clock_set(ref->clock, &context);
    options.scheduler.now_ms = context.now_ms;
    options.scheduler.clock = context.clock;
    if (!copy_field(L, index, "path", &ref->package_path) ||
        !copy_field(L, index, "cpath", &ref->package_cpath))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for workers");
    cairn_lua_field(L, index, "log");
    enum cairn_status status = open_log(ref, lua_tostring(L, -1), error);
    lua_pop(L, 1);
    if (!status)
        status = open_handlers(ref, watch, error);
    if (!status)
        status = cairn_workers_open(&options, &ref->workers, error);
    return status ? status : open_control(L, index, ref, error);
}

struct opening {
    struct workers_ref *ref;
    enum cairn_status status;
    struct cairn_error *error;
};

/* Protected: opening, settings. */
static int open_protected(lua_State *L) {
    struct opening *opening = lua_touserdata(L, 1);
    opening->status = open_all(L, 2, opening->ref, opening->error);
    return 0;
}

enum cairn_status workers_open(lua_State *L, int index, struct workers_ref **out,
                               struct cairn_error *error) {
    struct workers_ref *ref = calloc(1, sizeof *ref);
    if (!ref)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for workers");
    atomic_init(&ref->users, 1);
    ref->log = -1;
    struct opening opening = {ref, CAIRN_OK, error};
    lua_pushcfunction(L, open_protected);
    lua_pushlightuserdata(L, &opening);
    lua_pushvalue(L, index);
    int raised = lua_pcall(L, 2, 0, 0);
    if (!raised && !opening.status) {
        if (ref->clock)
            lua_clock_follow(ref->clock, cairn_workers_scheduler(ref->workers));
        *out = ref;
        return CAIRN_OK;
    }
    workers_close(ref);
    workers_release(ref);
    if (raised)
        lua_error(L);
    return opening.status;
}

/* -- Closing ----------------------------------------------------------------------- */

void workers_close(struct workers_ref *ref) {
    if (atomic_exchange(&ref->is_closed, true))
        return;
    workers_control_close(ref->control);
    if (ref->clock && ref->workers)
        lua_clock_unfollow(ref->clock, cairn_workers_scheduler(ref->workers));
    cairn_workers_close(ref->workers, ref->drain_ms);
    handlers_close(ref->handlers);
    cairn_lua_release_cache(ref->cache);
    ref->control = NULL;
    ref->workers = NULL;
    ref->handlers = NULL;
    ref->cache = NULL;
}

void workers_retain(struct workers_ref *ref) {
    atomic_fetch_add_explicit(&ref->users, 1, memory_order_relaxed);
}

void workers_release(struct workers_ref *ref) {
    if (atomic_fetch_sub_explicit(&ref->users, 1, memory_order_acq_rel) != 1)
        return;
    lua_clock_release(ref->clock);
    cairn_bytes_free(&ref->package_path);
    cairn_bytes_free(&ref->package_cpath);
    if (ref->log >= 0)
        close(ref->log);
    free(ref);
}
