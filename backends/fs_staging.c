/* fs_staging.c -- the folder .cairn-staging: what is not visible yet, or no more.
 *
 * Each open store has a folder of its own in it, made when it is first needed and
 * locked (flock) as long as the store is open. Opening a store removes the folders
 * whose lock is free: their process is gone. Directories are removed without recursion:
 * whatever is in a directory and not empty is moved up into the staging folder and
 * waits its turn, so the depth of a tree costs neither stack nor descriptors, and no
 * path is followed. */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRASH "trash"

/* How often making our folder is tried while others remove theirs. */
#define ATTEMPTS 64

static int open_directory(int dir, const char *name) {
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* False with errno EAGAIN: somebody who swept took it away before it was locked. */
static bool lock_folder(int top, const char *name, int fd) {
    struct stat ours, there;
    /* Without locks (some network file systems) nobody sweeps either. */
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        errno = EAGAIN;
        return false;
    }
    if (fstat(fd, &ours) < 0 || fstatat(top, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
        ours.st_ino != there.st_ino) {
        errno = EAGAIN;
        return false;
    }
    return true;
}

/* -1 with errno ENOENT, EEXIST or EAGAIN: try again. */
static int make_folder(struct fs *fs) {
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -1;
    if (mkdirat(fs->root, FS_STAGING, 0777) < 0 && errno != EEXIST)
        return -1;
    int top = open_directory(fs->root, FS_STAGING);
    if (top < 0)
        return -1;
    snprintf(fs->staging_name, sizeof fs->staging_name, "%ld-%016llx", (long)getpid(),
             (unsigned long long)random);
    int fd = mkdirat(top, fs->staging_name, 0700) < 0
                 ? -1
                 : open_directory(top, fs->staging_name);
    if (fd >= 0 && !lock_folder(top, fs->staging_name, fd)) {
        close(fd);
        fd = -1;
        errno = EAGAIN;
    }
    int code = errno;
    close(top);
    errno = code;
    return fd;
}

int fs_staging(struct fs *fs) {
    int fd = atomic_load(&fs->staging);
    if (fd >= 0)
        return fd;
    pthread_mutex_lock(&fs->staging_lock);
    fd = atomic_load(&fs->staging);
    for (int attempt = 0; fd < 0 && attempt < ATTEMPTS; attempt++) {
        fd = make_folder(fs);
        if (fd < 0 && errno != ENOENT && errno != EEXIST && errno != EAGAIN)
            break;
    }
    int code = errno;
    if (fd >= 0)
        atomic_store(&fs->staging, fd);
    pthread_mutex_unlock(&fs->staging_lock);
    errno = code;
    return fd;
}

void fs_staging_name(struct fs *fs, const char *what, char name[FS_STAGING_NAME]) {
    snprintf(name, FS_STAGING_NAME, "%s-%llu", what,
             (unsigned long long)atomic_fetch_add(&fs->serial, 1));
}

/* Removes what is no directory or an empty one; another is moved to the trash. */
static int remove_or_trash(struct fs *fs, int dir, const char *name) {
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return errno;
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return errno;
    int staging = fs_staging(fs);
    if (staging < 0)
        return errno;
    char trash[FS_STAGING_NAME];
    fs_staging_name(fs, TRASH, trash);
    if (renameat(dir, name, staging, trash) == 0 || errno == ENOENT)
        return 0;
    return errno;
}

/* Calls `each` for the names in `dir` until one fails; `*seen` counts those that were
 * not SKIPPED. */
enum { SKIPPED = -1 };
typedef int each_name(struct fs *fs, int dir, const char *name);

static int for_names(struct fs *fs, int dir, each_name *each, size_t *seen) {
    int fd = open_directory(dir, ".");
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    if (!names) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return code;
    }
    int code = 0;
    while (code == 0) {
        errno = 0;
        struct dirent *item = readdir(names);
        if (!item) {
            code = errno;
            break;
        }
        if (is_dots(item->d_name))
            continue;
        code = each(fs, fd, item->d_name);
        if (code == SKIPPED)
            code = 0;
        else
            ++*seen;
    }
    closedir(names);
    return code;
}

