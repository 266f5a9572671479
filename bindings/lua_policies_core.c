/* lua_policies_core.c -- `core`: what policies.lua and its neighbours need of the host.
 * lua_policies.c says what each does. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua_policies.h"
#include "policy_emit.h"

#define CANDIDATE_TYPE "cairn.PolicyCandidate"
#define LISTING_TYPE "cairn.policy_listing"

/* -- Names and sources ------------------------------------------------------------- */

static int core_directory(lua_State *L) {
    const struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    lua_pushstring(L, host->settings.directory ? host->settings.directory : "");
    return 1;
}

static int core_hash(lua_State *L) {
    char hash[POLICY_HASH_ROOM];
    source_hash(cairn_lua_bytes(L, 1, "text"), hash);
    lua_pushstring(L, hash);
    return 1;
}

/* Names are short and few: they fit on the C stack while the lock is held. */
static size_t gather_names(struct policy_host *host, char names[][POLICY_NAME_ROOM]) {
    const struct policy_shipped *shipped;
    size_t count = 0;
    pthread_mutex_lock(&host->loading);
    for (size_t i = 0; i < host->files_count; i++)
        memcpy(names[count++], host->files[i].name, POLICY_NAME_ROOM);
    for (size_t i = 0; (shipped = policy_shipped_at(i)); i++)
        if (!policy_load_find(host, shipped->name))
            snprintf(names[count++], POLICY_NAME_ROOM, "%s", shipped->name);
    pthread_mutex_unlock(&host->loading);
    return count;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(a, b);
}

static int core_names(lua_State *L) {
    struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    char names[FILES_MAX + POLICY_SHIPPED_MAX][POLICY_NAME_ROOM];
    size_t count = gather_names(host, names);
    qsort(names, count, sizeof *names, compare_names);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* Two results: the source, its hash. The module is kept by its box. */
static int push_source(lua_State *L, const struct policy_module *module) {
    cairn_lua_push(L, cairn_bytes_slice(&module->source));
    lua_pushstring(L, module->hash);
    return 2;
}

static int core_source(lua_State *L) {
    const char *name = policies_checkname(L, 2);
    struct policy_module **box = policies_newmodule(L), *module = NULL;
    struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    struct cairn_error error;
    enum cairn_status status = CAIRN_OK;
    pthread_mutex_lock(&host->loading);
    const struct policy_file *file = policy_load_find(host, name);
    if (file && file->module)
        module = file->module;
    else
        status = policy_set_shipped(host, name, &module, &error);
    if (!status)
        *box = policy_module_retain(module);
    pthread_mutex_unlock(&host->loading);
    return status ? cairn_lua_fail(L, status, &error) : push_source(L, *box);
}

static int core_shipped(lua_State *L) {
    const char *name = policies_checkname(L, 1);
    const struct policy_shipped *shipped;
    size_t i = 0;
    while ((shipped = policy_shipped_at(i)) && strcmp(shipped->name, name) != 0)
        i++;
    if (shipped)
        cairn_lua_push(L, shipped->source);
    else
        lua_pushnil(L);
    return 1;
}

/* The candidate that is still on trial. Needs `loading`. */
static enum cairn_status candidate_of(struct policy_host *host, const char *name,
                                      struct policy_module **out,
                                      struct cairn_error *error) {
    const struct policy_canary *canary = NULL;
    policy_canary_sweep(host); /* what is over says why */
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        if (host->canaries[question] &&
            strcmp(host->canaries[question]->module->name, name) == 0)
            canary = host->canaries[question];
    if (!canary)
        return cairn_fail(error, CAIRN_NOT_FOUND, "%s: no candidate is on trial", name);
    if (atomic_load(&canary->over))
        return cairn_fail(error, CAIRN_CONFLICT, "%s: the candidate was given up: %s",
                          name, canary->returned);
    *out = policy_module_retain(canary->module);
    return CAIRN_OK;
}

static int core_canary(lua_State *L) {
    const char *name = policies_checkname(L, 2);
    struct policy_module **box = policies_newmodule(L);
    struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    struct cairn_error error;
    pthread_mutex_lock(&host->loading);
    enum cairn_status status = candidate_of(host, name, box, &error);
    pthread_mutex_unlock(&host->loading);
    return status ? cairn_lua_fail(L, status, &error) : push_source(L, *box);
}

/* -- Versions ---------------------------------------------------------------------- */

struct listing {
    struct policy_archived *items;
    size_t count;
};

static int listing_gc(lua_State *L) {
    struct listing *listing = luaL_checkudata(L, 1, LISTING_TYPE);
    free(listing->items);
    *listing = (struct listing){0};
    return 0;
}

static struct listing *new_listing(lua_State *L) {
    struct listing *listing = lua_newuserdatauv(L, sizeof *listing, 0);
    *listing = (struct listing){0};
    luaL_setmetatable(L, LISTING_TYPE);
    return listing;
}

static int core_versions(lua_State *L) {
    const char *name = policies_checkname(L, 2);
    struct listing *listing = new_listing(L);
    const struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    struct cairn_error error;
    enum cairn_status status = CAIRN_OK;
    if (host->settings.directory)
        status = policy_archive_list(host->settings.directory, name, &listing->items,
                                     &listing->count, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_createtable(L, (int)listing->count, 0);
    for (size_t i = 0; i < listing->count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, listing->items[i].hash);
        lua_setfield(L, -2, "version");
        lua_pushinteger(L, listing->items[i].saved_ns / 1000000);
        lua_setfield(L, -2, "saved");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const char *check_hash(lua_State *L, int index) {
    struct cairn_slice hash = cairn_lua_bytes(L, index, "version");
    luaL_argcheck(L, hash.size == 64 && strspn(hash.data, "0123456789abcdef") == 64,
                  index, "version: 64 hexadecimal digits expected");
    return hash.data;
}

static int core_version(lua_State *L) {
    const char *name = policies_checkname(L, 2), *hash = check_hash(L, 3);
    struct cairn_bytes *text = cairn_lua_newbytes(L);
    const struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    struct cairn_error error;
    enum cairn_status status =
        host->settings.directory
            ? policy_archive_read(host->settings.directory, name, hash, text, &error)
            : cairn_fail(&error, CAIRN_NOT_FOUND, "%s: no versions are kept", name);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(text));
    return 1;
}

/* -- Installing -------------------------------------------------------------------- */

/* The directory with those above it. */
static enum cairn_status make_directories(const char *directory,
                                          struct cairn_error *error) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", directory);
    for (char *at = path + 1;; at++) {
        char c = *at;
        if (c && c != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0777) < 0 && errno != EEXIST)
            return cairn_fail(error, CAIRN_IO, "cannot make %s: %s", path,
                              strerror(errno));
        *at = c;
        if (!c)
            return CAIRN_OK;
    }
}

