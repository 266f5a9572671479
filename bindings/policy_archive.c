/* policy_archive.c -- files of policies, and what is kept of them. */
#include "policy_archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VERSIONS ".versions"

enum { VERSIONS_KEPT = 200, LOG_MAX = 1 << 20, FILE_NAME_ROOM = 96 };

bool policy_name_valid(struct cairn_slice name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return name.size > 0 && name.size < POLICY_NAME_ROOM;
}

/* -- Files ------------------------------------------------------------------------- */

static enum cairn_status cannot(struct cairn_error *error, const char *what,
                                const char *name) {
    int code = errno;
    return cairn_fail(error, code == ENOENT ? CAIRN_NOT_FOUND : CAIRN_IO,
                      "%s: cannot %s: %s", name, what, strerror(code));
}

enum cairn_status policy_directory_open(const char *directory, int *out,
                                        struct cairn_error *error) {
    *out = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out < 0 ? cannot(error, "open it", directory) : CAIRN_OK;
}

enum cairn_status policy_file_read(int directory, const char *name,
                                   struct cairn_bytes *out, struct stat *status,
                                   struct cairn_error *error) {
    return source_read(directory, name, 0, POLICY_SOURCE_MAX, out, status, error);
}

static enum cairn_status write_all(int file, struct cairn_slice text, const char *name,
                                   struct cairn_error *error) {
    while (text.size) {
        ssize_t put = write(file, text.data, text.size);
        if (put < 0 && errno != EINTR)
            return cannot(error, "write it", name);
        if (put > 0)
            text = cairn_slice_sub(text, (size_t)put, text.size - (size_t)put);
    }
    return CAIRN_OK;
}

enum cairn_status policy_file_write(int directory, const char *name,
                                    struct cairn_slice text,
                                    struct cairn_error *error) {
    static atomic_uint number;
    char beside[FILE_NAME_ROOM + 32];
    snprintf(beside, sizeof beside, ".%s.%ld.%u", name, (long)getpid(),
             atomic_fetch_add(&number, 1));
    int file = openat(directory, beside,
                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0)
        return cannot(error, "write it", name);
    enum cairn_status status = write_all(file, text, name, error);
    if (close(file) < 0 && !status)
        status = cannot(error, "write it", name);
    if (!status && renameat(directory, beside, directory, name) < 0)
        status = cannot(error, "rename it", name);
    if (status)
        unlinkat(directory, beside, 0);
    return status == CAIRN_NOT_FOUND ? CAIRN_IO : status;
}

/* -- The folder -------------------------------------------------------------------- */

