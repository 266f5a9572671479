/* workers_monitor.c -- groups and queue lengths, looked at every so often by a timer of
 * the first loop.
 *
 * A monitor is shared by the object that reads it and by the loop that fills it. What
 * it saw is kept as JSON, one object a line, which is also what goes into its file. */
#include "workers_monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua_value.h"
#include "workers_rows.h"

#define MONITOR_TYPE "cairn.Monitor"

enum { SEEN_MOST = 1000, ROWS_MOST = 1000, SEEN_BYTES = 16 << 20 };

struct monitor {
    struct cairn_task beginning, ending; /* on the loop */
    struct cairn_timer timer;
    atomic_uint users; /* the object, and tasks under way */
    atomic_bool is_over;
    struct workers_ref *ref; /* retained */
    int64_t every_ms;
    struct cairn_bytes prefix;
    int file; /* -1: none */

    pthread_mutex_t lock; /* of what follows */
    struct cairn_bytes seen[SEEN_MOST];
    size_t first, count, bytes;
};

/* -- Life -------------------------------------------------------------------------- */

static void monitor_release(struct monitor *monitor) {
    if (atomic_fetch_sub(&monitor->users, 1) != 1)
        return;
    for (size_t i = 0; i < SEEN_MOST; i++)
        cairn_bytes_free(&monitor->seen[i]);
    cairn_bytes_free(&monitor->prefix);
    if (monitor->file >= 0)
        close(monitor->file);
    pthread_mutex_destroy(&monitor->lock);
    workers_release(monitor->ref);
    free(monitor);
}

/* -- Looking ----------------------------------------------------------------------- */

static void set_text(struct cairn_pair *field, const char *key,
                     struct cairn_slice text) {
    *field = (struct cairn_pair){cairn_slice_of(key),
                                 {CAIRN_VALUE_BYTES, 0, {.bytes = text}}};
}

static void set_number(struct cairn_pair *field, const char *key, int64_t number) {
    *field = (struct cairn_pair){cairn_slice_of(key),
                                 {CAIRN_VALUE_INTEGER, 0, {.integer = number}}};
}

/* {groups: [{group, queue, requests, state}], time} */
static enum cairn_status write_rows(const struct workers_rows *rows, int64_t now_ms,
                                    struct cairn_bytes *line,
                                    struct cairn_error *error) {
    size_t count = rows->count < ROWS_MOST ? rows->count : ROWS_MOST;
    struct cairn_value *items = calloc(count + 1, sizeof *items);
    struct cairn_pair *fields = calloc(count + 1, 4 * sizeof *fields);
    enum cairn_status status = CAIRN_NO_MEMORY;
    for (size_t i = 0; items && fields && i < count; i++) {
        const struct cairn_worker_facts *facts = &rows->items[i].facts;
        struct cairn_pair *field = fields + 4 * i;
        set_text(&field[0], "group", facts->group);
        set_number(&field[1], "queue", (int64_t)facts->queue);
        set_number(&field[2], "requests", (int64_t)facts->requests);
        set_text(&field[3], "state",
                 cairn_slice_of(cairn_worker_state_word(facts->state)));
        items[i] = (struct cairn_value){CAIRN_VALUE_MESSAGE, 4, {.fields = field}};
    }
    if (items && fields) {
        struct cairn_pair both[2] = {
            {cairn_slice_of("groups"), {CAIRN_VALUE_LIST, count, {.items = items}}}};
        set_number(&both[1], "time", now_ms);
        const struct cairn_value all = {CAIRN_VALUE_MESSAGE, 2, {.fields = both}};
        status = cairn_value_to_json(&all, 0, line, error);
    }
    free(items);
    free(fields);
    return status;
}

/* The oldest line, of at least one; the caller's. The lock is held. */
static struct cairn_bytes take_first(struct monitor *monitor) {
    struct cairn_bytes line = monitor->seen[monitor->first];
    monitor->seen[monitor->first] = (struct cairn_bytes){0};
    monitor->bytes -= line.size;
    monitor->first = (monitor->first + 1) % SEEN_MOST;
    monitor->count--;
    return line;
}

/* Takes the line. */
static void keep(struct monitor *monitor, struct cairn_bytes line) {
    pthread_mutex_lock(&monitor->lock);
    while (monitor->count &&
           (monitor->count == SEEN_MOST || monitor->bytes + line.size > SEEN_BYTES)) {
        struct cairn_bytes oldest = take_first(monitor);
        cairn_bytes_free(&oldest);
    }
    monitor->seen[(monitor->first + monitor->count++) % SEEN_MOST] = line;
    monitor->bytes += line.size;
    pthread_mutex_unlock(&monitor->lock);
}

static void look(struct monitor *monitor) {
    struct workers_rows rows = {.items = NULL};
    struct cairn_bytes line = {0};
    struct cairn_error error;
    if (!workers_rows_collect(monitor->ref, cairn_bytes_slice(&monitor->prefix), &rows,
                              &error) &&
        !write_rows(&rows, workers_now(monitor->ref), &line, &error)) {
        if (monitor->file >= 0 && cairn_bytes_append(&line, cairn_slice_of("\n")))
            (void)!write(monitor->file, line.data, line.size);
        keep(monitor, line);
    } else {
        cairn_bytes_free(&line);
    }
    workers_rows_free(&rows);
}