static enum cairn_status write_policy(struct policy_host *host, const char *name,
                                      struct cairn_slice text,
                                      struct cairn_error *error) {
    char file[POLICY_NAME_ROOM + 8];
    int directory;
    snprintf(file, sizeof file, "%s.lua", name);
    enum cairn_status status = make_directories(host->settings.directory, error);
    if (!status)
        status = policy_directory_open(host->settings.directory, &directory, error);
    if (status)
        return status;
    status = policy_file_write(directory, file, text, error);
    close(directory);
    return status;
}

/* Tried before it is written: what would be refused never gets there. */
static enum cairn_status install(struct policy_host *host, const char *name,
                                 struct cairn_slice text, struct cairn_error *error) {
    char shown[PATH_MAX];
    struct policy_module *module = NULL;
    if (!host->settings.directory)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "there is no directory for policies of one's own");
    snprintf(shown, sizeof shown, "%s/%s.lua", host->settings.directory, name);
    enum cairn_status status =
        policy_load_text(host, name, shown, text, &module, error);
    policy_module_release(module);
    if (!status)
        status = write_policy(host, name, text, error);
    if (status)
        return status;
    pthread_mutex_lock(&host->loading);
    policy_load_scan(host, true);
    const struct policy_file *file = policy_load_find(host, name);
    if (!file || !file->module || file->problem[0])
        status =
            cairn_fail(error, CAIRN_POLICY_ERROR, "%s",
                       file && file->problem[0] ? file->problem : "it was not loaded");
    pthread_mutex_unlock(&host->loading);
    return status;
}

