/* fs_path.c -- from a path to an open file, without ever leaving the store.
 *
 * openat2(2) resolves the whole path in one call and refuses to follow anything. Where
 * it is missing (Linux before 5.6, a sandbox that does not know it) the directories are
 * opened one after the other, each without following; the answers are the same. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int openat2_beneath(int dir, const char *path, int flags) {
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? 0666 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

bool fs_has_openat2(int root) {
    int fd = openat2_beneath(root, ".", O_PATH);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

enum cairn_status fs_check_path(struct cairn_slice path, struct cairn_error *error) {
    const size_t reserved = sizeof FS_STAGING - 1;
    if (path.size >= reserved && memcmp(path.data, FS_STAGING, reserved) == 0 &&
        (path.size == reserved || path.data[reserved] == '/'))
        return cairn_fail_at(error, CAIRN_INVALID_PATH,
                             "fs: the name " FS_STAGING " is reserved", path);
    if (path.size > CAIRN_PATH_MAX)
        return cairn_fail_at(error, CAIRN_INVALID_PATH, "fs: the path is too long",
                             path);
    return CAIRN_OK;
}

/* One segment after the other; each directory is closed when the next is open. */
static int open_walking(int root, const char *path, int flags) {
    int dir = root;
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t size = slash ? (size_t)(slash - path) : strlen(path);
        char name[FS_NAME_MAX + 1];
        int fd = -1;
        if (size > FS_NAME_MAX) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(name, path, size);
            name[size] = '\0';
            /* What openat2 does by RESOLVE_BENEATH. */
            if (strcmp(name, "..") == 0)
                errno = EXDEV;
            else
                fd = openat(dir, size ? name : ".",
                            (slash ? O_PATH | O_DIRECTORY : flags) | O_NOFOLLOW |
                                O_CLOEXEC,
                            0666);
        }
        if (dir != root) {
            int code = errno;
            close(dir);
            errno = code;
        }
        if (fd < 0 || !slash)
            return fd;
        dir = fd;
        path = slash + 1;
    }
}

static int open_text(const struct fs *fs, const char *path, int flags) {
    if (fs->walks)
        return open_walking(fs->root, path, flags);
    return openat2_beneath(fs->root, path[0] ? path : ".", flags);
}

int fs_open(const struct fs *fs, struct cairn_slice path, int flags) {
    char text[CAIRN_PATH_MAX + 1];
    if (path.size > CAIRN_PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (path.size)
        memcpy(text, path.data, path.size);
    text[path.size] = '\0';
    return open_text(fs, text, flags);
}

int fs_open_parent(const struct fs *fs, struct cairn_slice path, int flags,
                   char name[FS_NAME_MAX + 1]) {
    struct cairn_slice last = cairn_path_name(path);
    if (last.size > FS_NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, last.data, last.size);
    name[last.size] = '\0';
    return fs_open(fs, cairn_path_parent(path), flags | O_DIRECTORY);
}

static enum cairn_status status_of(int code) {
    switch (code) {
    case EACCES:
    case EPERM:
        return CAIRN_UNAUTHORIZED;
    case ENAMETOOLONG:
        return CAIRN_NAME_TOO_LONG;
    case ENOMEM:
        return CAIRN_NO_MEMORY;
    case ENOTDIR:
    case ELOOP: /* something put a link where the parent group was */
        return CAIRN_NOT_A_GROUP;
    case EISDIR:
    case ENOTEMPTY:
        return CAIRN_IS_GROUP;
    case EXDEV:
    case EOPNOTSUPP:
        return CAIRN_UNSUPPORTED;
    default:
        return CAIRN_IO;
    }
}

enum cairn_status fs_check_root(const struct fs *fs, struct cairn_error *error) {
    struct stat info;
    if (fstat(fs->root, &info) < 0 || info.st_nlink > 0)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_UNAVAILABLE,
                      "fs: the store's directory is gone: it was removed since the "
                      "store was opened: '%.300s'",
                      fs->location);
}

/* What the system answers in a directory that was removed. */
static bool may_be_gone(int code) {
    return code == ENOENT || code == EPERM || code == ESTALE;
}

enum cairn_status fs_fail(const struct fs *fs, struct cairn_error *error, int code,
                          const char *verb, struct cairn_slice path) {
    if (may_be_gone(code) && fs_check_root(fs, error))
        return CAIRN_UNAVAILABLE;
    const char *why = strerrordesc_np(code);
    char what[200];
    snprintf(what, sizeof what, "fs: cannot %s (%s)", verb,
             why ? why : "unknown error");
    return cairn_fail_at(error, status_of(code), what, path);
}

enum cairn_status fs_miss(const struct fs *fs, struct cairn_error *error,
                          struct cairn_slice path) {
    enum cairn_status status = fs_check_root(fs, error);
    return status ? status
                  : cairn_fail_at(error, CAIRN_NOT_FOUND, "there is nothing at", path);
}
