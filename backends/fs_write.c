/* fs_write.c -- changes, each complete or not there.
 *
 * A fresh name is linked to a finished file, or is itself the one call that makes a
 * directory or a link. What is there already is replaced by renaming over it. Anything
 * that a file cannot say by itself (metadata, expiry, compression, the creation of what
 * it replaced) is in an extended attribute, set before the file is visible. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static enum cairn_status conflict(const struct fs_put *put, struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_CONFLICT, "there is something at", put->path);
}

/* True if a value is there that has expired: the engine takes it for nothing, so it may
 * be in the way of what must be fresh, and of a group. */
static bool is_expired(const struct fs_put *put) {
    struct cairn_view view;
    if (fs_load(put->fs, put->dir, put->name, put->path, 0, &view, NULL))
        return false;
    bool expired = view.entry.expires_ms &&
                   view.entry.expires_ms <= cairn_context_now(put->context);
    cairn_view_release(&view);
    return expired;
}

/* -- Headers ---------------------------------------------------------------------- */

static bool changes_reading(const struct cairn_entry *entry) {
    return entry->expires_ms || entry->metadata.size || entry->form != CAIRN_PLAIN;
}

static enum cairn_status set_header(const struct fs_put *put, int fd,
                                    struct cairn_error *error) {
    const struct cairn_entry *entry = put->entry;
    if (!changes_reading(entry) && entry->modified_ms == 0)
        return CAIRN_OK;
    if (entry->metadata.size > FS_METADATA_MAX)
        return cairn_fail_at(error, CAIRN_LIMIT,
                             "fs: metadata of more than 2048 bytes for", put->path);
    if (entry->form == CAIRN_CHUNKED)
        return cairn_fail_at(error, CAIRN_UNSUPPORTED,
                             "fs: keeps values in one piece, not in chunks", put->path);
    struct cairn_bytes header = {0};
    enum cairn_status status = cairn_entry_encode_header(entry, &header, error);
    int code = 0;
    if (!status && fsetxattr(fd, FS_XATTR_HEADER, header.data, header.size, 0) < 0)
        code = errno;
    cairn_bytes_free(&header);
    if (code == EOPNOTSUPP && changes_reading(entry))
        return cairn_fail_at(
            error, CAIRN_UNSUPPORTED,
            "fs: this file system has no user extended attributes, so "
            "it holds neither metadata nor expiring nor compressed values",
            put->path);
    if (code && code != EOPNOTSUPP)
        return fs_fail(put->fs, error, code, "write the metadata of", put->path);
    return status;
}

