/* worker_handler_load.c -- from a text to the table that it returns, in a loop's state
 * or in one where it is only tried.
 *
 * A handler is the operator's own code and has the standard libraries, so a trial
 * guards against mistakes, not against malice: what it allocates is bounded, and how
 * long its Lua runs, but not what C functions do that it calls. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker_handler_inner.h"

enum { TRIAL_MS = 2000, TRIAL_MIB = 256, TRIAL_STEPS = 1000 };
enum { LEVELS_MAX = 200 }; /* finding a deeper one takes long */
static const size_t TRIAL_BYTES = (size_t)TRIAL_MIB << 20;

/* -- Loading ----------------------------------------------------------------------- */

struct load {
    const struct handler_version *version;
    const char *name;
    char source[512];       /* its name for Lua: "@file" */
    char shown[LUA_IDSIZE]; /* what Lua makes of that in messages */
    int line;               /* where an error left the file; 0: elsewhere */
    enum cairn_status status;
    struct cairn_error *error;
};

/* As with any Lua file, a mark of its encoding and a first line for the shell are
 * skipped; the line is counted. */
static struct cairn_slice text_of(const struct handler_version *version) {
    struct cairn_slice text = cairn_bytes_slice(&version->source);
    if (text.size >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
        text = cairn_slice_sub(text, 3, text.size - 3);
    if (text.size && text.data[0] == '#') {
        const char *end = memchr(text.data, '\n', text.size);
        size_t line = end ? (size_t)(end - text.data) : text.size;
        text = cairn_slice_sub(text, line, text.size - line);
    }
    return text;
}

static int wrong_type(lua_State *L, const char *what, int index, const char *wanted) {
    const char *article = lua_isnil(L, index) ? "" : "a ";
    return luaL_error(L, "%s %s%s, not a %s", what, article, luaL_typename(L, index),
                      wanted);
}

/* Of the table at the top of the stack. */
static void check_shape(lua_State *L) {
    static const char *const functions[] = {"handle", "init", "migrate", "shutdown"};
    if (!lua_istable(L, -1))
        wrong_type(L, "it returns", -1, "table with a function `handle`");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        char what[32];
        lua_getfield(L, -1, functions[i]);
        snprintf(what, sizeof what, "`%s` is", functions[i]);
        if (!lua_isfunction(L, -1) && (i == 0 || !lua_isnil(L, -1)))
            wrong_type(L, what, -1, "function");
        lua_pop(L, 1);
    }
}

/* A message handler. An error in another module is also one of the line that called it.
 */
static int keep_line(lua_State *L) {
    struct load *load = lua_touserdata(L, lua_upvalueindex(1));
    lua_Debug frame;
    load->line = 0;
    for (int level = 1; level < LEVELS_MAX && !load->line; level++) {
        if (!lua_getstack(L, level, &frame))
            break;
        lua_getinfo(L, "Sl", &frame);
        if (strcmp(frame.source, load->source) == 0 && frame.currentline > 0)
            load->line = frame.currentline;
    }
    if (!lua_isstring(L, 1))
        lua_pushfstring(L, "(an error that is a %s)", luaL_typename(L, 1));
    return 1;
}

static int load_text(lua_State *L) {
    const struct load *load = lua_touserdata(L, 1);
    struct cairn_slice text = text_of(load->version);
    if (luaL_loadbufferx(L, text.size ? text.data : "", text.size, load->source, "t"))
        return lua_error(L);
    lua_pushstring(L, load->name);
    lua_pushstring(L, load->version->file);
    lua_call(L, 2, 1);
    check_shape(L);
    return 1;
}

/* Lua names a long file by its end; we name it whole. */
static void place(struct load *load, const char *message) {
    const char *file = load->version->file;
    size_t size = strlen(load->shown);
    bool placed = strncmp(message, load->shown, size) == 0 && message[size] == ':' &&
                  message[size + 1] >= '1' && message[size + 1] <= '9';
    load->status = CAIRN_INVALID_ARGUMENT;
    if (placed)
        cairn_fail(load->error, load->status, "%s%s", file, message + size);
    else
        cairn_fail(load->error, load->status, "%s:%d: %s", file,
                   load->line ? load->line : 1, message);
}

/* What Lua calls our source is learnt from an empty chunk of that name. */
static void learn_shown(lua_State *L, struct load *load) {
    lua_Debug chunk;
    if (luaL_loadbuffer(L, "", 0, load->source))
        lua_error(L);
    lua_getinfo(L, ">S", &chunk);
    memcpy(load->shown, chunk.short_src, sizeof load->shown);
}

