/* faulty.c -- `require "spec.faulty"`: stores that go wrong on demand.
 *
 * Adds the backends `faulty`, `faulty-remote` and `faulty-cluster` (they differ in
 * their scope): memory with faults between. What goes wrong is set by the store's name,
 * the part of its URL behind the scheme, before or while it is open, from any Lua state
 * of the process:
 *
 *     faulty.set(name, {              what is not named stays as it is
 *       reads = "io",                 reads fail with this word; or { word, message };
 *       writes = "limit",             false: they do not
 *       resets = "io",
 *       nexts = "io",                 the steps of a scan
 *       next = 3,                     so many calls fail, then all are well; -1: all
 *       read_delay = 20,              ms; the call is made after it
 *       write_delay = 20,
 *       hang = "reads",               or "writes", "nexts", "all"; false lets go of
 * those who hang corrupt = true,               the last byte of each value is another
 *     })
 *     faulty.clear(name)              as it was in the beginning, counts too
 *     faulty.counts(name)             { reads, writes, resets, nexts, hanging }
 *     faulty.wait(name, hanging, ms)  until so many hang; false if they do not
 *
 * Once in a process, the shared object stays (it is linked so): the backends must. */
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cairn/open.h"

int luaopen_spec_faulty(lua_State *L);

enum what { READS, WRITES, RESETS, NEXTS, WHATS };

static const char *const what_names[WHATS] = {"reads", "writes", "resets", "nexts"};

/* -- Faults, by name -------------------------------------------------------------- */

struct fault {
    enum cairn_status status;
    char message[160];
};

struct faults {
    struct faults *next;
    char name[64];
    struct fault fault[WHATS];
    long left; /* calls that are to fail; -1: all */
    int delay_ms[WHATS];
    bool hang[WHATS], corrupt;
    lua_Integer calls[WHATS], hanging;
};

/* Of all of them. They are few and live as long as the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct faults *all;

/* With the lock held; NULL without memory. */
static struct faults *faults_of(const char *name, size_t size) {
    for (struct faults *faults = all; faults; faults = faults->next)
        if (strlen(faults->name) == size && memcmp(faults->name, name, size) == 0)
            return faults;
    struct faults *fresh = size < sizeof fresh->name ? calloc(1, sizeof *fresh) : NULL;
    if (!fresh)
        return NULL;
    memcpy(fresh->name, name, size);
    fresh->left = -1;
    fresh->next = all;
    return all = fresh;
}

/* What happens to a call before it is made. */
static enum cairn_status meet(struct faults *faults, enum what what,
                              struct cairn_error *error) {
    pthread_mutex_lock(&lock);
    faults->calls[what]++;
    faults->hanging += faults->hang[what];
    bool hung = faults->hang[what];
    pthread_cond_broadcast(&changed);
    while (faults->hang[what])
        pthread_cond_wait(&changed, &lock);
    faults->hanging -= hung;
    pthread_cond_broadcast(&changed);
    int delay_ms = faults->delay_ms[what];
    struct fault fault = faults->fault[what];
    if (faults->left == 0)
        fault.status = CAIRN_OK;
    else if (fault.status && faults->left > 0)
        faults->left--;
    pthread_mutex_unlock(&lock);
    if (delay_ms)
        nanosleep(&(struct timespec){.tv_sec = delay_ms / 1000,
                                     .tv_nsec = delay_ms % 1000 * 1000000L},
                  NULL);
    if (!fault.status)
        return CAIRN_OK;
    return cairn_fail(error, fault.status, "faulty:%s: %s", faults->name,
                      fault.message);
}

/* -- The backend ------------------------------------------------------------------ */

static const struct cairn_backend *memory; /* found before any store is opened */

struct faulty {
    void *inner; /* of memory */
    struct faults *faults;
};

