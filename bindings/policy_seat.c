/* policy_seat.c -- a policy in its sandbox: loading it, putting a question to it.
 *
 * Values are kept in the state's registry under addresses of this file. What a script
 * can reach of ours is the context table with its __index, nothing else. */
#include "policy_seat.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "policy_decision.h"
#include "policy_facts.h"
#include "policy_lint.h"

/* Nobody waits for a file to be loaded, and a busy machine may take its time: a script
 * that never ends is stopped by its steps. */
enum { LOADING_PATIENCE = 20 };

/* Keys of the registry, and the place of the function at the bottom of the stack. */
static const char facts_key, examples_key;
enum { DECIDE = 1 };

/* -- The context table ------------------------------------------------------------- */

/* context[name]: a volatile fact. It is made once in a call and then lies in the table.
 */
static int index_fact(lua_State *L) {
    struct policy_seat *seat = lua_touserdata(L, lua_upvalueindex(1));
    bool asked =
        seat->ask && lua_type(L, 1) == LUA_TTABLE && lua_type(L, 2) == LUA_TSTRING;
    if (!asked || !policy_facts_push_volatile(L, seat->ask, lua_tostring(L, 2)))
        return 0;
    seat->volatile_seen = true;
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

static void push_facts_metatable(lua_State *L, struct policy_seat *seat) {
    lua_createtable(L, 0, 2);
    lua_pushlightuserdata(L, seat);
    lua_pushcclosure(L, index_fact, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
}

/* -- Opening ----------------------------------------------------------------------- */

struct opening {
    struct policy_module *module;
    struct policy_seat *seat;
    bool first;
    enum cairn_status status;
    struct cairn_error *error;
};

static enum cairn_status misshapen(struct opening *opening, const char *what) {
    return cairn_fail(opening->error, CAIRN_POLICY_ERROR, "%s:1: %s",
                      opening->module->shown, what);
}

/* The table that the script returned is at 2. */
static enum cairn_status take_question(lua_State *L, struct opening *opening) {
    struct cairn_slice name = {"", 0};
    lua_pushliteral(L, "question");
    if (lua_rawget(L, 2) == LUA_TSTRING)
        name.data = lua_tolstring(L, -1, &name.size);
    enum policy_question question = policy_question_named(name);
    if (question == POLICY_QUESTIONS)
        return misshapen(opening, "`question` is not cache_control, chain or eviction");
    if (opening->first)
        opening->module->question = question;
    else if (opening->module->question != question)
        return misshapen(opening, "`question` is another than it was");
    return CAIRN_OK;
}

static enum cairn_status take_decide(lua_State *L, struct opening *opening) {
    lua_Debug where;
    lua_pushliteral(L, "decide");
    if (lua_rawget(L, 2) != LUA_TFUNCTION)
        return misshapen(opening, "`decide` is not a function");
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &where);
    if (opening->first)
        opening->module->decide_line = where.linedefined > 0 ? where.linedefined : 1;
    return CAIRN_OK;
}

/* They are kept by the first seat only, until they have been tried, and taken out of
 * the script's table: a sandbox that lives on is smaller for it. */
static enum cairn_status take_examples(lua_State *L, struct opening *opening) {
    lua_pushliteral(L, "examples");
    if (lua_rawget(L, 2) != LUA_TTABLE || lua_rawlen(L, -1) == 0)
        return misshapen(opening, "`examples` is not a list with at least one example");
    if (!opening->first)
        lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &examples_key);
    lua_pushliteral(L, "examples");
    lua_pushnil(L);
    lua_rawset(L, 2);
    return CAIRN_OK;
}

/* Arguments: the opening, what the script returned. Returns `decide`. */
static int take_shape(lua_State *L) {
    struct opening *opening = lua_touserdata(L, 1);
    if (lua_type(L, 2) != LUA_TTABLE) {
        opening->status = misshapen(opening, "it does not return a table");
        return 0;
    }
    opening->status = take_question(L, opening);
    if (!opening->status)
        opening->status = take_decide(L, opening);
    if (!opening->status)
        opening->status = take_examples(L, opening);
    push_facts_metatable(L, opening->seat);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &facts_key);
    lua_pushliteral(L, "decide");
    lua_rawget(L, 2);
    return 1;
}

static enum cairn_status run(struct policy_module *module, struct policy_seat *seat,
                             bool first, struct cairn_error *error) {
    struct sandbox *sandbox = seat->sandbox;
    struct opening opening = {module, seat, first, CAIRN_OK, error};
    enum cairn_status status =
        sandbox_load(sandbox, cairn_bytes_slice(&module->source), module->shown, error);
    if (!status && first)
        status = policy_lint(sandbox, module->shown, error);
    if (!status)
        status = sandbox_call(sandbox, 0, 1, NULL, error);
    if (!status)
        status = sandbox_protect(sandbox, take_shape, &opening, 1, error);
    if (!status)
        status = opening.status;
    if (!status)
        lua_replace(sandbox_state(sandbox), DECIDE);
    lua_settop(sandbox_state(sandbox), status ? 0 : DECIDE);
    return status;
}

enum cairn_status policy_seat_open(struct policy_module *module, bool first,
                                   struct policy_seat **out,
                                   struct cairn_error *error) {
    struct policy_seat *seat = calloc(1, sizeof *seat);
    struct sandbox_limits limits = module->limits;
    limits.wall_ms *= LOADING_PATIENCE;
    if (seat)
        seat->sandbox = sandbox_new(&limits);
    enum cairn_status status = CAIRN_OK;
    if (!seat || !seat->sandbox)
        status = cairn_fail(error, CAIRN_NO_MEMORY, "%s:1: no memory to load it",
                            module->shown);
    if (!status)
        status = run(module, seat, first, error);
    if (status) {
        policy_seat_close(seat);
        return status;
    }
    if (!first) /* whose examples are still to be tried */
        sandbox_set_wall(seat->sandbox, module->limits.wall_ms);
    *out = seat;
    return CAIRN_OK;
}