/* Protected: what is left of errors here is memory. */
static int run_load(lua_State *L) {
    struct load *load = lua_touserdata(L, 1);
    learn_shown(L, load);
    lua_pushlightuserdata(L, load);
    lua_pushcclosure(L, keep_line, 1);
    lua_pushcfunction(L, load_text);
    lua_pushlightuserdata(L, load);
    int code = lua_pcall(L, 1, 1, 2);
    if (code == LUA_OK)
        return 1;
    const char *message = lua_tostring(L, -1);
    if (code == LUA_ERRMEM)
        lua_error(L);
    place(load, message ? message : "an error in handling an error");
    return 0;
}

enum cairn_status handler_load(lua_State *L, const struct handler_version *version,
                               const char *name, struct cairn_error *error) {
    struct load load = {.version = version, .name = name, .error = error};
    int top = lua_gettop(L);
    snprintf(load.source, sizeof load.source, "@%s", version->file);
    if (!lua_checkstack(L, 8))
        return cairn_fail(error, CAIRN_NO_MEMORY, "%s: no stack to load it",
                          version->file);
    lua_pushcfunction(L, run_load);
    lua_pushlightuserdata(L, &load);
    if (lua_pcall(L, 1, 1, 0)) {
        lua_settop(L, top);
        return cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory to load it",
                          version->file);
    }
    if (load.status)
        lua_settop(L, top);
    return load.status;
}

/* -- Trying ------------------------------------------------------------------------ */

struct trial {
    struct handlers *handlers;
    int64_t end_ns;
    size_t held;
    bool is_late, is_full;
};

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *allocate(void *arg, void *block, size_t had, size_t wants) {
    struct trial *trial = arg;
    if (!block)
        had = 0; /* Lua says there what it is for */
    size_t others = trial->held - had;
    if (wants == 0) {
        free(block);
        trial->held = others;
        return NULL;
    }
    if (wants > had && wants > TRIAL_BYTES - others) {
        trial->is_full = true;
        return NULL;
    }
    void *moved = realloc(block, wants);
    if (moved)
        trial->held = others + wants;
    return moved;
}

/* Once it is late each instruction fails, so that catching that does not help. */
static void hook(lua_State *L, lua_Debug *event) {
    (void)event;
    void *arg;
    lua_getallocf(L, &arg);
    struct trial *trial = arg;
    if (!trial->is_late && !atomic_load(&trial->handlers->stopping) &&
        monotonic_ns() < trial->end_ns)
        return;
    trial->is_late = true;
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    lua_pushfstring(L, "it takes over %d ms to load", TRIAL_MS);
    lua_error(L);
}

static void set_path(lua_State *L, const char *name, const char *path) {
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_pushstring(L, path);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* Protected. */
static int open_trial(lua_State *L) {
    const struct handlers_options *options = lua_touserdata(L, 1);
    luaL_openlibs(L);
    set_path(L, "path", options->path);
    set_path(L, "cpath", options->cpath);
    lua_settop(L, 0);
    if (options->prepare)
        options->prepare(options->arg, L);
    return 0;
}

static enum cairn_status begin(lua_State *L, struct handlers *handlers,
                               struct cairn_error *error) {
    lua_pushcfunction(L, open_trial);
    lua_pushlightuserdata(L, &handlers->options);
    int code = lua_pcall(L, 1, 0, 0);
    if (code == LUA_OK)
        return CAIRN_OK;
    const char *why = lua_tostring(L, -1);
    return cairn_fail(error, code == LUA_ERRMEM ? CAIRN_NO_MEMORY : CAIRN_UNAVAILABLE,
                      "no state to try handlers in: %s",
                      why ? why : "an error without a message");
}

static enum cairn_status judge(const struct trial *trial,
                               const struct handler_version *version,
                               enum cairn_status status, struct cairn_error *error) {
    if (status == CAIRN_NO_MEMORY && trial->is_full)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "%s:1: it takes over %d MiB to load", version->file,
                          TRIAL_MIB);
    return status;
}

enum cairn_status handler_try(struct handlers *handlers, const char *name,
                              const struct handler_version *version,
                              struct cairn_error *error) {
    struct trial trial = {.handlers = handlers};
    lua_State *L = lua_newstate(allocate, &trial);
    if (!L)
        return cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory for a state to try it",
                          version->file);
    enum cairn_status status = begin(L, handlers, error);
    if (!status) {
        trial.end_ns = monotonic_ns() + TRIAL_MS * INT64_C(1000000);
        lua_sethook(L, hook, LUA_MASKCOUNT, TRIAL_STEPS);
        status = handler_load(L, version, name, error);
        status = judge(&trial, version, status, error);
    }
    lua_close(L);
    return status;
}