/* Tells listings of the parent that they have to look at headers (fs_scan.c). */
static enum cairn_status mark_parent(const struct fs_put *put,
                                     struct cairn_error *error) {
    if (!put->entry->expires_ms && put->entry->form == CAIRN_PLAIN)
        return CAIRN_OK;
    int fd = openat(put->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = fd < 0 ? errno : 0;
    if (!code && fgetxattr(fd, FS_XATTR_HEADERS, NULL, 0) < 0 &&
        fsetxattr(fd, FS_XATTR_HEADERS, "1", 1, 0) < 0)
        code = errno;
    if (fd >= 0)
        close(fd);
    return code ? fs_fail(put->fs, error, code, "write the metadata of the group of",
                          put->path)
                : CAIRN_OK;
}

/* -- Values, links, groups -------------------------------------------------------- */

static enum cairn_status publish(const struct fs_put *put, struct fs_temp *temp,
                                 struct cairn_error *error) {
    int code = fs_temp_link(put->fs, temp, put->dir, put->name);
    if (code == EEXIST) {
        if (put->fresh && !is_expired(put))
            return conflict(put, error);
        code = fs_temp_replace(put->fs, temp, put->dir, put->name);
    }
    return code ? fs_fail(put->fs, error, code, "write", put->path) : CAIRN_OK;
}

static enum cairn_status put_file(const struct fs_put *put, struct fs_temp *temp,
                                  struct cairn_error *error) {
    int code = put->staged ? 0 : fs_temp_write(temp, put->entry->payload);
    if (code)
        return fs_fail(put->fs, error, code, "write", put->path);
    enum cairn_status status = set_header(put, temp->fd, error);
    if (!status)
        status = mark_parent(put, error);
    if (!status && put->sync && fsync(temp->fd) < 0)
        status = fs_fail(put->fs, error, errno, "sync", put->path);
    return status ? status : publish(put, temp, error);
}

static enum cairn_status put_raw(const struct fs_put *put, struct cairn_error *error) {
    if (put->staged)
        return put_file(put, put->staged, error);
    struct fs_temp temp;
    enum cairn_status status = fs_temp_open(put->fs, put->dir, &temp, put->path, error);
    if (status)
        return status;
    status = put_file(put, &temp, error);
    fs_temp_close(put->fs, &temp);
    return status;
}

static int replace_by_link(const struct fs_put *put, const char *text) {
    int staging = fs_staging(put->fs);
    if (staging < 0)
        return errno;
    char name[FS_STAGING_NAME];
    fs_staging_name(put->fs, "link", name);
    if (symlinkat(text, staging, name) < 0)
        return errno;
    if (renameat(staging, name, put->dir, put->name) == 0)
        return 0;
    int code = errno;
    unlinkat(staging, name, 0);
    return code;
}

static enum cairn_status put_link(const struct fs_put *put, struct cairn_error *error) {
    const struct cairn_entry *entry = put->entry;
    char text[PATH_MAX];
    if (entry->metadata.size || entry->expires_ms)
        return cairn_fail_at(error, CAIRN_UNSUPPORTED,
                             "fs: a link can neither have metadata nor expire",
                             put->path);
    enum cairn_status status = fs_check_path(entry->payload, error);
    if (!status)
        status = fs_link_text(put->fs, put->path, entry->payload, text, error);
    if (status)
        return status;
    int code = symlinkat(text, put->dir, put->name) < 0 ? errno : 0;
    if (code == EEXIST) {
        if (put->fresh && !is_expired(put))
            return conflict(put, error);
        code = replace_by_link(put, text);
    }
    return code ? fs_fail(put->fs, error, code, "link", put->path) : CAIRN_OK;
}

enum cairn_status fs_put_group(const struct fs_put *put, struct cairn_error *error) {
    struct stat info;
    int code = mkdirat(put->dir, put->name, 0777) < 0 ? errno : 0;
    if (code == EEXIST && is_expired(put)) {
        unlinkat(put->dir, put->name, 0);
        code = mkdirat(put->dir, put->name, 0777) < 0 ? errno : 0;
    }
    if (code == 0)
        return CAIRN_OK;
    if (code != EEXIST)
        return fs_fail(put->fs, error, code, "make the group", put->path);
    if (put->fresh)
        return conflict(put, error);
    if (fstatat(put->dir, put->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return fs_fail(put->fs, error, errno, "make the group", put->path);
    if (S_ISDIR(info.st_mode))
        return CAIRN_OK;
    return cairn_fail_at(error, CAIRN_NOT_A_GROUP, "there is a value at", put->path);
}

enum cairn_status fs_put_entry(const struct fs_put *put, struct cairn_error *error) {
    switch (put->entry->kind) {
    case CAIRN_RAW:
        return put_raw(put, error);
    case CAIRN_LINK:
        return put_link(put, error);
    case CAIRN_GROUP:
        return put->entry->payload.size ? fs_put_pack(put, error)
                                        : fs_put_group(put, error);
    default:
        return cairn_fail_at(error, CAIRN_UNSUPPORTED,
                             "fs: keeps values, links and groups only", put->path);
    }
}

/* -- Changes ---------------------------------------------------------------------- */

/* What is not there need not go. */
static enum cairn_status erase(const struct fs_put *put, struct cairn_error *error) {
    int code = unlinkat(put->dir, put->name, 0) < 0 ? errno : 0;
    if (code == EISDIR)
        code = unlinkat(put->dir, put->name, AT_REMOVEDIR) < 0 ? errno : 0;
    if (code == ENOENT)
        return fs_check_root(put->fs, error);
    return code ? fs_fail(put->fs, error, code == EEXIST ? ENOTEMPTY : code, "delete",
                          put->path)
                : CAIRN_OK;
}

/* The names on the way to `path` are on stable storage when their directories are. */
static enum cairn_status sync_above(const struct fs *fs, struct cairn_slice path,
                                    struct cairn_error *error) {
    while (path.size) {
        path = cairn_path_parent(path);
        int fd = fs_open(fs, path, O_RDONLY | O_DIRECTORY);
        int code = fd < 0 || fsync(fd) < 0 ? errno : 0;
        if (fd >= 0)
            close(fd);
        /* Deleted since, or with it: then there is nothing to keep. */
        if (code && code != ENOENT)
            return fs_fail(fs, error, code, "sync the groups above", path);
    }
    return CAIRN_OK;
}

static enum cairn_status change_at(const struct fs_put *put,
                                   const struct cairn_change *change,
                                   struct cairn_error *error) {
    return change->kind == CAIRN_ERASE ? erase(put, error) : fs_put_entry(put, error);
}

/* The root always exists and can be nothing but a group; a pack's children go into it
 * as into any other. */
static enum cairn_status apply_to_root(struct fs_put *put,
                                       const struct cairn_change *change,
                                       struct cairn_error *error) {
    if (change->kind == CAIRN_ERASE || change->entry.kind != CAIRN_GROUP)
        return cairn_fail_at(error, CAIRN_IS_GROUP, "the root is a group", put->path);
    return fs_put_children(put, put->fs->root, error);
}

static enum cairn_status apply_one(struct fs_put *put,
                                   const struct cairn_change *change,
                                   struct cairn_error *error) {
    char name[FS_NAME_MAX + 1];
    enum cairn_status status = fs_check_path(put->path, error);
    if (status)
        return status;
    if (put->path.size == 0)
        return apply_to_root(put, change, error);
    put->name = name;
    put->dir = fs_open_parent(put->fs, put->path, O_PATH, name);
    if (put->dir < 0) {
        bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP ||
                    errno == ENAMETOOLONG;
        if (!gone || (errno == ENAMETOOLONG && change->kind != CAIRN_ERASE))
            return fs_fail(put->fs, error, errno,
                           "write beneath what should be a group", put->path);
        status = fs_check_root(put->fs, error);
        if (status || change->kind == CAIRN_ERASE)
            return status;
        return cairn_fail_at(error, CAIRN_NOT_FOUND,
                             "the group above is gone or was replaced:", put->path);
    }
    status = change_at(put, change, error);
    close(put->dir);
    return !status && put->sync ? sync_above(put->fs, put->path, error) : status;
}

enum cairn_status fs_apply(void *self, const struct cairn_context *context,
                           const struct cairn_change *changes, size_t count,
                           unsigned flags, struct cairn_error *error) {
    struct fs *fs = self;
    if (fs->read_only)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "fs: %s was opened read-only",
                          fs->location);
    for (size_t i = 0; i < count; i++) {
        struct fs_put put = {
            .fs = fs,
            .context = context,
            .path = changes[i].path,
            .entry = &changes[i].entry,
            .staged = changes[i].staged,
            .fresh = changes[i].fresh,
            .sync = flags & CAIRN_APPLY_SYNC,
        };
        enum cairn_status status = apply_one(&put, &changes[i], error);
        if (status)
            return status;
    }
    for (size_t i = 0; i < count; i++)
        if (changes[i].staged)
            fs_stage_discard(fs, changes[i].staged);
    return CAIRN_OK;
}
