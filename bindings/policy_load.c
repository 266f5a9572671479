/* policy_load.c -- from the files in the user's directory to versions that decide.
 *
 * A text decides only after it has been compiled, looked through for mistakes, run, and
 * tried on its own examples, all under the limits of a decision. One that does not pass
 * is reported and changes nothing. */
#include "policy_inner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* -- A text ------------------------------------------------------------------------ */

/* What a policy of that name has to answer; POLICY_QUESTIONS: whatever it likes. */
static enum policy_question expected_of(const struct policy_host *host,
                                        const char *name) {
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        if (strcmp(host->settings.use[question], name) == 0)
            return (enum policy_question)question;
    return policy_question_named(cairn_slice_of(name));
}

enum cairn_status policy_load_text(struct policy_host *host, const char *name,
                                   const char *shown, struct cairn_slice text,
                                   struct policy_module **out,
                                   struct cairn_error *error) {
    struct policy_source source = {.name = name,
                                   .shown = shown,
                                   .text = text,
                                   .limits = &host->settings.limits,
                                   .now_ms = policy_host_now(host)};
    struct policy_module *module;
    enum cairn_status status = policy_module_load(&source, &module, error);
    if (status)
        return status;
    enum policy_question expected = expected_of(host, name);
    if (expected != POLICY_QUESTIONS && expected != module->question)
        status = cairn_fail(error, CAIRN_POLICY_ERROR,
                            "%s:1: `question` must be %s, where '%s' is asked", shown,
                            policy_question_names[expected], name);
    if (!status)
        status = policy_module_try(module, NULL, NULL, error);
    if (status) {
        policy_module_release(module);
        return status;
    }
    *out = module;
    return CAIRN_OK;
}

/* -- A file ------------------------------------------------------------------------ */

struct policy_file *policy_load_find(struct policy_host *host, const char *name) {
    for (size_t i = 0; i < host->files_count; i++)
        if (strcmp(host->files[i].name, name) == 0)
            return &host->files[i];
    return NULL;
}

static void report(struct policy_host *host, const char *name, const char *hash,
                   const char *event, const char *message) {
    policy_events_add(host->events, policy_host_now(host), name, hash, event, message);
}

static void refuse(struct policy_host *host, struct policy_file *file,
                   const struct cairn_error *why) {
    if (strcmp(file->problem, why->message) == 0 &&
        strcmp(file->refused, file->hash) == 0)
        return; /* said before */
    memcpy(file->refused, file->hash, sizeof file->refused);
    snprintf(file->problem, sizeof file->problem, "%s", why->message);
    report(host, file->name, file->hash, "refused", why->message);
}

/* That versions cannot be kept does not keep one from deciding. */
static void save(struct policy_host *host, const struct policy_module *module) {
    struct cairn_error why;
    bool kept = !policy_archive_save(host->settings.directory, module, &why);
    if (!kept && !host->cannot_keep)
        report(host, module->name, module->hash, "not_kept", why.message);
    host->cannot_keep = !kept;
}

/* A process that begins while a file is broken goes on where the last one was. */
static bool take_last(struct policy_host *host, struct policy_file *file) {
    struct policy_archived *items = NULL;
    struct cairn_bytes text = {0};
    size_t count = 0;
    char shown[4096];
    const char *directory = host->settings.directory;
    if (policy_archive_list(directory, file->name, &items, &count, NULL) || !count ||
        policy_archive_read(directory, file->name, items[0].hash, &text, NULL)) {
        free(items);
        return false;
    }
    snprintf(shown, sizeof shown, "%s/.versions/%s/%s.lua", directory, file->name,
             items[0].hash);
    enum cairn_status status = policy_load_text(
        host, file->name, shown, cairn_bytes_slice(&text), &file->module, NULL);
    free(items);
    cairn_bytes_free(&text);
    return status == CAIRN_OK;
}

/* A new content of a file; true if somebody else decides now. */
static bool take(struct policy_host *host, struct policy_file *file,
                 struct cairn_slice text) {
    char hash[POLICY_HASH_ROOM], shown[4096];
    struct policy_module *module;
    struct cairn_error why;
    source_hash(text, hash);
    bool same = strcmp(hash, file->hash) == 0;
    if (same && (file->problem[0] || file->module))
        return false;
    memcpy(file->hash, hash, sizeof file->hash);
    if (file->module && strcmp(file->module->hash, hash) == 0) {
        file->problem[0] = '\0'; /* back to what decides anyway */
        return false;
    }
    snprintf(shown, sizeof shown, "%s/%s.lua", host->settings.directory, file->name);
    if (policy_load_text(host, file->name, shown, text, &module, &why)) {
        refuse(host, file, &why);
        return host->starting && take_last(host, file);
    }
    policy_module_release(file->module);
    file->module = module;
    file->problem[0] = '\0';
    file->known = host->starting &&
                  policy_archive_is_last(host->settings.directory, file->name, hash);
    if (!file->known)
        save(host, module);
    report(host, file->name, hash, "loaded", NULL);
    return true;
}

