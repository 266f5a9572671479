/* lua_policies_list.c -- what there is and what became of it, as tables. */
#include <stdlib.h>

#include "lua_policies.h"

/* -- Events ------------------------------------------------------------------------ */

static void push_event(lua_State *L, const struct policy_event *event) {
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, event->time_ms);
    lua_setfield(L, -2, "time");
    lua_pushstring(L, event->policy);
    lua_setfield(L, -2, "policy");
    lua_pushstring(L, event->event);
    lua_setfield(L, -2, "event");
    if (event->version[0]) {
        lua_pushstring(L, event->version);
        lua_setfield(L, -2, "version");
    }
    if (event->message[0]) {
        lua_pushstring(L, event->message);
        lua_setfield(L, -2, "message");
    }
}

int policies_events(lua_State *L) {
    struct policies_box *box = policies_self(L);
    struct policy_event event = {0};
    lua_newtable(L);
    for (lua_Integer i = 1;
         policy_events_after(box->host->events, event.number, &event); i++) {
        push_event(L, &event);
        lua_rawseti(L, -2, i);
        if (!box->host)
            break; /* a finalizer closed it */
    }
    return 1;
}

/* -- Policies ---------------------------------------------------------------------- */

enum { ROWS_MAX = FILES_MAX + POLICY_SHIPPED_MAX };

/* What is told of one policy, copied under the lock: making tables may raise. */
struct row {
    char name[POLICY_NAME_ROOM];
    bool has_version, shipped, deciding, on_trial;
    enum policy_question question; /* POLICY_QUESTIONS: nobody knows */
    char hash[POLICY_HASH_ROOM];
    int64_t since_ms;
    uint64_t calls, remembered, no_opinion, errors, breaches;
    char problem[PROBLEM_ROOM];

    char trial_hash[POLICY_HASH_ROOM], returned[160];
    double share;
    uint64_t trial_calls, trial_errors;
};

static bool is_deciding(struct policy_host *host, const struct policy_module *module) {
    struct policy_set *set = policy_set_borrow(host);
    bool first = set->makers[module->question][0] == module;
    policy_set_release(set);
    return first;
}

static void describe_version(struct policy_host *host,
                             const struct policy_module *module, struct row *row) {
    const struct policy_counts *counts = module->counts;
    row->has_version = true;
    row->shipped = module->shipped;
    row->question = module->question;
    row->deciding = is_deciding(host, module);
    memcpy(row->hash, module->hash, sizeof row->hash);
    row->since_ms = module->since_ms;
    row->calls = atomic_load(&counts->calls);
    row->remembered = atomic_load(&counts->remembered);
    row->no_opinion = atomic_load(&counts->no_opinion);
    row->errors = atomic_load(&counts->errors);
    row->breaches = atomic_load(&counts->breaches);
}

static void describe_trial(struct policy_host *host, struct row *row) {
    for (int question = 0; question < POLICY_QUESTIONS; question++) {
        const struct policy_canary *canary = host->canaries[question];
        if (!canary || strcmp(canary->module->name, row->name) != 0)
            continue;
        row->on_trial = true;
        row->share = canary->share;
        row->trial_calls = atomic_load(&canary->calls);
        row->trial_errors = atomic_load(&canary->errors);
        memcpy(row->trial_hash, canary->module->hash, sizeof row->trial_hash);
        memcpy(row->returned, canary->returned, sizeof row->returned);
    }
}

static void describe(struct policy_host *host, const char *name, struct row *row) {
    const struct policy_file *file = policy_load_find(host, name);
    struct policy_module *module = file ? file->module : NULL;
    *row = (struct row){.question = POLICY_QUESTIONS};
    strncpy(row->name, name, sizeof row->name - 1);
    if (file)
        memcpy(row->problem, file->problem, sizeof row->problem);
    if (!module && policy_set_shipped(host, name, &module, NULL))
        module = NULL;
    if (module)
        describe_version(host, module, row);
    describe_trial(host, row);
    if (module && module->shipped && !row->deciding)
        policy_module_trim(module); /* loaded to be told of, not to be asked */
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static size_t gather(struct policy_host *host, struct row *rows) {
    const struct policy_shipped *shipped;
    size_t count = 0;
    pthread_mutex_lock(&host->loading);
    if (host->memory)
        policy_memory_count(host->memory);
    policy_canary_sweep(host);
    for (size_t i = 0; i < host->files_count; i++)
        describe(host, host->files[i].name, &rows[count++]);
    for (size_t i = 0; (shipped = policy_shipped_at(i)); i++)
        if (!policy_load_find(host, shipped->name))
            describe(host, shipped->name, &rows[count++]);
    pthread_mutex_unlock(&host->loading);
    qsort(rows, count, sizeof *rows, by_name);
    return count;
}

/* -- Tables ------------------------------------------------------------------------ */

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_version(lua_State *L, const char *hash) {
    lua_pushlstring(L, hash, 12);
    lua_setfield(L, -2, "version");
}

static void push_trial(lua_State *L, const struct row *row) {
    lua_createtable(L, 0, 5);
    set_version(L, row->trial_hash);
    lua_pushnumber(L, row->share);
    lua_setfield(L, -2, "share");
    set_integer(L, "calls", (int64_t)row->trial_calls);
    set_integer(L, "errors", (int64_t)row->trial_errors);
    if (row->returned[0])
        set_text(L, "returned", row->returned);
}

static void push_counts(lua_State *L, const struct row *row) {
    set_integer(L, "since", row->since_ms);
    set_integer(L, "calls", (int64_t)row->calls);
    set_integer(L, "remembered", (int64_t)row->remembered);
    set_integer(L, "no_opinion", (int64_t)row->no_opinion);
    set_integer(L, "errors", (int64_t)row->errors);
    set_integer(L, "breaches", (int64_t)row->breaches);
}

static void push_row(lua_State *L, const char *directory, const struct row *row) {
    lua_createtable(L, 0, 14);
    set_text(L, "name", row->name);
    if (row->question != POLICY_QUESTIONS)
        set_text(L, "question", policy_question_names[row->question]);
    if (row->has_version)
        set_version(L, row->hash);
    if (row->has_version && row->shipped)
        lua_pushliteral(L, "shipped");
    else
        lua_pushfstring(L, "%s/%s.lua", directory, row->name);
    lua_setfield(L, -2, "origin");
    lua_pushboolean(L, row->deciding);
    lua_setfield(L, -2, "deciding");
    push_counts(L, row);
    if (row->problem[0])
        set_text(L, "problem", row->problem);
    if (row->on_trial) {
        push_trial(L, row);
        lua_setfield(L, -2, "canary");
    }
}

int policies_list(lua_State *L) {
    struct row *rows = lua_newuserdatauv(L, ROWS_MAX * sizeof *rows, 0);
    struct policy_host *host = policies_self(L)->host;
    size_t count = gather(host, rows);
    lua_pushstring(L, host->settings.directory ? host->settings.directory : "");
    const char *directory = lua_tostring(L, -1);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_row(L, directory, &rows[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
