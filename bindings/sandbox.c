/* sandbox.c -- states that run untrusted scripts: made, called, thrown away.
 *
 * The hook is set anew for each call, which costs little and makes a call count the
 * same whatever ran before it. The limits are kept in sandbox_limits.c, what scripts
 * see in sandbox_base.c and its neighbours. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox_limits.h"

/* -- Making one ------------------------------------------------------------------- */

static int open_environment(lua_State *L) {
    sandbox_open(L);
    return 0;
}

struct sandbox *sandbox_make(const struct sandbox_limits *limits, lua_CFunction open) {
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (!sandbox)
        return NULL;
    sandbox->limits = *limits;
    if (sandbox->limits.memory_bytes > SIZE_MAX / 4)
        sandbox->limits.memory_bytes = SIZE_MAX / 4;
    sandbox->L = lua_newstate(sandbox_allocate, sandbox);
    if (!sandbox->L) {
        sandbox_pool_drain(&sandbox->pool);
        free(sandbox);
        return NULL;
    }
    *sandbox_mark(sandbox->L) = 0;
    sandbox->own.L = sandbox->L;
    sandbox->running = &sandbox->own;
    lua_pushcfunction(sandbox->L, open);
    if (lua_pcall(sandbox->L, 0, 0, 0) != LUA_OK) {
        sandbox_free(sandbox);
        return NULL;
    }
    lua_gc(sandbox->L, LUA_GCCOLLECT);
    return sandbox;
}

struct sandbox *sandbox_new(const struct sandbox_limits *limits) {
    return sandbox_make(limits, open_environment);
}

void sandbox_free(struct sandbox *sandbox) {
    if (!sandbox)
        return;
    lua_close(sandbox->L);
    sandbox_pool_drain(&sandbox->pool);
    free(sandbox);
}

void sandbox_set_wall(struct sandbox *sandbox, int64_t wall_ms) {
    sandbox->limits.wall_ms = wall_ms;
}

lua_State *sandbox_state(struct sandbox *sandbox) {
    return sandbox->L;
}

size_t sandbox_memory(const struct sandbox *sandbox) {
    return sandbox->held;
}

uint64_t sandbox_steps(const struct sandbox *sandbox) {
    return sandbox->used;
}

static enum cairn_status no_memory(const struct sandbox *sandbox, const char *what,
                                   struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "%s: more than %zu bytes of memory", what,
                      sandbox->limits.memory_bytes);
}

/* The error at the top of the stack, which may be any value and is not converted: that
 * could take memory, or call the script. */
static const char *error_text(lua_State *L, char *room, size_t size) {
    if (lua_type(L, -1) == LUA_TSTRING)
        return lua_tostring(L, -1);
    if (lua_isinteger(L, -1))
        snprintf(room, size, "%lld", (long long)lua_tointeger(L, -1));
    else if (lua_type(L, -1) == LUA_TNUMBER)
        snprintf(room, size, "%.14g", (double)lua_tonumber(L, -1));
    else
        snprintf(room, size, "an error value of type %s", luaL_typename(L, -1));
    return room;
}

/* -- Our own code ----------------------------------------------------------------- */

static enum cairn_status not_pushed(const struct sandbox *sandbox, int code,
                                    struct cairn_error *error) {
    char room[64];
    if (code == LUA_ERRMEM)
        return no_memory(sandbox, "a policy's values", error);
    return cairn_fail(error, CAIRN_POLICY_ERROR, "%s",
                      error_text(sandbox->L, room, sizeof room));
}

enum cairn_status sandbox_protect(struct sandbox *sandbox, lua_CFunction body,
                                  void *arg, int results, struct cairn_error *error) {
    lua_State *L = sandbox->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, 4))
        return no_memory(sandbox, "a policy's values", error);
    lua_pushcfunction(L, body);
    lua_pushlightuserdata(L, arg);
    if (top)
        lua_pushvalue(L, top);
    else
        lua_pushnil(L);
    int code = lua_pcall(L, 2, results, 0);
    if (code == LUA_OK)
        return CAIRN_OK;
    enum cairn_status status = not_pushed(sandbox, code, error);
    lua_settop(L, top);
    return status;
}

/* -- Loading ---------------------------------------------------------------------- */

/* Text is handed over in pieces, so that compiling can be stopped: nested functions
 * with hundreds of variables take a time that grows with the square of the text. */
struct reading {
    struct cairn_slice rest;
    int64_t deadline_ns;
    bool is_late;
};

enum { PIECE = 512 };

static const char *read_piece(lua_State *L, void *arg, size_t *size) {
    (void)L;
    struct reading *reading = arg;
    reading->is_late = sandbox_clock_ns() > reading->deadline_ns;
    *size = reading->is_late             ? 0
            : reading->rest.size < PIECE ? reading->rest.size
                                         : PIECE;
    const char *piece = reading->rest.data;
    reading->rest.data += *size;
    reading->rest.size -= *size;
    return *size ? piece : NULL;
}