static int core_install(lua_State *L) {
    const char *name = policies_checkname(L, 2);
    struct cairn_slice text = cairn_lua_bytes(L, 3, "text");
    struct policy_host *host = cairn_lua_checkpolicies(L, 1);
    char hash[POLICY_HASH_ROOM];
    struct cairn_error error;
    enum cairn_status status = install(host, name, text, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    source_hash(text, hash);
    lua_pushstring(L, hash);
    return 1;
}

/* -- Candidates -------------------------------------------------------------------- */

struct candidate {
    struct policy_host *host;     /* retained; NULL: closed */
    struct policy_module *module; /* NULL: those in use */
};

static int candidate_close(lua_State *L) {
    struct candidate *candidate = luaL_checkudata(L, 1, CANDIDATE_TYPE);
    struct policy_host *host = candidate->host;
    policy_module_release(candidate->module);
    *candidate = (struct candidate){0};
    policy_host_release(host);
    return 0;
}

static struct candidate *check_candidate(lua_State *L) {
    struct candidate *candidate = luaL_checkudata(L, 1, CANDIDATE_TYPE);
    luaL_argcheck(L, candidate->host, 1, "the candidate is closed");
    return candidate;
}

/* An empty one for the policies at 1. */
static struct candidate *new_candidate(lua_State *L) {
    struct candidate *candidate = lua_newuserdatauv(L, sizeof *candidate, 0);
    *candidate = (struct candidate){0};
    luaL_setmetatable(L, CANDIDATE_TYPE);
    candidate->host = cairn_lua_checkpolicies(L, 1);
    policy_host_retain(candidate->host);
    return candidate;
}

static int core_live(lua_State *L) {
    new_candidate(L);
    return 1;
}

static int core_load_candidate(lua_State *L) {
    const char *file = policies_checkfile(L, 2);
    struct candidate *candidate = new_candidate(L);
    struct cairn_error error;
    enum cairn_status status =
        policies_load_file(candidate->host, file, NULL, &candidate->module, &error);
    return status ? cairn_lua_fail(L, status, &error) : 1;
}

/* Appends what the engine would do, with an end. */
static const char *decision_text(const struct policy_ask *ask,
                                 struct cairn_bytes *out) {
    enum cairn_status status = CAIRN_OK;
    if (ask->question == POLICY_CACHE_CONTROL)
        status = cairn_cache_decision_text(ask->facts.cache->moment,
                                           ask->decision.cache, out);
    else if (ask->question == POLICY_CHAIN)
        status = cairn_chain_decision_text(ask->facts.chain, ask->decision.chain, out);
    if (status || !cairn_bytes_append(out, (struct cairn_slice){"", 1}))
        return "";
    return out->data;
}

static void set_text(lua_State *L, const char *name, const char *text) {
    if (!*text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_step(lua_State *L, const struct policy_ask *ask,
                      struct cairn_bytes *text) {
    const struct cairn_decider *by = policy_ask_decider(ask);
    lua_createtable(L, 0, 8);
    lua_pushfstring(L, "decide %s", policy_question_names[ask->question]);
    lua_setfield(L, -2, "operation");
    set_text(L, "status", "ok");
    set_text(L, "detail", decision_text(ask, text));
    set_text(L, "policy", by->policy);
    set_text(L, "version", by->version);
    if (by->line) {
        lua_pushinteger(L, by->line);
        lua_setfield(L, -2, "line");
    }
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "remembered");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "canary");
}

static int candidate_decide(lua_State *L) {
    enum policy_question question = policies_checkquestion(L, 2);
    cairn_lua_table(L, 3, "context");
    lua_settop(L, 3);
    struct policy_situation *situation = policies_newsituation(L);
    struct cairn_bytes *text = cairn_lua_newbytes(L);
    luaL_checkstack(L, POLICY_STACK, "a context");
    const struct candidate *candidate = check_candidate(L);
    struct cairn_error error;
    lua_pushvalue(L, 3);
    enum cairn_status status = policy_situation_read(
        situation, L, question, policy_host_now(candidate->host), &error);
    lua_pop(L, 1);
    if (status)
        return cairn_lua_fail(
            L, status == CAIRN_POLICY_ERROR ? CAIRN_INVALID_ARGUMENT : status, &error);
    status =
        policy_decide_with(candidate->host, candidate->module, &situation->ask, &error);
    policy_emit_table(L, &situation->ask);
    push_step(L, &situation->ask, text);
    if (!status)
        return 2;
    lua_pushstring(L, error.message);
    return 3;
}

static int candidate_question(lua_State *L) {
    const struct candidate *candidate = check_candidate(L);
    if (candidate->module)
        lua_pushstring(L, policy_question_names[candidate->module->question]);
    else
        lua_pushnil(L);
    return 1;
}

static int candidate_version(lua_State *L) {
    const struct candidate *candidate = check_candidate(L);
    if (candidate->module)
        lua_pushstring(L, candidate->module->hash);
    else
        lua_pushnil(L);
    return 1;
}

/* -- The tables -------------------------------------------------------------------- */

static const luaL_Reg candidate_methods[] = {
    {"close", candidate_close},
    {"decide", candidate_decide},
    {"question", candidate_question},
    {"version", candidate_version},
    {NULL, NULL},
};

static const luaL_Reg candidate_metamethods[] = {
    {"__close", candidate_close},
    {"__gc", candidate_close},
    {NULL, NULL},
};

static const luaL_Reg listing_metamethods[] = {{"__gc", listing_gc}, {NULL, NULL}};

static const luaL_Reg core[] = {
    {"canary", core_canary},     {"directory", core_directory},
    {"hash", core_hash},         {"install", core_install},
    {"live", core_live},         {"load_candidate", core_load_candidate},
    {"names", core_names},       {"shipped", core_shipped},
    {"source", core_source},     {"version", core_version},
    {"versions", core_versions}, {NULL, NULL},
};

void cairn_lua_init_policies_core(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    cairn_lua_class(L, CANDIDATE_TYPE, candidate_methods, candidate_metamethods);
    cairn_lua_class(L, LISTING_TYPE, none, listing_metamethods);
}

void cairn_lua_push_policies_core(lua_State *L) {
    luaL_newlib(L, core);
}