/* A directory in another, made if `make`. */
static enum cairn_status enter(int within, const char *name, bool make, int *out,
                               struct cairn_error *error) {
    if (make && mkdirat(within, name, 0777) < 0 && errno != EEXIST)
        return cannot(error, "make it", name);
    *out = openat(within, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out < 0 ? cannot(error, "open it", name) : CAIRN_OK;
}

/* DIR/.versions, or DIR/.versions/<name>. */
static enum cairn_status open_versions(const char *directory, const char *name,
                                       bool make, int *out, struct cairn_error *error) {
    int outer, versions;
    enum cairn_status status = policy_directory_open(directory, &outer, error);
    if (status)
        return status;
    status = enter(outer, VERSIONS, make, &versions, error);
    close(outer);
    if (status || !name) {
        *out = versions;
        return status;
    }
    status = enter(versions, name, make, out, error);
    close(versions);
    return status;
}

/* -- Versions ---------------------------------------------------------------------- */

static bool is_version(const char *name) {
    return strspn(name, "0123456789abcdef") == 64 && strcmp(name + 64, ".lua") == 0;
}

struct listing {
    struct policy_archived *items;
    size_t count, room;
};

static bool add(struct listing *listing, const char *name, const struct stat *status) {
    if (listing->count == listing->room) {
        size_t room = listing->room ? listing->room * 2 : 64;
        void *items = realloc(listing->items, room * sizeof *listing->items);
        if (!items)
            return false;
        listing->items = items;
        listing->room = room;
    }
    struct policy_archived *item = &listing->items[listing->count++];
    memcpy(item->hash, name, 64);
    item->hash[64] = '\0';
    item->saved_ns =
        (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
    return true;
}

static int newest_first(const void *left, const void *right) {
    const struct policy_archived *a = left, *b = right;
    if (a->saved_ns != b->saved_ns)
        return a->saved_ns < b->saved_ns ? 1 : -1;
    return strcmp(a->hash, b->hash);
}

/* Closes the descriptor. */
static enum cairn_status list_versions(int folder, struct listing *listing,
                                       struct cairn_error *error) {
    DIR *stream = fdopendir(folder);
    if (!stream) {
        close(folder);
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to list versions");
    }
    bool room = true;
    struct dirent *entry;
    while (room && (entry = readdir(stream))) {
        struct stat status;
        if (is_version(entry->d_name) &&
            fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            room = add(listing, entry->d_name, &status);
    }
    closedir(stream);
    if (!room)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to list versions");
    if (listing->count)
        qsort(listing->items, listing->count, sizeof *listing->items, newest_first);
    return CAIRN_OK;
}

enum cairn_status policy_archive_list(const char *directory, const char *name,
                                      struct policy_archived **out, size_t *count,
                                      struct cairn_error *error) {
    struct listing listing = {0};
    int folder;
    enum cairn_status status = open_versions(directory, name, false, &folder, error);
    if (!status)
        status = list_versions(folder, &listing, error);
    else if (status == CAIRN_NOT_FOUND)
        status = CAIRN_OK;
    if (status) {
        free(listing.items);
        return status;
    }
    *out = listing.items;
    *count = listing.count;
    return CAIRN_OK;
}

bool policy_archive_is_last(const char *directory, const char *name, const char *hash) {
    struct policy_archived *items = NULL;
    size_t count = 0;
    bool same =
        policy_archive_list(directory, name, &items, &count, NULL) == CAIRN_OK &&
        count > 0 && strcmp(items[0].hash, hash) == 0;
    free(items);
    return same;
}

static void prune(int folder) {
    struct listing listing = {0};
    char name[FILE_NAME_ROOM];
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again >= 0 && list_versions(again, &listing, NULL) == CAIRN_OK) {
        for (size_t i = VERSIONS_KEPT; i < listing.count; i++) {
            snprintf(name, sizeof name, "%s.lua", listing.items[i].hash);
            unlinkat(folder, name, 0);
        }
    }
    free(listing.items);
}

/* The time that the file system would give advances in ticks of some ms: of two
 * versions in one tick it could not be told which came last. */
static bool mark_taken(int folder, const char *name) {
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[1] = now[0];
    return utimensat(folder, name, now, AT_SYMLINK_NOFOLLOW) == 0;
}

enum cairn_status policy_archive_save(const char *directory,
                                      const struct policy_module *module,
                                      struct cairn_error *error) {
    char name[FILE_NAME_ROOM];
    int folder;
    enum cairn_status status =
        open_versions(directory, module->name, true, &folder, error);
    if (status)
        return status;
    snprintf(name, sizeof name, "%s.lua", module->hash);
    if (!mark_taken(folder, name)) { /* not there yet */
        status =
            policy_file_write(folder, name, cairn_bytes_slice(&module->source), error);
        if (!status) {
            mark_taken(folder, name);
            prune(folder);
        }
    }
    close(folder);
    return status;
}

enum cairn_status policy_archive_read(const char *directory, const char *name,
                                      const char *hash, struct cairn_bytes *out,
                                      struct cairn_error *error) {
    char file[FILE_NAME_ROOM], found[POLICY_HASH_ROOM];
    int folder;
    enum cairn_status status = open_versions(directory, name, false, &folder, error);
    if (status)
        return status;
    snprintf(file, sizeof file, "%.64s.lua", hash);
    status = source_read(folder, file, O_NOFOLLOW, POLICY_SOURCE_MAX, out, NULL, error);
    close(folder);
    if (status)
        return status;
    source_hash(cairn_bytes_slice(out), found);
    if (strcmp(found, hash) != 0)
        return cairn_fail(error, CAIRN_CORRUPT, "%s/%s: its hash is %s", name, file,
                          found);
    return CAIRN_OK;
}

/* -- The log ----------------------------------------------------------------------- */

enum cairn_status policy_archive_log(const char *directory, struct cairn_slice lines,
                                     struct cairn_error *error) {
    struct stat info;
    int folder, file;
    enum cairn_status status = open_versions(directory, NULL, true, &folder, error);
    if (status)
        return status;
    if (fstatat(folder, "log.jsonl", &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_size > LOG_MAX)
        renameat(folder, "log.jsonl", folder, "log.1.jsonl");
    file = openat(folder, "log.jsonl",
                  O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                  0666);
    if (file < 0)
        status = cannot(error, "open it", "log.jsonl");
    if (!status && (fstat(file, &info) < 0 || !S_ISREG(info.st_mode)))
        status = cairn_fail(error, CAIRN_IO, "log.jsonl: it is not a regular file");
    if (!status)
        status = write_all(file, lines, "log.jsonl", error);
    if (file >= 0)
        close(file);
    close(folder);
    return status;
}