int64_t sandbox_deadline_ns(const struct sandbox *sandbox) {
    int64_t now = sandbox_clock_ns(), wall = sandbox->limits.wall_ms;
    return wall > (INT64_MAX - now) / 1000000 ? INT64_MAX : now + wall * 1000000;
}

static enum cairn_status load_failed(struct sandbox *sandbox, int code,
                                     const struct reading *reading, const char *name,
                                     struct cairn_error *error) {
    if (reading->is_late)
        return cairn_fail(error, CAIRN_LIMIT,
                          "%s:1: compiling it takes more than %" PRId64 " ms of time",
                          name, sandbox->limits.wall_ms);
    if (code == LUA_ERRMEM)
        return cairn_fail(error, CAIRN_LIMIT,
                          "%s:1: compiling it takes more than %zu bytes of memory",
                          name, sandbox->limits.memory_bytes);
    char room[64];
    const char *message = error_text(sandbox->L, room, sizeof room);
    if (strchr(message, ':')) /* but for a stack overflow it tells where */
        return cairn_fail(error, CAIRN_POLICY_ERROR, "%s", message);
    return cairn_fail(error, CAIRN_POLICY_ERROR, "%s:1: %s", name, message);
}

enum cairn_status sandbox_load(struct sandbox *sandbox, struct cairn_slice source,
                               const char *name, struct cairn_error *error) {
    lua_State *L = sandbox->L;
    if (source.size && *source.data == LUA_SIGNATURE[0])
        return cairn_fail(error, CAIRN_POLICY_ERROR, "%s:1: bytecode is not loaded",
                          name);
    if (!lua_checkstack(L, 4))
        return no_memory(sandbox, name, error);
    char chunk[256];
    snprintf(chunk, sizeof chunk, "@%s", name);
    struct reading reading = {source, sandbox_deadline_ns(sandbox), false};
    int code = lua_load(L, read_piece, &reading, chunk, "t");
    if (code == LUA_OK && !reading.is_late)
        return CAIRN_OK;
    enum cairn_status status = load_failed(sandbox, code, &reading, name, error);
    lua_pop(L, 1);
    return status;
}

/* -- Calling ---------------------------------------------------------------------- */

/* Runs where the error is raised, with all that led to it still on the stack. */
int sandbox_keep_place(lua_State *L) {
    struct sandbox *sandbox = sandbox_of(L);
    if (!sandbox->breach)
        sandbox_locate(sandbox);
    return 1;
}

static void begin(struct sandbox *sandbox, int function, bool with_line) {
    lua_State *L = sandbox->L;
    sandbox->used = sandbox->unseen = sandbox->squeezed = 0;
    sandbox->breach = BREACH_NONE;
    sandbox->refused = (struct sandbox_refused){NULL, 0, 0};
    sandbox->bound_bytes = sandbox->ceiling = sandbox->limits.memory_bytes;
    sandbox->most = 2 * sandbox->ceiling + HUGE_BYTES;
    sandbox->slice = (struct sandbox_slice){.crowded_at = SIZE_MAX};
    sandbox->deadline_ns =
        sandbox->limits.steps == UINT64_MAX ? 0 : sandbox_deadline_ns(sandbox);
    sandbox->stack = __builtin_frame_address(0);
    sandbox->chunk = NULL;
    sandbox->line = 0;
    *sandbox->where = '\0';
    *sandbox_mark(L) = ++sandbox->serial;
    if (with_line) {
        lua_Debug called;
        lua_pushvalue(L, function);
        lua_getinfo(L, ">S", &called);
        sandbox->chunk = called.source;
    }
    sandbox_watch(L);
    sandbox->limited = true;
}

/* Where the function begins: the best there is to say when memory ran out in the middle
 * of an instruction. */
void sandbox_place_of(struct sandbox *sandbox, lua_State *L, int function) {
    lua_Debug called;
    lua_pushvalue(L, function);
    lua_getinfo(L, ">S", &called);
    snprintf(sandbox->where, sizeof sandbox->where, "%s:%d", called.short_src,
             called.linedefined > 0 ? called.linedefined : 1);
}

enum cairn_status sandbox_breached(const struct sandbox *sandbox,
                                   struct cairn_error *error) {
    const struct sandbox_limits *limits = &sandbox->limits;
    if (sandbox->breach == BREACH_STEPS)
        return cairn_fail(error, CAIRN_LIMIT, "%s: over its limit of %" PRIu64 " steps",
                          sandbox->where, limits->steps);
    if (sandbox->breach == BREACH_MEMORY)
        return cairn_fail(error, CAIRN_LIMIT,
                          "%s: over its limit of %zu bytes of memory", sandbox->where,
                          sandbox->bound_bytes);
    if (sandbox->breach == BREACH_STUCK)
        return cairn_fail(error, CAIRN_LIMIT,
                          "%s: over its limit of time: one instruction does not end",
                          sandbox->where);
    return cairn_fail(error, CAIRN_LIMIT,
                      "%s: over its limit of %" PRId64 " ms of time", sandbox->where,
                      limits->wall_ms);
}

