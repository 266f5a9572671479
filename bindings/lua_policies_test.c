/* lua_policies_test.c -- policies in files: read, loaded, tried on their examples. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua_policies.h"

/* -- Files ------------------------------------------------------------------------- */

enum cairn_status policies_read_file(const char *file, char name[POLICY_NAME_ROOM],
                                     struct cairn_bytes *out,
                                     struct cairn_error *error) {
    char path[PATH_MAX];
    const char *base = strrchr(file, '/');
    struct cairn_slice stem = cairn_slice_of(base ? base + 1 : file);
    if (stem.size > 4 && strcmp(stem.data + stem.size - 4, ".lua") == 0)
        stem.size -= 4;
    if (!policy_name_valid(stem))
        stem = cairn_slice_of("candidate");
    memcpy(name, stem.data, stem.size);
    name[stem.size] = '\0';
    if (!realpath(file, path)) /* whoever names a file may name one through a link */
        return cairn_fail(error, CAIRN_NOT_FOUND, "%s: there is no such file", file);
    return policy_file_read(AT_FDCWD, path, out, NULL, error);
}

enum cairn_status policies_load_file(struct policy_host *host, const char *file,
                                     const char *name, struct policy_module **out,
                                     struct cairn_error *error) {
    char own[POLICY_NAME_ROOM];
    struct cairn_bytes text = {0};
    enum cairn_status status = policies_read_file(file, own, &text, error);
    if (!status)
        status = policy_load_text(host, name ? name : own, file,
                                  cairn_bytes_slice(&text), out, error);
    cairn_bytes_free(&text);
    return status;
}

/* -- Testing ----------------------------------------------------------------------- */

/* Each example as three strings with their ends: name, "1" or "", message. */
static void note(void *arg, const char *name, const char *message) {
    struct cairn_bytes *out = arg;
    struct cairn_slice pieces[] = {
        {name, strlen(name) + 1},
        {message ? "" : "1", message ? 1 : 2},
        {message ? message : "", message ? strlen(message) + 1 : 1}};
    for (size_t i = 0; i < 3; i++)
        if (!cairn_bytes_append(out, pieces[i]))
            return;
}

static void push_tests(lua_State *L, const struct cairn_bytes *notes) {
    size_t at = 0;
    lua_newtable(L);
    for (lua_Integer i = 1; at < notes->size; i++) {
        lua_createtable(L, 0, 3);
        lua_pushstring(L, notes->data + at);
        lua_setfield(L, -2, "name");
        at += strlen(notes->data + at) + 1;
        bool ok = notes->data[at] != '\0';
        lua_pushboolean(L, ok);
        lua_setfield(L, -2, "ok");
        at += ok ? 2 : 1;
        if (!ok) {
            lua_pushstring(L, notes->data + at);
            lua_setfield(L, -2, "message");
        }
        at += strlen(notes->data + at) + 1;
        lua_rawseti(L, -2, i);
    }
}

/* The text of a policy by name: the user's file as it is now, else the shipped one. */
static enum cairn_status named_text(struct policy_host *host, const char *name,
                                    char *shown, size_t room, struct cairn_bytes *text,
                                    struct cairn_error *error) {
    struct policy_module *module;
    enum cairn_status status = CAIRN_NOT_FOUND;
    char file[POLICY_NAME_ROOM + 8];
    int directory;
    snprintf(file, sizeof file, "%s.lua", name);
    snprintf(shown, room, "%s/%s", host->settings.directory, file);
    if (host->settings.directory)
        status = policy_directory_open(host->settings.directory, &directory, error);
    if (host->settings.directory && !status) {
        status = policy_file_read(directory, file, text, NULL, error);
        close(directory);
    }
    if (status != CAIRN_NOT_FOUND)
        return status;
    pthread_mutex_lock(&host->loading);
    status = policy_set_shipped(host, name, &module, error);
    pthread_mutex_unlock(&host->loading);
    if (status)
        return status;
    snprintf(shown, room, "%s", module->shown);
    if (!cairn_bytes_append(text, cairn_bytes_slice(&module->source)))
        return cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory to test it", name);
    return CAIRN_OK;
}

static enum cairn_status test_text(struct policy_host *host, const char *what,
                                   struct cairn_bytes *notes,
                                   struct cairn_error *error) {
    char name[POLICY_NAME_ROOM], shown[PATH_MAX];
    struct cairn_bytes text = {0};
    struct policy_module *module = NULL;
    bool is_name = policy_name_valid(cairn_slice_of(what));
    snprintf(name, sizeof name, "%.31s", what);
    snprintf(shown, sizeof shown, "%s", what);
    enum cairn_status status =
        is_name ? named_text(host, what, shown, sizeof shown, &text, error)
                : policies_read_file(what, name, &text, error);
    struct policy_source source = {.name = name,
                                   .shown = shown,
                                   .text = cairn_bytes_slice(&text),
                                   .limits = &host->settings.limits,
                                   .now_ms = policy_host_now(host)};
    if (!status)
        status = policy_module_load(&source, &module, error);
    if (!status)
        policy_module_try(module, note, notes, NULL);
    policy_module_release(module);
    cairn_bytes_free(&text);
    return status;
}

int policies_test(lua_State *L) {
    const char *what = policies_checkfile(L, 2);
    struct cairn_bytes *notes = cairn_lua_newbytes(L);
    struct policies_box *box = policies_self(L);
    struct cairn_error error;
    enum cairn_status status = test_text(box->host, what, notes, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    push_tests(L, notes);
    return 1;
}
