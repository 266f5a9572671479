/* lua_policies.c -- `cairn.policies`: the host as a Lua object.
 *
 * The methods that need the host's inside are here: list, events, reload, test, trace,
 * canary, abandon, decide, close. The rest (show, versions, diff, rollback, promote,
 * try) is policies.lua, which is compiled in and run once per Lua state as
 *
 *     local methods, core = ...
 *
 * `methods` is the table of the class, to add to; `core` are C functions. `self` is a
 * cairn.Policies object (closed: they raise); failures are nil, message, code.
 *
 *     core.directory(self)            the user's directory: absolute; may not exist
 *     core.hash(text)                 SHA-256 of it, 64 hex digits: what versions are
 *                                     named by (and shown as their first 12)
 *     core.names(self)                names of all policies, shipped and the user's,
 *                                     sorted
 *     core.source(self, name)         source in use and its hash
 *     core.shipped(name)              source that is compiled in; nil
 *     core.versions(self, name)       { { version = hash, saved = ms }, ... } as kept
 *                                     at <directory>/.versions/<name>/<hash>.lua, the
 *                                     one taken last first; {} if there are none
 *     core.version(self, name, hash)  source of one of these, checked against its hash
 *     core.install(self, name, text)  writes <directory>/<name>.lua as a whole (making
 *                                     the directory), loads it and says the hash; what
 *                                     is not taken is not left there: the file is as
 *                                     before, and the failure says why
 *     core.canary(self, name)         source of the candidate on trial and its hash;
 *                                     conflict if it was given up
 *     core.load_candidate(self, file) compiles, checks and tries a file that is not in
 *                                     use: a candidate
 *     core.live(self)                 the policies in use, in the form of a candidate
 *
 * A candidate has
 *
 *     candidate:decide(question, context)
 *                                     as Policies:decide, with the candidate in the
 *                                     place of the user's file for its own question;
 *                                     nothing is remembered or traced. If it failed the
 *                                     third result says why; then, as where it has no
 *                                     opinion, the shipped policies have decided. nil,
 *                                     message, code for facts that are none
 *     candidate:question()            nil for core.live
 *     candidate:version()             64 hex digits; nil for core.live
 *     candidate:close()
 *
 * A line of a trace is a JSON object:
 *
 *     {"time":ms,"question":"cache_control","facts":{...},"decision":{...},
 *      "policy":"cache_control","version":"0123456789ab"}
 *
 * `facts` has the form of the context that `decide` takes, directives as header lines;
 * bytes that are no UTF-8 are {"$base64":"..."}. `decision` is in the form that
 * `decide` returns; `policy` and `version` are missing if the engine's default decided.
 * A line {"time":ms,"dropped":n} says that so many are missing here. */
#include "lua_policies.h"

#include "policies_lua.h"
#include "policy_diff_lua.h"
#include "policy_emit.h"
#include "policy_replay_lua.h"

#define MODULE_TYPE "cairn.policy_module"
#define SITUATION_TYPE "cairn.policy_situation"

/* -- Objects ----------------------------------------------------------------------- */

struct policies_box *cairn_lua_newpolicies(lua_State *L) {
    struct policies_box *box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = (struct policies_box){0};
    luaL_setmetatable(L, POLICIES_TYPE);
    return box;
}

void cairn_lua_push_policies(lua_State *L, struct policy_host *host) {
    struct policies_box *box = cairn_lua_newpolicies(L);
    policy_host_retain(host);
    box->host = host;
}

struct policy_host *cairn_lua_checkpolicies(lua_State *L, int index) {
    struct policies_box *box = luaL_checkudata(L, index, POLICIES_TYPE);
    luaL_argcheck(L, box->host, index, "policies are closed");
    return box->host;
}

static struct policies_box *self_box(lua_State *L) {
    struct policies_box *box = cairn_lua_self(L, POLICIES_TYPE);
    luaL_argcheck(L, box->host, 1, "policies are closed");
    return box;
}

struct policy_module **policies_newmodule(lua_State *L) {
    struct policy_module **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, MODULE_TYPE);
    return box;
}

static int module_gc(lua_State *L) {
    struct policy_module **box = luaL_checkudata(L, 1, MODULE_TYPE);
    policy_module_release(*box);
    *box = NULL;
    return 0;
}

struct policy_situation *policies_newsituation(lua_State *L) {
    struct policy_situation *situation = lua_newuserdatauv(L, sizeof *situation, 0);
    cairn_arena_init(&situation->arena);
    luaL_setmetatable(L, SITUATION_TYPE);
    return situation;
}

static int situation_gc(lua_State *L) {
    policy_situation_free(luaL_checkudata(L, 1, SITUATION_TYPE));
    return 0;
}

const char *policies_checkname(lua_State *L, int index) {
    struct cairn_slice name = cairn_lua_bytes(L, index, "name");
    luaL_argcheck(L, policy_name_valid(name), index,
                  "name: a policy's name has the characters a-z, 0-9 and _");
    return name.data;
}

