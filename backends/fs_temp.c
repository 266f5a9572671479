/* fs_temp.c -- values before they are visible.
 *
 * A file without a name (O_TMPFILE) gets its name when it is complete, and vanishes by
 * itself if that never happens. To take the place of another it needs a name first, for
 * only rename replaces: that one is in the staging folder. File systems that have no
 * files without names get theirs there from the start. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_named(struct fs *fs, struct fs_temp *out) {
    int staging = fs_staging(fs);
    if (staging < 0)
        return -1;
    fs_staging_name(fs, "file", out->name);
    return openat(staging, out->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
}

enum cairn_status fs_temp_open(struct fs *fs, int dir, struct fs_temp *out,
                               struct cairn_slice path, struct cairn_error *error) {
    out->name[0] = '\0';
    out->fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (out->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        out->fd = open_named(fs, out);
    if (out->fd < 0)
        return fs_fail(fs, error, errno, "write", path);
    return CAIRN_OK;
}

void fs_temp_close(struct fs *fs, struct fs_temp *temp) {
    if (temp->name[0])
        unlinkat(atomic_load(&fs->staging), temp->name, 0);
    close(temp->fd);
}

int fs_temp_write(const struct fs_temp *temp, struct cairn_slice bytes) {
    while (bytes.size) {
        ssize_t done = write(temp->fd, bytes.data, bytes.size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        bytes = cairn_slice_sub(bytes, (size_t)done, bytes.size - (size_t)done);
    }
    return 0;
}

/* By its descriptor where we are allowed to, by way of /proc otherwise. */
static int link_nameless(int fd, int dir, const char *name) {
    if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT && errno != EPERM && errno != EINVAL)
        return errno;
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

static int link_named(int staging, const char *from, int dir, const char *name) {
    if (renameat2(staging, from, dir, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (linkat(staging, from, dir, name, 0) < 0)
        return errno;
    unlinkat(staging, from, 0);
    return 0;
}

int fs_temp_link(struct fs *fs, struct fs_temp *temp, int dir, const char *name) {
    if (!temp->name[0])
        return link_nameless(temp->fd, dir, name);
    int code = link_named(atomic_load(&fs->staging), temp->name, dir, name);
    if (code == 0)
        temp->name[0] = '\0';
    return code;
}

int fs_temp_replace(struct fs *fs, struct fs_temp *temp, int dir, const char *name) {
    int staging = fs_staging(fs);
    if (staging < 0)
        return errno;
    if (!temp->name[0]) {
        char fresh[FS_STAGING_NAME];
        fs_staging_name(fs, "file", fresh);
        int code = link_nameless(temp->fd, staging, fresh);
        if (code)
            return code;
        memcpy(temp->name, fresh, sizeof fresh);
    }
    if (renameat(staging, temp->name, dir, name) < 0)
        return errno;
    temp->name[0] = '\0';
    return 0;
}

static const struct cairn_slice nowhere = {"(staged)", 8};

static enum cairn_status check_writable(const struct fs *fs,
                                        struct cairn_error *error) {
    if (fs->read_only)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "fs: %s was opened read-only",
                          fs->location);
    return CAIRN_OK;
}

enum cairn_status fs_stage(void *self, void **staged, struct cairn_error *error) {
    struct fs *fs = self;
    enum cairn_status status = check_writable(fs, error);
    if (status)
        return status;
    struct fs_temp *temp = malloc(sizeof *temp);
    if (!temp)
        return cairn_fail(error, CAIRN_NO_MEMORY, "fs: no memory to begin a value");
    status = fs_temp_open(fs, fs->root, temp, nowhere, error);
    if (status) {
        free(temp);
        return status;
    }
    *staged = temp;
    return CAIRN_OK;
}

enum cairn_status fs_stage_append(void *self, void *staged, struct cairn_slice bytes,
                                  struct cairn_error *error) {
    const struct fs_temp *temp = staged;
    off_t before = lseek(temp->fd, 0, SEEK_CUR);
    int code = before < 0 ? errno : fs_temp_write(temp, bytes);
    if (code == 0)
        return CAIRN_OK;
    /* All or nothing: what did fit of the bytes goes, so that they can come again. */
    if (before >= 0 &&
        (ftruncate(temp->fd, before) < 0 || lseek(temp->fd, before, SEEK_SET) < 0))
        code = errno;
    return fs_fail(self, error, code, "write", nowhere);
}

void fs_stage_discard(void *self, void *staged) {
    fs_temp_close(self, staged);
    free(staged);
}
