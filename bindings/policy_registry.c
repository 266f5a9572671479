/* policy_registry.c -- the hosts of this process, one for each directory and settings,
 * whatever Lua state asks: what is remembered and watched is so once. */
#include "policy_inner.h"

#include <stdlib.h>

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct policy_host *hosts; /* guarded by it; so are their users */

/* -- Settings ---------------------------------------------------------------------- */

void policy_settings_free(struct policy_settings *settings) {
    free(settings->directory);
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        free(settings->use[question]);
    lua_clock_release(settings->clock);
    *settings = (struct policy_settings){0};
}

static bool same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_settings(const struct policy_settings *a,
                          const struct policy_settings *b) {
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        if (!same_text(a->use[question], b->use[question]))
            return false;
    return same_text(a->directory, b->directory) && a->watch == b->watch &&
           a->remember == b->remember && a->clock == b->clock &&
           a->limits.steps == b->limits.steps &&
           a->limits.memory_bytes == b->limits.memory_bytes &&
           a->limits.wall_ms == b->limits.wall_ms;
}

/* -- Making and ending ------------------------------------------------------------- */

static void free_host(struct policy_host *host) {
    policy_watch_stop(host);
    policy_set_release(host->set);
    for (size_t i = 0; i < host->files_count; i++)
        policy_module_release(host->files[i].module);
    for (size_t i = 0; i < POLICY_SHIPPED_MAX; i++)
        policy_module_release(host->shipped[i]);
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        policy_canary_release(host->canaries[question]);
    policy_memory_free(host->memory);
    policy_events_free(host->events);
    policy_trace_free(host->trace);
    pthread_mutex_destroy(&host->loading);
    pthread_mutex_destroy(&host->lock);
    policy_settings_free(&host->settings);
    free(host);
}

/* Each policy that is to be used must be there: shipped, or as a file that may yet be
 * broken. */
static enum cairn_status check_use(struct policy_host *host,
                                   struct cairn_error *error) {
    const char *directory = host->settings.directory;
    for (int question = 0; question < POLICY_QUESTIONS; question++) {
        struct policy_module *module = NULL;
        const char *name = host->settings.use[question];
        enum cairn_status status = policy_set_shipped(host, name, &module, error);
        if (status && status != CAIRN_NOT_FOUND)
            return status;
        if (policy_load_find(host, name))
            continue;
        const char *asked = policy_question_names[question];
        if (status)
            return cairn_fail(error, CAIRN_NOT_FOUND,
                              "use.%s: there is no policy '%s', neither shipped nor in "
                              "%.300s",
                              asked, name, directory ? directory : "a directory");
        if (module->question != (enum policy_question)question)
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "use.%s: the policy '%s' does not answer that but '%s'",
                              asked, name, policy_question_names[module->question]);
    }
    return CAIRN_OK;
}

/* It may not be there yet; but what is something else will hardly become one. */
static enum cairn_status check_directory(const char *directory,
                                         struct cairn_error *error) {
    struct stat info;
    if (!directory || stat(directory, &info) < 0 || S_ISDIR(info.st_mode))
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                      "policies: it is not a directory: %.400s", directory);
}

static enum cairn_status start(struct policy_host *host, struct cairn_error *error) {
    host->events = policy_events_new();
    host->trace = policy_trace_new();
    if (host->settings.remember)
        host->memory = policy_memory_new();
    if (!host->events || !host->trace || (host->settings.remember && !host->memory))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for policies");
    enum cairn_status status = check_directory(host->settings.directory, error);
    if (!status)
        status = policy_set_renew(host, error);
    if (status)
        return status;
    pthread_mutex_lock(&host->loading);
    host->starting = true;
    policy_load_scan(host, true);
    host->starting = false;
    status = check_use(host, error);
    pthread_mutex_unlock(&host->loading);
    return status ? status : policy_watch_start(host, error);
}

static enum cairn_status make(struct policy_settings *settings,
                              struct policy_host **out, struct cairn_error *error) {
    struct policy_host *host = calloc(1, sizeof *host);
    if (!host) {
        policy_settings_free(settings);
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for policies");
    }
    host->settings = *settings;
    *settings = (struct policy_settings){0};
    host->users = 1;
    host->wake = -1;
    lua_clock_set(host->settings.clock, &host->clock);
    pthread_mutex_init(&host->lock, NULL);
    pthread_mutex_init(&host->loading, NULL);
    policy_decide_init(host);
    enum cairn_status status = start(host, error);
    if (status)
        free_host(host);
    else
        *out = host;
    return status;
}

enum cairn_status policy_host_open(struct policy_settings *settings,
                                   struct policy_host **out,
                                   struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    pthread_mutex_lock(&registry);
    struct policy_host *host = hosts;
    while (host && !same_settings(&host->settings, settings))
        host = host->next;
    if (host) {
        host->users++;
        policy_settings_free(settings);
    } else {
        status = make(settings, &host, error);
        if (!status) {
            host->next = hosts;
            hosts = host;
        }
    }
    pthread_mutex_unlock(&registry);
    if (!status)
        *out = host;
    return status;
}

void policy_host_retain(struct policy_host *host) {
    pthread_mutex_lock(&registry);
    host->users++;
    pthread_mutex_unlock(&registry);
}

void policy_host_release(struct policy_host *host) {
    if (!host)
        return;
    pthread_mutex_lock(&registry);
    bool last = --host->users == 0;
    for (struct policy_host **at = &hosts; last && *at; at = &(*at)->next) {
        if (*at == host) {
            *at = host->next;
            break;
        }
    }
    pthread_mutex_unlock(&registry);
    if (last)
        free_host(host);
}

const struct cairn_policy *policy_host_policy(struct policy_host *host) {
    return &host->policy;
}
