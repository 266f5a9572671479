/* policy_trial.c -- candidates in the user's directory: what one process puts on trial
 * is on trial in all that watch.
 *
 *     DIR/<name>.canary.lua   the candidate; that it is there is the trial
 *     DIR/<name>.canary.conf  its terms, a name=value a line; missing: the usual ones
 *
 * The terms name the version they are for, so that the two files count as one: where
 * they do not fit each other, one of them is just being replaced. A candidate that is
 * given up takes its files with it: other processes and the next start let it be. */
#include "policy_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PLACE_ROOM = POLICY_NAME_ROOM + 16, TERMS_ROOM = 256 };

struct terms {
    double share, max_errors;
    int64_t min_calls;
    char version[POLICY_HASH_ROOM]; /* empty: not named */
};

static const struct terms usual = {0.1, 0.01, 20, ""};

static void place_of(const char *name, const char *suffix, char out[PLACE_ROOM]) {
    snprintf(out, PLACE_ROOM, "%s.canary.%s", name, suffix);
}

/* -- Writing ----------------------------------------------------------------------- */

static struct policy_seen *seen_of(struct policy_host *host, const char *name) {
    int question = 0;
    while (question < POLICY_QUESTIONS - 1 &&
           strcmp(host->settings.use[question], name) != 0)
        question++;
    return &host->trials_seen[question];
}

/* What we write is no news. */
static enum cairn_status write_files(struct policy_host *host, int directory,
                                     const struct policy_canary *canary,
                                     struct cairn_error *error) {
    char place[PLACE_ROOM], text[TERMS_ROOM];
    const struct policy_module *module = canary->module;
    snprintf(text, sizeof text,
             "version=%s\nshare=%.17g\nmax_errors=%.17g\nmin_calls=%lld\n",
             module->hash, canary->share, canary->max_errors,
             (long long)canary->min_calls);
    struct policy_seen *seen = seen_of(host, module->name);
    memcpy(seen->source, module->hash, sizeof seen->source);
    source_hash(cairn_slice_of(text), seen->terms);
    place_of(module->name, "conf", place);
    enum cairn_status status =
        policy_file_write(directory, place, cairn_slice_of(text), error);
    if (status)
        return status;
    place_of(module->name, "lua", place);
    return policy_file_write(directory, place, cairn_bytes_slice(&module->source),
                             error);
}

void policy_trial_save(struct policy_host *host, const struct policy_canary *canary) {
    int directory;
    struct cairn_error why;
    const char *path = host->settings.directory;
    if (!path)
        return;
    enum cairn_status status = policy_directory_open(path, &directory, &why);
    if (!status) {
        status = write_files(host, directory, canary, &why);
        close(directory);
    }
    if (status)
        policy_events_add(host->events, policy_host_now(host), canary->module->name,
                          canary->module->hash, "not_kept", why.message);
}

/* Whether the candidate in the directory is still that version. */
static bool is_version(int directory, const char *place, const char *hash) {
    struct cairn_bytes text = {0};
    char found[POLICY_HASH_ROOM] = "";
    if (policy_file_read(directory, place, &text, NULL, NULL) == CAIRN_OK)
        source_hash(cairn_bytes_slice(&text), found);
    cairn_bytes_free(&text);
    return strcmp(found, hash) == 0;
}

void policy_trial_remove(struct policy_host *host, const char *name, const char *hash) {
    int directory;
    char place[PLACE_ROOM];
    const char *path = host->settings.directory;
    if (!path || policy_directory_open(path, &directory, NULL))
        return;
    place_of(name, "lua", place);
    if (!hash || is_version(directory, place, hash)) {
        *seen_of(host, name) = (struct policy_seen){{0}, {0}};
        unlinkat(directory, place, 0);
        place_of(name, "conf", place);
        unlinkat(directory, place, 0);
    }
    close(directory);
}

/* -- Terms ------------------------------------------------------------------------- */

static bool share_of(const char *text, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1))
        return false;
    *out = value;
    return true;
}

static bool count_of(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < 0)
        return false;
    *out = value;
    return true;
}

static bool read_term(struct terms *terms, const char *name, const char *value) {
    if (strcmp(name, "share") == 0)
        return share_of(value, &terms->share);
    if (strcmp(name, "max_errors") == 0)
        return share_of(value, &terms->max_errors);
    if (strcmp(name, "min_calls") == 0)
        return count_of(value, &terms->min_calls);
    if (strcmp(name, "version") != 0 || strlen(value) >= sizeof terms->version)
        return false;
    memcpy(terms->version, value, strlen(value) + 1);
    return true;
}