void policy_seat_close(struct policy_seat *seat) {
    if (seat)
        sandbox_free(seat->sandbox);
    free(seat);
}

/* -- Asking ------------------------------------------------------------------------ */

static void push_context(lua_State *L, void *arg) {
    const struct policy_seat *seat = arg;
    policy_facts_push(L, seat->ask);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &facts_key);
    lua_setmetatable(L, -2);
}

/* Every failure begins with a place in the script. */
static enum cairn_status placed(const struct policy_module *module, int line,
                                enum cairn_status status, struct cairn_error *error) {
    struct cairn_error said;
    size_t size = strlen(module->shown);
    if (!error || (strncmp(error->message, module->shown, size) == 0 &&
                   error->message[size] == ':'))
        return status;
    said = *error;
    return cairn_fail(error, status, "%s:%d: %.400s", module->shown,
                      line ? line : module->decide_line, said.message);
}

/* What `decide` returned is at the top of the stack. */
static enum cairn_status take_decision(lua_State *L, const struct policy_module *module,
                                       const struct policy_ask *ask, int line,
                                       struct policy_outcome *outcome,
                                       struct cairn_error *error) {
    bool cacheable = true;
    if (lua_isnil(L, -1))
        return CAIRN_NOT_FOUND;
    enum cairn_status status = policy_decision_read(L, ask, true, &cacheable, error);
    if (status)
        return placed(module, line, status, error);
    outcome->uncacheable = !cacheable;
    struct cairn_decider *by = policy_ask_decider(ask);
    memcpy(by->policy, module->name, sizeof by->policy);
    memcpy(by->version, module->hash, 12);
    by->version[12] = '\0';
    by->line = line;
    return CAIRN_OK;
}

enum cairn_status policy_seat_ask(struct policy_seat *seat,
                                  const struct policy_module *module,
                                  const struct policy_ask *ask, bool with_line,
                                  struct policy_outcome *outcome,
                                  struct cairn_error *error) {
    lua_State *L = sandbox_state(seat->sandbox);
    int top = lua_gettop(L), line = 0;
    seat->ask = ask;
    seat->volatile_seen = false;
    *outcome = (struct policy_outcome){0};
    lua_pushvalue(L, DECIDE);
    enum cairn_status status = sandbox_ask(seat->sandbox, push_context, seat, 1,
                                           with_line ? &line : NULL, error);
    if (status)
        status = placed(module, line, status, error);
    else
        status = take_decision(L, module, ask, line, outcome, error);
    outcome->volatile_seen = seat->volatile_seen;
    outcome->line_known = line != 0;
    seat->ask = NULL;
    lua_settop(L, top);
    return status;
}

/* -- Examples ---------------------------------------------------------------------- */

struct fetch {
    int number;
    enum cairn_status status;
    const struct policy_module *module;
    struct cairn_error *error;
};

static int refuse(struct fetch *fetch, const char *what) {
    fetch->status = cairn_fail(fetch->error, CAIRN_POLICY_ERROR, "%s:1: example %d: %s",
                               fetch->module->shown, fetch->number, what);
    return 0;
}

static bool has_only_known_fields(lua_State *L, int example) {
    for (lua_pushnil(L); lua_next(L, example); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(key, "name") != 0 && strcmp(key, "context") != 0 &&
            strcmp(key, "decision") != 0)
            return false;
    }
    return true;
}

static int raw_field(lua_State *L, int table, const char *name) {
    lua_pushstring(L, name);
    return lua_rawget(L, table);
}

static int push_example(lua_State *L) {
    struct fetch *fetch = lua_touserdata(L, 1);
    lua_settop(L, 1);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &examples_key) != LUA_TTABLE ||
        (lua_Unsigned)fetch->number > lua_rawlen(L, 2)) {
        fetch->status = CAIRN_NOT_FOUND;
        return 0;
    }
    if (lua_rawgeti(L, 2, fetch->number) != LUA_TTABLE)
        return refuse(fetch, "it is not a table");
    if (!has_only_known_fields(L, 3))
        return refuse(fetch, "it has other fields than name, context and decision");
    if (raw_field(L, 3, "name") != LUA_TSTRING)
        return refuse(fetch, "it has no name");
    if (raw_field(L, 3, "context") != LUA_TTABLE)
        return refuse(fetch, "its context is not a table");
    int type = raw_field(L, 3, "decision");
    if (type != LUA_TTABLE && (type != LUA_TBOOLEAN || lua_toboolean(L, -1)))
        return refuse(fetch, "its decision is neither a table nor false");
    return 3;
}

enum cairn_status policy_seat_example(struct policy_seat *seat,
                                      const struct policy_module *module, int number,
                                      struct cairn_error *error) {
    struct fetch fetch = {number, CAIRN_OK, module, error};
    lua_State *L = sandbox_state(seat->sandbox);
    int top = lua_gettop(L);
    enum cairn_status status =
        sandbox_protect(seat->sandbox, push_example, &fetch, 3, error);
    if (status)
        return placed(module, 1, status, error);
    if (fetch.status)
        lua_settop(L, top);
    return fetch.status;
}

static int forget_examples(lua_State *L) {
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &examples_key);
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

void policy_seat_forget_examples(struct policy_seat *seat,
                                 const struct policy_module *module) {
    sandbox_protect(seat->sandbox, forget_examples, NULL, 0, NULL);
    sandbox_set_wall(seat->sandbox, module->limits.wall_ms);
}
