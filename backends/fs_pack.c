/* fs_pack.c -- groups that come with their children.
 *
 * There is nothing inline in a directory: each child becomes an entry of its own, and
 * from then on nothing tells it from one that was written by itself. So a second pack
 * replaces the children that it names, and leaves the others. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cairn/pack.h"

static bool is_segment(struct cairn_slice name) {
    return name.size > 0 && !memchr(name.data, '/', name.size) &&
           !memchr(name.data, '\0', name.size) &&
           !(name.data[0] == '.' &&
             (name.size == 1 || (name.size == 2 && name.data[1] == '.')));
}

static enum cairn_status put_child(const struct fs_put *group, int dir,
                                   const struct cairn_pack_child *child,
                                   struct cairn_error *error) {
    char name[FS_NAME_MAX + 1];
    struct cairn_path path;
    if (!is_segment(child->name))
        return cairn_fail_at(error, CAIRN_CORRUPT,
                             "fs: no name for a child in the pack of", group->path);
    enum cairn_status status = cairn_path_join(group->path, child->name, &path, error);
    if (!status && child->name.size > FS_NAME_MAX)
        status = cairn_fail_at(error, CAIRN_NAME_TOO_LONG,
                               "fs: a name of more than 255 bytes", path.text);
    if (status)
        return status;
    memcpy(name, child->name.data, child->name.size);
    name[child->name.size] = '\0';
    struct fs_put put = *group;
    put.dir = dir;
    put.name = name;
    put.path = path.text;
    put.entry = &child->entry;
    put.fresh = false;
    return fs_put_entry(&put, error);
}

enum cairn_status fs_put_children(const struct fs_put *group, int dir,
                                  struct cairn_error *error) {
    struct cairn_pack_walk walk;
    struct cairn_pack_child child;
    enum cairn_status status = cairn_pack_open(group->entry->payload, &walk, error);
    while (!status) {
        status = cairn_pack_next(&walk, &child, error);
        if (status == CAIRN_NOT_FOUND)
            break;
        if (!status)
            status = put_child(group, dir, &child, error);
    }
    if (status != CAIRN_NOT_FOUND)
        return status;
    if (group->sync && fsync(dir) < 0)
        return fs_fail(group->fs, error, errno, "sync", group->path);
    return CAIRN_OK;
}

/* Built where nobody sees it, then moved to its place. `*taken`: one is there. */
static enum cairn_status put_whole(const struct fs_put *group, bool *taken,
                                   struct cairn_error *error) {
    int staging = fs_staging(group->fs);
    char name[FS_STAGING_NAME];
    fs_staging_name(group->fs, "pack", name);
    if (staging < 0 || mkdirat(staging, name, 0777) < 0)
        return fs_fail(group->fs, error, errno, "make the group", group->path);
    int fd = openat(staging, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum cairn_status status =
        fd < 0 ? fs_fail(group->fs, error, errno, "make the group", group->path)
               : fs_put_children(group, fd, error);
    if (fd >= 0)
        close(fd);
    if (!status && renameat(staging, name, group->dir, group->name) == 0)
        return CAIRN_OK;
    if (!status) {
        *taken = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
        if (!*taken)
            status = fs_fail(group->fs, error, errno, "make the group", group->path);
    }
    fs_remove_tree(group->fs, staging, name);
    return status;
}

enum cairn_status fs_put_pack(const struct fs_put *group, struct cairn_error *error) {
    struct stat info;
    bool taken = fstatat(group->dir, group->name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    enum cairn_status status = CAIRN_OK;
    if (taken && S_ISLNK(info.st_mode)) { /* a pack may take the place of a link */
        if (unlinkat(group->dir, group->name, 0) < 0 && errno != ENOENT)
            return fs_fail(group->fs, error, errno, "replace the link", group->path);
        taken = false;
    }
    if (!taken)
        status = put_whole(group, &taken, error);
    if (status || !taken)
        return status;

    status = fs_put_group(group, error);
    if (status)
        return status;
    int fd = openat(group->dir, group->name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fs_fail(group->fs, error, errno, "make the group", group->path);
    status = fs_put_children(group, fd, error);
    close(fd);
    return status;
}