/* Most messages begin with "chunk:line:"; one given to error with level 0 does not. */
static bool has_place(const struct sandbox *sandbox, const char *message) {
    const char *line = strrchr(sandbox->where, ':');
    size_t size = line ? (size_t)(line - sandbox->where) + 1 : 0;
    return size && strncmp(message, sandbox->where, size) == 0;
}

enum cairn_status sandbox_failed(const struct sandbox *sandbox, lua_State *L, int code,
                                 struct cairn_error *error) {
    if (code == LUA_ERRMEM)
        return no_memory(sandbox, *sandbox->where ? sandbox->where : "a request",
                         error);
    char room[64];
    const char *message = error_text(L, room, sizeof room);
    if (!*sandbox->where || has_place(sandbox, message))
        return cairn_fail(error, CAIRN_POLICY_ERROR, "%s", message);
    return cairn_fail(error, CAIRN_POLICY_ERROR, "%s: %s", sandbox->where, message);
}

/* The function is at that index of the stack, the error at its top; `left` values stay.
 */
static enum cairn_status failed(struct sandbox *sandbox, int function, int left,
                                int code, struct cairn_error *error) {
    lua_State *L = sandbox->L;
    if (!*sandbox->where)
        sandbox_place_of(sandbox, L, function);
    enum cairn_status status = sandbox->breach
                                   ? sandbox_breached(sandbox, error)
                                   : sandbox_failed(sandbox, L, code, error);
    lua_settop(L, left);
    if (sandbox->breach && sandbox->held > sandbox->limits.memory_bytes / 2)
        lua_gc(L, LUA_GCCOLLECT);
    return status;
}

/* The function stays below the call, where sandbox_place_of finds it: function,
 * handler, function, arguments. */
enum cairn_status sandbox_call(struct sandbox *sandbox, int arguments, int results,
                               int *line, struct cairn_error *error) {
    lua_State *L = sandbox->L;
    int function = lua_gettop(L) - arguments;
    if (!lua_checkstack(L, LUA_MINSTACK)) {
        lua_settop(L, function - 1);
        return no_memory(sandbox, "a policy", error);
    }
    lua_pushcfunction(L, sandbox_keep_place);
    lua_insert(L, function);
    lua_pushvalue(L, function + 1);
    lua_insert(L, function);
    begin(sandbox, function, line != NULL);
    int code = lua_pcall(L, arguments, results, function + 1);
    sandbox->limited = false;
    if (line)
        *line = sandbox->line;
    if (code == LUA_OK && !sandbox->breach) {
        lua_rotate(L, function, -2);
        lua_settop(L, -3);
        return CAIRN_OK;
    }
    return failed(sandbox, function, function - 1, code, error);
}

/* -- Asking ----------------------------------------------------------------------- */

struct asking {
    struct sandbox *sandbox;
    sandbox_push push;
    void *arg;
    int results;
    bool with_line, has_begun;
};

/* Arguments: this, the function. */
static int push_and_call(lua_State *L) {
    struct asking *asking = lua_touserdata(L, 1);
    asking->push(L, asking->arg);
    begin(asking->sandbox, 2, asking->with_line);
    asking->has_begun = true;
    lua_call(L, lua_gettop(L) - 2, asking->results);
    asking->sandbox->limited = false;
    return lua_gettop(L) - 1;
}

enum cairn_status sandbox_ask(struct sandbox *sandbox, sandbox_push push, void *arg,
                              int results, int *line, struct cairn_error *error) {
    lua_State *L = sandbox->L;
    int function = lua_gettop(L);
    struct asking asking = {sandbox, push, arg, results, line != NULL, false};
    if (!lua_checkstack(L, LUA_MINSTACK))
        return no_memory(sandbox, "a policy", error);
    lua_pushcfunction(L, sandbox_keep_place);
    lua_pushcfunction(L, push_and_call);
    lua_pushlightuserdata(L, &asking);
    lua_pushvalue(L, function);
    int code = lua_pcall(L, 2, results, function + 1);
    sandbox->limited = false;
    if (line)
        *line = asking.has_begun ? sandbox->line : 0;
    if (!asking.has_begun) {
        enum cairn_status status = not_pushed(sandbox, code, error);
        lua_settop(L, function);
        return status;
    }
    if (code != LUA_OK || sandbox->breach)
        return failed(sandbox, function, function, code, error);
    lua_remove(L, function + 1);
    return CAIRN_OK;
}