static void due(struct cairn_timer *timer, struct cairn_loop *loop) {
    struct monitor *monitor =
        (struct monitor *)((char *)timer - offsetof(struct monitor, timer));
    struct cairn_error error;
    if (atomic_load(&monitor->is_over)) /* its end is on the way */
        return;
    look(monitor);
    (void)cairn_loop_set_timer(loop, timer, cairn_loop_now_ms(loop) + monitor->every_ms,
                               &error);
}

static void begin(struct cairn_task *task, struct cairn_loop *loop) {
    struct monitor *monitor =
        (struct monitor *)((char *)task - offsetof(struct monitor, beginning));
    if (!atomic_load(&monitor->is_over))
        due(&monitor->timer, loop);
    monitor_release(monitor);
}

static void end(struct cairn_task *task, struct cairn_loop *loop) {
    struct monitor *monitor =
        (struct monitor *)((char *)task - offsetof(struct monitor, ending));
    cairn_loop_clear_timer(loop, &monitor->timer);
    monitor_release(monitor);
}

/* -- As a Lua object --------------------------------------------------------------- */

struct monitor_box {
    struct monitor *monitor; /* NULL once collected */
};

static void post(struct monitor *monitor, struct cairn_task *task) {
    struct cairn_scheduler *scheduler = cairn_workers_scheduler(monitor->ref->workers);
    atomic_fetch_add(&monitor->users, 1);
    cairn_loop_post(cairn_scheduler_loop(scheduler, 0), task);
}

/* With the workers its timer is gone, too. */
static void stop(struct monitor *monitor) {
    if (atomic_exchange(&monitor->is_over, true) ||
        atomic_load(&monitor->ref->is_closed))
        return;
    monitor->ending.run = end;
    post(monitor, &monitor->ending);
}

static int monitor_gc(lua_State *L) {
    struct monitor_box *box = luaL_checkudata(L, 1, MONITOR_TYPE);
    if (!box->monitor)
        return 0;
    stop(box->monitor);
    monitor_release(box->monitor);
    box->monitor = NULL;
    return 0;
}

static struct monitor *check(lua_State *L, int index) {
    const struct monitor_box *box = luaL_checkudata(L, index, MONITOR_TYPE);
    luaL_argcheck(L, box->monitor, index, "the monitor was collected");
    return box->monitor;
}

/* False: there is none. */
static bool take(struct monitor *monitor, struct cairn_bytes *line) {
    pthread_mutex_lock(&monitor->lock);
    bool any = monitor->count > 0;
    if (any)
        *line = take_first(monitor);
    pthread_mutex_unlock(&monitor->lock);
    return any;
}

/* monitor:read() */
static int monitor_read(lua_State *L) {
    struct monitor *monitor = check(L, 1);
    struct cairn_error error;
    lua_settop(L, 1);
    struct cairn_bytes *line = cairn_lua_newbytes(L);
    lua_newtable(L);
    for (lua_Integer i = 1; take(monitor, line); i++) {
        struct cairn_value value;
        struct cairn_arena *arena = cairn_lua_newarena(L);
        int at = lua_gettop(L);
        if (cairn_value_from_json(cairn_bytes_slice(line), arena, &value, &error))
            return luaL_error(L, "%s", error.message);
        cairn_lua_push_value(L, &value);
        lua_rawseti(L, 3, i);
        cairn_lua_freearena(L, at);
        lua_settop(L, 3);
        cairn_bytes_free(line);
        *line = (struct cairn_bytes){0};
    }
    return 1;
}

static int open_file(lua_State *L, const char *path) {
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        luaL_argerror(
            L, 4,
            lua_pushfstring(L, "file: cannot open %s: %s", path, strerror(errno)));
    return file;
}

/* (workers, prefix, every in ms, file or nil) */
int workers_monitor(lua_State *L) {
    struct workers_ref *ref = cairn_lua_checkworkers(L, 1);
    struct cairn_slice prefix = cairn_lua_bytes(L, 2, "group");
    int64_t every_ms = cairn_lua_count(L, 3, "every", INT32_MAX);
    const char *path = luaL_optstring(L, 4, NULL);
    struct monitor_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->monitor = NULL;
    luaL_setmetatable(L, MONITOR_TYPE);
    struct monitor *monitor = calloc(1, sizeof *monitor);
    if (!monitor)
        return luaL_error(L, "not enough memory");
    atomic_init(&monitor->users, 1);
    pthread_mutex_init(&monitor->lock, NULL);
    workers_retain(ref);
    monitor->ref = ref;
    monitor->every_ms = every_ms;
    monitor->file = -1;
    atomic_init(&monitor->is_over, true);
    box->monitor = monitor;
    if (!cairn_bytes_append(&monitor->prefix, prefix))
        return luaL_error(L, "not enough memory");
    if (path)
        monitor->file = open_file(L, path);
    monitor->timer.fire = due;
    monitor->beginning.run = begin;
    atomic_store(&monitor->is_over, false);
    post(monitor, &monitor->beginning);
    return 1;
}

/* (workers, monitor): what it saw since it was read */
int workers_monitor_stop(lua_State *L) {
    cairn_lua_checkworkers(L, 1);
    stop(check(L, 2));
    lua_remove(L, 1);
    return monitor_read(L);
}

void workers_monitor_init(lua_State *L) {
    static const luaL_Reg methods[] = {{"read", monitor_read}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", monitor_gc}, {NULL, NULL}};
    int top = lua_gettop(L);
    cairn_lua_class(L, MONITOR_TYPE, methods, metamethods);
    lua_settop(L, top);
}