enum policy_question policies_checkquestion(lua_State *L, int index) {
    enum policy_question question =
        policy_question_named(cairn_lua_bytes(L, index, "question"));
    luaL_argcheck(L, question != POLICY_QUESTIONS, index,
                  "question: cache_control, chain or eviction expected");
    return question;
}

const char *policies_checkfile(lua_State *L, int index) {
    struct cairn_slice file = cairn_lua_bytes(L, index, "file");
    luaL_argcheck(L, file.size && !memchr(file.data, '\0', file.size), index,
                  "file: the name of a file expected");
    return file.data;
}

/* -- The log function -------------------------------------------------------------- */

static void push_event_text(lua_State *L, const struct policy_event *event) {
    lua_pushfstring(L, "policy %s%s%s %s%s%s", event->policy,
                    event->version[0] ? " " : "", event->version, event->event,
                    event->message[0] ? ": " : "", event->message);
}

/* What happened since the last time. The host works on a thread of its own, which
 * cannot call into this Lua state: so the methods do it, before they begin. */
static void tell(lua_State *L, struct policies_box *box) {
    struct policy_event event;
    if (lua_getiuservalue(L, 1, 1) == LUA_TFUNCTION) {
        while (box->host && policy_events_after(box->host->events, box->told, &event)) {
            box->told = event.number;
            lua_pushvalue(L, -1);
            push_event_text(L, &event);
            lua_call(L, 1, 0);
        }
    }
    lua_pop(L, 1);
    luaL_argcheck(L, box->host, 1, "policies are closed"); /* `log` may do anything */
}

struct policies_box *policies_self(lua_State *L) {
    struct policies_box *box = self_box(L);
    tell(L, box);
    return box;
}

/* -- Loading ----------------------------------------------------------------------- */

/* A file that was refused is tried once more: what it ran into may have been the wall
 * clock. */
static enum cairn_status reload(struct policy_host *host, const char *name,
                                struct cairn_error *error) {
    struct policy_module *ignored;
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < host->files_count; i++)
        if (host->files[i].problem[0])
            host->files[i].hash[0] = '\0';
    policy_load_scan(host, true);
    for (size_t i = 0; i < host->files_count && !status; i++) {
        const struct policy_file *file = &host->files[i];
        if (file->problem[0] && (!name || strcmp(file->name, name) == 0))
            status = cairn_fail(error, CAIRN_POLICY_ERROR, "%s", file->problem);
    }
    if (!status && name && !policy_load_find(host, name))
        status = policy_set_shipped(host, name, &ignored, error);
    return status;
}

static int policies_reload(lua_State *L) {
    const char *name = lua_isnoneornil(L, 2) ? NULL : policies_checkname(L, 2);
    struct policies_box *box = policies_self(L);
    struct cairn_error error;
    pthread_mutex_lock(&box->host->loading);
    enum cairn_status status = reload(box->host, name, &error);
    pthread_mutex_unlock(&box->host->loading);
    if (status)
        return cairn_lua_fail(L, status, &error);
    tell(L, box);
    lua_pushboolean(L, true);
    return 1;
}

/* -- Tracing ----------------------------------------------------------------------- */

