/* row_fs.c -- the filesystem backend, against the bare system calls: open, read, close;
 * and a file without a name that gets one when it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "cairn/open.h"

enum { OPERATIONS = 500, ROUNDS = 20, FILES = 50000 };

struct folders {
    struct cairn_store *store;
    int root;       /* of the store */
    int bare;       /* beside it */
    bool by_number; /* linkat() takes a descriptor from us */
    size_t files;   /* there to be read; written */
};

static struct cairn_store *open_store(const char *path) {
    struct cairn_store *store;
    struct cairn_error error;
    char *url;
    if (asprintf(&url, "fs:%s", path) < 0)
        bench_stop("no memory to open %s", path);
    bench_check(cairn_open(cairn_slice_of(url), &store, &error), &error,
                "open a store");
    free(url);
    return store;
}

static void write_one(struct cairn_store *store, const struct bench_key *key,
                      const char *value) {
    struct cairn_error error;
    struct cairn_operation operation = {.kind = CAIRN_WRITE,
                                        .path = bench_slice(key),
                                        .value = {value, BENCH_VALUE_SIZE}};
    bench_check(cairn_store_apply(store, NULL, &operation, 1, 0, NULL, &error), &error,
                "write a file");
}

/* The bare calls want a terminated name. */
static const char *terminated(struct bench_key *key) {
    key->bytes[key->size] = '\0';
    return key->bytes;
}

/* -- Reading ---------------------------------------------------------------------- */

static void fill_read(void *arg, struct bench_batch *batch) {
    const struct folders *folders = arg;
    bench_batch_draw(batch, "data/", "data/", BENCH_WRITTEN, folders->files);
    for (size_t i = 0; i < batch->count; i++)
        terminated(&batch->keys[BENCH_RAW][i]);
}

static void bare_read(void *arg, const struct bench_batch *batch) {
    const struct folders *folders = arg;
    for (size_t i = 0; i < batch->count; i++) {
        char buffer[4096];
        const char *name = batch->keys[BENCH_RAW][i].bytes;
        int file = openat(folders->root, name, O_RDONLY | O_CLOEXEC);
        if (file < 0 || read(file, buffer, sizeof buffer) != BENCH_VALUE_SIZE)
            bench_stop("cannot read %s: %s", name, strerror(errno));
        close(file);
    }
}

static void cairn_read(void *arg, const struct bench_batch *batch) {
    const struct folders *folders = arg;
    for (size_t i = 0; i < batch->count; i++) {
        struct cairn_view view;
        struct cairn_error error;
        bench_check(cairn_store_read(folders->store, NULL,
                                     bench_slice(&batch->keys[BENCH_CAIRN][i]), &view,
                                     &error),
                    &error, "read a file");
        if (view.entry.payload.size != BENCH_VALUE_SIZE)
            bench_stop("cairn reads another file than was written");
        cairn_view_release(&view);
    }
}

void bench_fs_read(const struct bench *bench, struct bench_result *result) {
    const char *path = bench_path(bench, "fs-read");
    struct folders folders = {.store = open_store(path)};
    folders.files = bench->entries < FILES ? bench->entries : FILES;
    for (size_t i = 0; i < folders.files; i++) {
        struct bench_key key = bench_key_of("data/", BENCH_WRITTEN, i);
        char value[BENCH_VALUE_SIZE];
        bench_value_of(i, value);
        write_one(folders.store, &key, value);
    }
    folders.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folders.root < 0)
        bench_stop("cannot open %s: %s", path, strerror(errno));
    struct bench_plan plan = {
        fill_read, {bare_read, cairn_read}, &folders, 10 * OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
    close(folders.root);
    cairn_store_close(folders.store);
}

/* -- Writing ---------------------------------------------------------------------- */

/* Every round begins with nothing left to write back: else the kernel makes now the one
 * and then the other side wait for what both have written. */
static void fill_write(void *arg, struct bench_batch *batch) {
    struct folders *folders = arg;
    syncfs(folders->bare);
    for (size_t i = 0; i < batch->count; i++) {
        size_t number = folders->files++;
        batch->keys[BENCH_RAW][i] = bench_key_of("", BENCH_WRITTEN, number);
        batch->keys[BENCH_CAIRN][i] = bench_key_of("data/", BENCH_WRITTEN, number);
        bench_value_of(number, batch->values[i]);
        terminated(&batch->keys[BENCH_RAW][i]);
    }
}

static int link_file(const struct folders *folders, int file, const char *name) {
    char self[32];
    if (folders->by_number)
        return linkat(file, "", folders->bare, name, AT_EMPTY_PATH);
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    return linkat(AT_FDCWD, self, folders->bare, name, AT_SYMLINK_FOLLOW);
}

static void bare_write(void *arg, const struct bench_batch *batch) {
    const struct folders *folders = arg;
    for (size_t i = 0; i < batch->count; i++) {
        const char *name = batch->keys[BENCH_RAW][i].bytes;
        int file = openat(folders->bare, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
        if (file < 0 ||
            write(file, batch->values[i], BENCH_VALUE_SIZE) != BENCH_VALUE_SIZE ||
            link_file(folders, file, name) < 0)
            bench_stop("cannot write %s: %s", name, strerror(errno));
        close(file);
    }
}

static void cairn_write(void *arg, const struct bench_batch *batch) {
    const struct folders *folders = arg;
    for (size_t i = 0; i < batch->count; i++)
        write_one(folders->store, &batch->keys[BENCH_CAIRN][i], batch->values[i]);
}

/* Whether linkat() needs no way through /proc: for the superuser, and since Linux 6.10
 * for whoever opened the file. */
static bool links_by_number(int directory) {
    static const char name[] = "probe";
    int file = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (file < 0)
        bench_stop("this file system has no files without a name: %s", strerror(errno));
    bool ok = linkat(file, "", directory, name, AT_EMPTY_PATH) == 0;
    if (ok)
        unlinkat(directory, name, 0);
    close(file);
    return ok;
}

void bench_fs_write(const struct bench *bench, struct bench_result *result) {
    const char *bare = bench_path(bench, "fs-bare");
    struct folders folders = {.store = open_store(bench_path(bench, "fs-write"))};
    if (mkdir(bare, 0777) < 0 ||
        (folders.bare = open(bare, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        bench_stop("cannot make %s: %s", bare, strerror(errno));
    folders.by_number = links_by_number(folders.bare);
    struct bench_plan plan = {
        fill_write, {bare_write, cairn_write}, &folders, OPERATIONS, ROUNDS};
    bench_measure(&plan, bench->repeats, result);
    close(folders.bare);
    cairn_store_close(folders.store);
}