static enum cairn_status read_terms(struct cairn_slice text, const char *place,
                                    struct terms *out, struct cairn_error *error) {
    char line[TERMS_ROOM];
    *out = usual;
    for (int number = 1; text.size; number++) {
        const char *feed = memchr(text.data, '\n', text.size);
        size_t size = feed ? (size_t)(feed - text.data) : text.size;
        size_t kept = size < sizeof line ? size : sizeof line - 1;
        memcpy(line, text.data, kept);
        line[kept] = '\0';
        size_t taken = feed ? size + 1 : size;
        text = cairn_slice_sub(text, taken, text.size - taken);
        char *equals = strchr(line, '=');
        if (equals)
            *equals = '\0';
        if (kept && (!equals || !read_term(out, line, equals + 1)))
            return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                              "%s:%d: share or max_errors (0 to 1), min_calls or "
                              "version expected, as name=value",
                              place, number);
    }
    return CAIRN_OK;
}

/* -- Looking ----------------------------------------------------------------------- */

/* The two files as they are. */
struct trial {
    struct cairn_bytes source, terms;
};

static void trial_free(struct trial *trial) {
    cairn_bytes_free(&trial->source);
    cairn_bytes_free(&trial->terms);
}

/* CAIRN_NOT_FOUND: there is no candidate. */
static enum cairn_status read_files(int directory, const char *name,
                                    struct trial *trial, struct cairn_error *error) {
    char place[PLACE_ROOM];
    place_of(name, "lua", place);
    enum cairn_status status =
        policy_file_read(directory, place, &trial->source, NULL, error);
    if (status)
        return status;
    place_of(name, "conf", place);
    status = policy_file_read(directory, place, &trial->terms, NULL, error);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static void refuse(struct policy_host *host, const char *name,
                   const struct cairn_error *why) {
    policy_events_add(host->events, policy_host_now(host), name, NULL, "refused",
                      why->message);
}

static void begin(struct policy_host *host, const char *name, const struct trial *trial,
                  const struct terms *terms) {
    char shown[4096];
    struct policy_module *module;
    struct cairn_error why;
    snprintf(shown, sizeof shown, "%s/%s.canary.lua", host->settings.directory, name);
    enum cairn_status status = policy_load_text(
        host, name, shown, cairn_bytes_slice(&trial->source), &module, &why);
    if (!status) {
        status = policy_canary_start(host, module, terms->share, terms->max_errors,
                                     terms->min_calls, &why);
        policy_module_release(module);
    }
    if (status)
        refuse(host, name, &why);
}

/* What begins differs from what was seen last, and is of one piece. */
static void consider(struct policy_host *host, enum policy_question question,
                     const struct trial *trial) {
    const char *name = host->settings.use[question];
    char source[POLICY_HASH_ROOM], conf[POLICY_HASH_ROOM], place[PLACE_ROOM];
    struct policy_seen *seen = &host->trials_seen[question];
    struct terms terms;
    struct cairn_error why;
    source_hash(cairn_bytes_slice(&trial->source), source);
    source_hash(cairn_bytes_slice(&trial->terms), conf);
    if (strcmp(source, seen->source) == 0 && strcmp(conf, seen->terms) == 0)
        return;
    place_of(name, "conf", place);
    enum cairn_status status =
        read_terms(cairn_bytes_slice(&trial->terms), place, &terms, &why);
    if (!status && terms.version[0] && strcmp(terms.version, source) != 0)
        return;
    memcpy(seen->source, source, sizeof source);
    memcpy(seen->terms, conf, sizeof conf);
    if (status)
        refuse(host, name, &why);
    else
        begin(host, name, trial, &terms);
}

static void look(struct policy_host *host, enum policy_question question,
                 int directory) {
    struct trial trial = {0};
    struct cairn_error why;
    const char *name = host->settings.use[question];
    struct policy_seen *seen = &host->trials_seen[question];
    enum cairn_status status = read_files(directory, name, &trial, &why);
    if (!status) {
        consider(host, question, &trial);
    } else if (seen->source[0]) {
        bool gone = status == CAIRN_NOT_FOUND;
        *seen = (struct policy_seen){{0}, {0}};
        if (!gone)
            refuse(host, name, &why);
        else if (host->canaries[question] &&
                 !atomic_load(&host->canaries[question]->over))
            policy_canary_end(host, name, NULL);
    }
    trial_free(&trial);
}

void policy_trial_scan(struct policy_host *host) {
    int directory;
    policy_canary_sweep(host); /* what is over has no files any more */
    if (!host->settings.directory ||
        policy_directory_open(host->settings.directory, &directory, NULL))
        return;
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        look(host, (enum policy_question)question, directory);
    close(directory);
}