static enum cairn_status faulty_open(struct cairn_slice location,
                                     const struct cairn_setting *settings, size_t count,
                                     void **self, struct cairn_error *error) {
    struct faulty *faulty = calloc(1, sizeof *faulty);
    if (!faulty)
        return cairn_fail(error, CAIRN_NO_MEMORY, "faulty: no memory");
    pthread_mutex_lock(&lock);
    faulty->faults = faults_of(location.data, location.size);
    pthread_mutex_unlock(&lock);
    enum cairn_status status =
        faulty->faults
            ? memory->open(location, settings, count, &faulty->inner, error)
            : cairn_fail(error, CAIRN_INVALID_ARGUMENT, "faulty: a name that long");
    if (status)
        free(faulty);
    else
        *self = faulty;
    return status;
}

static void faulty_close(void *self) {
    struct faulty *faulty = self;
    memory->close(faulty->inner);
    free(faulty);
}

static unsigned faulty_capabilities_of(void *self) {
    return memory->capabilities_of(((struct faulty *)self)->inner);
}

/* Another last byte: a copy that takes the view's place. */
static enum cairn_status spoil(struct cairn_view *view, struct cairn_error *error) {
    size_t size = view->entry.payload.size;
    if (view->entry.kind == CAIRN_LINK || size == 0)
        return CAIRN_OK;
    char *copy = malloc(size);
    if (!copy) {
        cairn_view_release(view);
        return cairn_fail(error, CAIRN_NO_MEMORY, "faulty: no memory");
    }
    memcpy(copy, view->entry.payload.data, size);
    copy[size - 1] ^= 1;
    view->entry.metadata = (struct cairn_slice){NULL, 0}; /* of the view before */
    cairn_view_release(view);
    view->entry.payload.data = view->owner = copy;
    view->release = free;
    return CAIRN_OK;
}

static bool is_corrupt(const struct faults *faults) {
    pthread_mutex_lock(&lock);
    bool corrupt = faults->corrupt;
    pthread_mutex_unlock(&lock);
    return corrupt;
}

static enum cairn_status faulty_get(void *self, const struct cairn_context *context,
                                    void *snapshot, struct cairn_slice path,
                                    unsigned want, struct cairn_view *out,
                                    struct cairn_error *error) {
    struct faulty *faulty = self;
    enum cairn_status status = meet(faulty->faults, READS, error);
    if (!status)
        status = memory->get(faulty->inner, context, snapshot, path, want, out, error);
    return !status && is_corrupt(faulty->faults) ? spoil(out, error) : status;
}

static enum cairn_status faulty_apply(void *self, const struct cairn_context *context,
                                      const struct cairn_change *changes, size_t count,
                                      unsigned flags, struct cairn_error *error) {
    struct faulty *faulty = self;
    enum cairn_status status = meet(faulty->faults, WRITES, error);
    return status ? status
                  : memory->apply(faulty->inner, context, changes, count, flags, error);
}

struct cursor {
    struct faults *faults;
    void *inner;
};

static enum cairn_status faulty_scan(void *self, const struct cairn_context *context,
                                     void *snapshot, struct cairn_slice group,
                                     struct cairn_slice from, struct cairn_slice to,
                                     unsigned want, void **cursor,
                                     struct cairn_error *error) {
    struct faulty *faulty = self;
    enum cairn_status status = meet(faulty->faults, READS, error);
    struct cursor *made = status ? NULL : malloc(sizeof *made);
    if (!made)
        return status ? status
                      : cairn_fail(error, CAIRN_NO_MEMORY, "faulty: no memory");
    made->faults = faulty->faults;
    status = memory->scan(faulty->inner, context, snapshot, group, from, to, want,
                          &made->inner, error);
    if (status)
        free(made);
    else
        *cursor = made;
    return status;
}

static enum cairn_status faulty_scan_next(void *cursor, struct cairn_scan_item *out,
                                          struct cairn_error *error) {
    struct cursor *made = cursor;
    enum cairn_status status = meet(made->faults, NEXTS, error);
    return status ? status : memory->scan_next(made->inner, out, error);
}