static bool look_at(struct policy_host *host, struct policy_file *file, int directory,
                    bool force) {
    char name[POLICY_NAME_ROOM + 8];
    struct cairn_bytes text = {0};
    struct stat now = {0};
    struct cairn_error why;
    bool changed = false;
    snprintf(name, sizeof name, "%s.lua", file->name);
    if (!force && fstatat(directory, name, &now, 0) == 0 &&
        source_looks_same(&file->look, &now))
        return false;
    enum cairn_status status = policy_file_read(directory, name, &text, &now, &why);
    if (status == CAIRN_NOT_FOUND) {
        file->there = false; /* since it was listed */
    } else if (status) {
        struct cairn_error placed;
        cairn_fail(&placed, status, "%.200s/%.300s", host->settings.directory,
                   why.message);
        file->hash[0] = '\0';
        refuse(host, file, &placed);
    } else {
        changed = take(host, file, cairn_bytes_slice(&text));
    }
    file->look = status ? (struct source_look){0} : source_look_of(&now);
    cairn_bytes_free(&text);
    return changed;
}

/* -- All of them ------------------------------------------------------------------- */

/* The place of a file that was not there before; NULL if there are too many. */
static struct policy_file *add_file(struct policy_host *host, struct cairn_slice name) {
    if (host->files_count == FILES_MAX)
        return NULL;
    struct policy_file *file = &host->files[host->files_count++];
    *file = (struct policy_file){0};
    memcpy(file->name, name.data, name.size);
    return file;
}

/* "chain.lua" is a policy's file; hidden ones, backups and the like are not. */
static bool policy_of(const char *entry, char name[POLICY_NAME_ROOM]) {
    struct cairn_slice stem = cairn_slice_of(entry);
    if (stem.size < 5 || strcmp(entry + stem.size - 4, ".lua") != 0)
        return false;
    stem.size -= 4;
    if (!policy_name_valid(stem))
        return false;
    memcpy(name, stem.data, stem.size);
    name[stem.size] = '\0';
    return true;
}

static void say_too_many(struct policy_host *host, const char *name) {
    char message[96];
    snprintf(message, sizeof message, "there are over %d files: this one is not loaded",
             FILES_MAX);
    if (!host->too_many)
        report(host, name, NULL, "refused", message);
    host->too_many = true;
}

static bool look_at_all(struct policy_host *host, DIR *stream, bool force) {
    char name[POLICY_NAME_ROOM];
    bool changed = false;
    struct dirent *entry;
    while ((entry = readdir(stream))) {
        if (!policy_of(entry->d_name, name))
            continue;
        struct policy_file *file = policy_load_find(host, name);
        if (!file)
            file = add_file(host, cairn_slice_of(name));
        if (!file) {
            say_too_many(host, name);
            continue;
        }
        file->there = true;
        changed = look_at(host, file, dirfd(stream), force) || changed;
    }
    return changed;
}

/* Without its file a policy is the shipped one again. */
static bool forget_missing(struct policy_host *host) {
    bool changed = false;
    size_t kept = 0;
    for (size_t i = 0; i < host->files_count; i++) {
        struct policy_file *file = &host->files[i];
        if (file->there) {
            if (kept != i)
                host->files[kept] = *file;
            kept++;
            continue;
        }
        report(host, file->name, file->module ? file->module->hash : NULL, "removed",
               NULL);
        changed = changed || file->module;
        policy_module_release(file->module);
    }
    host->files_count = kept;
    return changed;
}

/* A directory that cannot be read just now has not lost its files. */
static void say_unreadable(struct policy_host *host, const struct cairn_error *why) {
    for (size_t i = 0; i < host->files_count; i++)
        host->files[i].there = true;
    if (!host->unreadable)
        report(host, "", NULL, "unreadable", why->message);
}

static bool look_into(struct policy_host *host, bool force) {
    struct cairn_error why;
    int directory;
    enum cairn_status status =
        policy_directory_open(host->settings.directory, &directory, &why);
    if (status && status != CAIRN_NOT_FOUND)
        say_unreadable(host, &why);
    host->unreadable = status && status != CAIRN_NOT_FOUND;
    if (status)
        return false;
    DIR *stream = fdopendir(directory);
    if (!stream) {
        close(directory);
        return false;
    }
    bool changed = look_at_all(host, stream, force);
    closedir(stream);
    return changed;
}

void policy_load_scan(struct policy_host *host, bool force) {
    bool changed = false;
    for (size_t i = 0; i < host->files_count; i++)
        host->files[i].there = false;
    if (host->settings.directory)
        changed = look_into(host, force);
    changed = forget_missing(host) || changed;
    if (changed)
        policy_set_renew(host, NULL);
    policy_trial_scan(host);
    policy_watch_log(host);
}