/* Until a pass over the names sees none: what is removed while a directory is read may
 * hide what follows. */
static int empty_directory(struct fs *fs, int dir) {
    for (;;) {
        size_t seen = 0;
        int code = for_names(fs, dir, remove_or_trash, &seen);
        if (code || seen == 0)
            return code;
    }
}

static bool is_trash(const char *name) {
    return strncmp(name, TRASH "-", sizeof TRASH) == 0;
}

static int empty_one_trash(struct fs *fs, int staging, const char *name) {
    if (!is_trash(name))
        return SKIPPED;
    int fd = open_directory(staging, name);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    int code = empty_directory(fs, fd);
    close(fd);
    /* Who had it open may have put something into it just now: that is no error. */
    if (code == 0 && unlinkat(staging, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != ENOTEMPTY)
        code = errno;
    /* EAGAIN: there may be more trash now. */
    return code ? code : EAGAIN;
}

static int empty_trash(struct fs *fs) {
    int staging = atomic_load(&fs->staging);
    int code = EAGAIN;
    while (staging >= 0 && code == EAGAIN) {
        size_t seen = 0;
        code = for_names(fs, staging, empty_one_trash, &seen);
    }
    return staging < 0 ? 0 : code;
}

int fs_remove_tree(struct fs *fs, int dir, const char *name) {
    int code = remove_or_trash(fs, dir, name);
    return code ? code : empty_trash(fs);
}

/* A folder whose lock is free belongs to nobody any more. */
static int sweep_one(struct fs *fs, int top, const char *name) {
    int fd = open_directory(top, name);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        fs_remove_tree(fs, top, name);
    close(fd);
    return 0;
}

void fs_staging_sweep(struct fs *fs) {
    int top = open_directory(fs->root, FS_STAGING);
    if (top < 0)
        return;
    size_t seen = 0;
    for_names(fs, top, sweep_one, &seen);
    close(top);
    unlinkat(fs->root, FS_STAGING, AT_REMOVEDIR); /* others may still use it */
}

static int remove_left_over(struct fs *fs, int staging, const char *name) {
    return is_trash(name) ? SKIPPED : remove_or_trash(fs, staging, name);
}

void fs_staging_close(struct fs *fs) {
    int staging = atomic_load(&fs->staging);
    if (staging < 0)
        return;
    size_t seen = 0;
    for_names(fs, staging, remove_left_over, &seen);
    empty_trash(fs);
    close(staging);
    int top = open_directory(fs->root, FS_STAGING);
    if (top >= 0) {
        unlinkat(top, fs->staging_name, AT_REMOVEDIR);
        close(top);
    }
    unlinkat(fs->root, FS_STAGING, AT_REMOVEDIR);
}

static int remove_of_root(struct fs *fs, int root, const char *name) {
    return strcmp(name, FS_STAGING) == 0 ? SKIPPED : remove_or_trash(fs, root, name);
}

enum cairn_status fs_reset(void *self, const struct cairn_context *context,
                           struct cairn_error *error) {
    struct fs *fs = self;
    if (fs->read_only)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "fs: %s was opened read-only",
                          fs->location);
    int code = 0;
    for (size_t seen = 1; code == 0 && seen > 0;) {
        enum cairn_status status = cairn_context_check(context, error);
        if (!status)
            status = fs_check_root(fs, error);
        if (status)
            return status;
        seen = 0;
        code = for_names(fs, fs->root, remove_of_root, &seen);
    }
    if (code == 0)
        code = empty_trash(fs);
    return code ? fs_fail(fs, error, code, "empty the store",
                          (struct cairn_slice){"", 0})
                : CAIRN_OK;
}