static void faulty_scan_close(void *cursor) {
    struct cursor *made = cursor;
    memory->scan_close(made->inner);
    free(made);
}

static enum cairn_status faulty_reset(void *self, const struct cairn_context *context,
                                      struct cairn_error *error) {
    struct faulty *faulty = self;
    enum cairn_status status = meet(faulty->faults, RESETS, error);
    return status ? status : memory->reset(faulty->inner, context, error);
}

static enum cairn_status faulty_stage(void *self, void **staged,
                                      struct cairn_error *error) {
    return memory->stage(((struct faulty *)self)->inner, staged, error);
}

static enum cairn_status faulty_stage_append(void *self, void *staged,
                                             struct cairn_slice bytes,
                                             struct cairn_error *error) {
    return memory->stage_append(((struct faulty *)self)->inner, staged, bytes, error);
}

static void faulty_stage_discard(void *self, void *staged) {
    memory->stage_discard(((struct faulty *)self)->inner, staged);
}

/* Three scopes of one thing; capabilities and options are memory's. */
static struct cairn_backend backends[] = {
    {.name = "faulty", .scope = CAIRN_SCOPE_LOCAL},
    {.name = "faulty-remote", .scope = CAIRN_SCOPE_REMOTE},
    {.name = "faulty-cluster", .scope = CAIRN_SCOPE_CLUSTER},
};

static void fill(struct cairn_backend *backend) {
    memory = cairn_backend_find(cairn_slice_of("memory"));
    backend->summary = "memory that goes wrong on demand, for specs";
    backend->capabilities = memory->capabilities;
    backend->options = memory->options;
    backend->open = faulty_open;
    backend->close = faulty_close;
    backend->capabilities_of = faulty_capabilities_of;
    backend->get = faulty_get;
    backend->apply = faulty_apply;
    backend->scan = faulty_scan;
    backend->scan_next = faulty_scan_next;
    backend->scan_close = faulty_scan_close;
    backend->reset = faulty_reset;
    backend->stage = faulty_stage;
    backend->stage_append = faulty_stage_append;
    backend->stage_discard = faulty_stage_discard;
}

/* -- From Lua --------------------------------------------------------------------- */

/* The lock is not held while Lua may raise. */
static struct faults *check_name(lua_State *L) {
    size_t size;
    const char *name = luaL_checklstring(L, 1, &size);
    pthread_mutex_lock(&lock);
    struct faults *faults = faults_of(name, size);
    pthread_mutex_unlock(&lock);
    luaL_argcheck(L, faults, 1, "a name that long");
    return faults;
}

static enum cairn_status check_word(lua_State *L, int index) {
    const char *word = luaL_checkstring(L, index);
    for (int status = 1; status < CAIRN_STATUS_COUNT; status++)
        if (strcmp(cairn_status_word(status), word) == 0)
            return status;
    return luaL_error(L, "there is no status '%s'", word);
}

/* "io", { "io", "message" } or false, on top of the stack. */
static struct fault check_fault(lua_State *L) {
    struct fault fault = {CAIRN_OK, "goes wrong as it was told to"};
    if (lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        fault.status = check_word(L, -1);
        lua_rawgeti(L, -2, 2);
        strncpy(fault.message, luaL_checkstring(L, -1), sizeof fault.message - 1);
        lua_pop(L, 2);
    } else if (lua_toboolean(L, -1)) {
        fault.status = check_word(L, -1);
    }
    return fault;
}

static int what_of(const char *name) {
    for (int what = 0; what < WHATS; what++)
        if (strcmp(what_names[what], name) == 0)
            return what;
    return -1;
}