static int policies_trace(lua_State *L) {
    const char *file = lua_isnoneornil(L, 2) ? NULL : policies_checkfile(L, 2);
    struct policy_host *host = policies_self(L)->host;
    struct cairn_error error;
    enum cairn_status status = file ? policy_trace_start(host->trace, file, &error)
                                    : policy_trace_stop(host->trace, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* -- Canaries ---------------------------------------------------------------------- */

struct canary_options {
    double share, max_errors;
    int64_t min_calls;
};

static void read_share(lua_State *L, int index, const char *name, double *out) {
    int type = cairn_lua_field(L, index, name);
    double value = type == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    if (type != LUA_TNIL && !(value >= 0 && value <= 1))
        luaL_argerror(
            L, index,
            lua_pushfstring(L, "options.%s: a number from 0 to 1 expected", name));
    if (type != LUA_TNIL)
        *out = value;
    lua_pop(L, 1);
}

static struct canary_options read_canary_options(lua_State *L, int index) {
    static const char *const known[] = {"share", "max_errors", "min_calls", NULL};
    struct canary_options options = {0.1, 0.01, 20};
    if (!cairn_lua_options(L, index, known))
        return options;
    read_share(L, index, "share", &options.share);
    read_share(L, index, "max_errors", &options.max_errors);
    cairn_lua_integer(L, index, "min_calls", &options.min_calls);
    luaL_argcheck(L, options.min_calls >= 1, index,
                  "options.min_calls: must be at least 1");
    return options;
}

static int policies_canary(lua_State *L) {
    const char *name = policies_checkname(L, 2), *file = policies_checkfile(L, 3);
    struct canary_options options = read_canary_options(L, 4);
    struct policy_module **module = policies_newmodule(L);
    struct policy_host *host = policies_self(L)->host;
    struct cairn_error error;
    enum cairn_status status = policies_load_file(host, file, name, module, &error);
    if (!status) {
        pthread_mutex_lock(&host->loading);
        status = policy_canary_begin(host, *module, options.share, options.max_errors,
                                     options.min_calls, &error);
        policy_watch_log(host);
        pthread_mutex_unlock(&host->loading);
    }
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushlstring(L, (*module)->hash, 12);
    return 1;
}

static int policies_abandon(lua_State *L) {
    const char *name = policies_checkname(L, 2);
    struct policy_host *host = policies_self(L)->host;
    struct cairn_error error;
    pthread_mutex_lock(&host->loading);
    enum cairn_status status = policy_canary_end(host, name, &error);
    policy_watch_log(host);
    pthread_mutex_unlock(&host->loading);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* -- Deciding ---------------------------------------------------------------------- */

/* A caller's mistake in the facts is no error of a policy. */
static int fail_facts(lua_State *L, enum cairn_status status,
                      struct cairn_error *error) {
    return cairn_lua_fail(
        L, status == CAIRN_POLICY_ERROR ? CAIRN_INVALID_ARGUMENT : status, error);
}

static void ask(const struct cairn_policy *policy, const struct cairn_context *context,
                const struct policy_ask *question) {
    if (question->question == POLICY_CACHE_CONTROL)
        cairn_policy_cache(policy, context, question->facts.cache,
                           question->decision.cache);
    else if (question->question == POLICY_CHAIN)
        cairn_policy_chain(policy, context, question->facts.chain,
                           question->decision.chain);
    else
        cairn_policy_eviction(policy, context, question->facts.eviction,
                              question->decision.eviction);
}

/* The steps of the call are collected as anybody's would be; the last is the decision.
 */
static int policies_decide(lua_State *L) {
    enum policy_question question = policies_checkquestion(L, 2);
    cairn_lua_table(L, 3, "context");
    lua_settop(L, 3);
    struct policy_host *host = policies_self(L)->host;
    struct policy_situation *situation = policies_newsituation(L);
    lua_createtable(L, 0, 1);
    lua_newtable(L);
    lua_setfield(L, 5, "explain");
    const struct cairn_context *context;
    struct lua_call *call = cairn_lua_call(L, 5, host->settings.clock, &context);
    luaL_checkstack(L, POLICY_STACK, "a context");
    host = cairn_lua_checkpolicies(L, 1); /* nothing has closed it meanwhile */
    struct cairn_error error;
    lua_pushvalue(L, 3);
    enum cairn_status status =
        policy_situation_read(situation, L, question, policy_host_now(host), &error);
    lua_pop(L, 1);
    if (status)
        return fail_facts(L, status, &error);
    ask(&host->policy, context, &situation->ask);
    cairn_lua_explain(L, call, 5);
    policy_emit_table(L, &situation->ask);
    lua_getfield(L, 5, "explain");
    lua_rawgeti(L, -1, (lua_Integer)lua_rawlen(L, -1));
    lua_remove(L, -2);
    return 2;
}

/* -- Closing ----------------------------------------------------------------------- */

static int policies_gc(lua_State *L) {
    struct policies_box *box = luaL_checkudata(L, 1, POLICIES_TYPE);
    struct policy_host *host = box->host;
    box->host = NULL;
    policy_settings_free(&box->settings);
    policy_host_release(host);
    return 0;
}

static int policies_close(lua_State *L) {
    struct policies_box *box = luaL_checkudata(L, 1, POLICIES_TYPE);
    if (box->host)
        tell(L, box);
    return policies_gc(L);
}

/* -- The class --------------------------------------------------------------------- */

static const luaL_Reg methods[] = {
    {"abandon", policies_abandon}, {"canary", policies_canary},
    {"close", policies_close},     {"decide", policies_decide},
    {"events", policies_events},   {"list", policies_list},
    {"reload", policies_reload},   {"test", policies_test},
    {"trace", policies_trace},     {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__close", policies_gc},
    {"__gc", policies_gc},
    {NULL, NULL},
};

static const luaL_Reg module_metamethods[] = {{"__gc", module_gc}, {NULL, NULL}};
static const luaL_Reg situation_metamethods[] = {{"__gc", situation_gc}, {NULL, NULL}};
static const luaL_Reg none[] = {{NULL, NULL}};

/* The methods that are Lua. `core` is at the top of the stack. */
static void run_part(lua_State *L, const unsigned char *bytes, size_t size,
                     const char *name) {
    if (luaL_loadbufferx(L, (const char *)bytes, size, name, "t") != LUA_OK)
        lua_error(L);
    luaL_getmetatable(L, POLICIES_TYPE);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 0);
}

void cairn_lua_init_policies(lua_State *L) {
    cairn_lua_class(L, POLICIES_TYPE, methods, metamethods);
    cairn_lua_class(L, MODULE_TYPE, none, module_metamethods);
    cairn_lua_class(L, SITUATION_TYPE, none, situation_metamethods);
    cairn_lua_init_policies_core(L);
    cairn_lua_push_policies_core(L);
    run_part(L, policy_diff_lua, sizeof policy_diff_lua - 1, "@cairn/policy_diff.lua");
    run_part(L, policies_lua, sizeof policies_lua - 1, "@cairn/policies.lua");
    run_part(L, policy_replay_lua, sizeof policy_replay_lua - 1,
             "@cairn/policy_replay.lua");
    lua_pop(L, 1);
}