static void set_hang(lua_State *L, struct faults *set) {
    const char *which = lua_toboolean(L, -1) ? luaL_checkstring(L, -1) : "";
    if (*which && strcmp(which, "all") != 0 && what_of(which) < 0)
        luaL_error(L, "hang: '%s' is none of reads, writes, resets, nexts, all", which);
    for (int what = 0; what < WHATS; what++)
        set->hang[what] =
            strcmp(which, "all") == 0 || strcmp(which, what_names[what]) == 0;
}

/* One setting; the value is on top of the stack. */
static void set_one(lua_State *L, const char *name, struct faults *set) {
    int what = what_of(name);
    if (what >= 0)
        set->fault[what] = check_fault(L);
    else if (strcmp(name, "next") == 0)
        set->left = (long)luaL_checkinteger(L, -1);
    else if (strcmp(name, "read_delay") == 0)
        set->delay_ms[READS] = (int)luaL_checkinteger(L, -1);
    else if (strcmp(name, "write_delay") == 0)
        set->delay_ms[WRITES] = (int)luaL_checkinteger(L, -1);
    else if (strcmp(name, "hang") == 0)
        set_hang(L, set);
    else if (strcmp(name, "corrupt") == 0)
        set->corrupt = lua_toboolean(L, -1);
    else
        luaL_error(L, "there is no fault '%s'", name);
}

/* Takes the settings over; what is counted meanwhile stays. */
static void take_over(struct faults *faults, const struct faults *set) {
    memcpy(faults->fault, set->fault, sizeof faults->fault);
    memcpy(faults->delay_ms, set->delay_ms, sizeof faults->delay_ms);
    memcpy(faults->hang, set->hang, sizeof faults->hang);
    faults->left = set->left;
    faults->corrupt = set->corrupt;
    pthread_cond_broadcast(&changed);
}

static int faulty_set(lua_State *L) {
    struct faults *faults = check_name(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    pthread_mutex_lock(&lock);
    struct faults set = *faults;
    pthread_mutex_unlock(&lock);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
        set_one(L, luaL_checkstring(L, -2), &set);
    pthread_mutex_lock(&lock);
    take_over(faults, &set);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int faulty_clear(lua_State *L) {
    struct faults *faults = check_name(L);
    struct faults none = {.left = -1};
    pthread_mutex_lock(&lock);
    take_over(faults, &none);
    memset(faults->calls, 0, sizeof faults->calls);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int faulty_counts(lua_State *L) {
    struct faults *faults = check_name(L);
    pthread_mutex_lock(&lock);
    struct faults copy = *faults;
    pthread_mutex_unlock(&lock);
    lua_newtable(L);
    for (int what = 0; what < WHATS; what++) {
        lua_pushinteger(L, copy.calls[what]);
        lua_setfield(L, -2, what_names[what]);
    }
    lua_pushinteger(L, copy.hanging);
    lua_setfield(L, -2, "hanging");
    return 1;
}

static int faulty_wait(lua_State *L) {
    struct faults *faults = check_name(L);
    lua_Integer hanging = luaL_checkinteger(L, 2), ms = luaL_checkinteger(L, 3);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000) / 1000000000;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000) % 1000000000;
    int failed = 0;
    pthread_mutex_lock(&lock);
    while (faults->hanging != hanging && !failed)
        failed = pthread_cond_timedwait(&changed, &lock, &until);
    bool arrived = faults->hanging == hanging;
    pthread_mutex_unlock(&lock);
    lua_pushboolean(L, arrived);
    return 1;
}

static const luaL_Reg functions[] = {
    {"clear", faulty_clear},
    {"counts", faulty_counts},
    {"set", faulty_set},
    {"wait", faulty_wait},
    {NULL, NULL},
};

static struct cairn_error refusal;

static void register_all(void) {
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        fill(&backends[i]);
        if (cairn_backend_register(&backends[i], &refusal))
            return;
    }
}

int luaopen_spec_faulty(lua_State *L) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_all);
    if (refusal.message[0])
        return luaL_error(L, "%s", refusal.message);
    luaL_newlib(L, functions);
    return 1;
}
