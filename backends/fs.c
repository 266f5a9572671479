/* fs.c -- a store that is a directory: groups are directories, values are files, links
 * are symbolic links.
 *
 * Nothing but the value is in a file, so other programs can read and write it. The
 * price: every entry costs an inode, several changes are not one, and a name has at
 * most 255 bytes. Nothing is remembered between calls that another process could
 * change.
 *
 * The store's directory is opened once and everything else is opened from there,
 * without following any link (fs_path.c): whatever lies in the directory, and whoever
 * moves it about meanwhile, nothing outside is read or written. Who removes it makes
 * the store unavailable, also if another is put in its place, until all have closed it.
 *
 * A store that cairn made is marked, by the extended attribute user.cairn.store or,
 * where there are none, by a file in the staging folder: in it a relative link is
 * surely ours. In any other the links decide (fs_links.c). */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "location.h"
#include "registry.h"

#define MARK FS_STAGING "/made-by-cairn"

struct settings {
    struct cairn_slice link_prefix;
    struct cairn_slice link_style;
    bool create;
    bool read_only;
};

static const struct cairn_option fs_options[] = {
    {"create", CAIRN_OPTION_BOOLEAN, offsetof(struct settings, create), "true",
     "make the directory if it is not there"},
    {"read_only", CAIRN_OPTION_BOOLEAN, offsetof(struct settings, read_only), "false",
     "refuse changes, and leave the directory as it is"},
    {"link_prefix", CAIRN_OPTION_TEXT, offsetof(struct settings, link_prefix), "",
     "what HyperBEAM has put in front of link targets; found out if not given"},
    {"link_style", CAIRN_OPTION_TEXT, offsetof(struct settings, link_style), "relative",
     "how links are written: relative, or prefixed with link_prefix for HyperBEAM"},
    {NULL, 0, 0, NULL, NULL},
};

/* -- Opening ---------------------------------------------------------------------- */

/* Terminated, without slashes at the end. */
static enum cairn_status copy_location(struct cairn_slice location, char **out,
                                       struct cairn_error *error) {
    if (location.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "fs: which directory? (fs:/some/where)");
    if (memchr(location.data, '\0', location.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "fs: a NUL byte in the directory's name", location);
    while (location.size > 1 && location.data[location.size - 1] == '/')
        location.size--;
    *out = strndup(location.data, location.size);
    if (!*out)
        return cairn_fail(error, CAIRN_NO_MEMORY, "fs: no memory to open a store");
    return CAIRN_OK;
}

static enum cairn_status not_opened(const struct fs *fs, struct cairn_error *error) {
    if (errno == ENOENT)
        return cairn_fail(error, CAIRN_NOT_FOUND, "fs: there is no directory %s",
                          fs->location);
    if (errno == ENOTDIR || errno == EEXIST)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT, "fs: %s is not a directory",
                          fs->location);
    return fs_fail(fs, error, errno, "open", cairn_slice_of(fs->location));
}

static enum cairn_status open_root(struct fs *fs, bool create,
                                   struct cairn_error *error) {
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    fs->root = open(fs->location, flags);
    if (fs->root < 0 && errno == ENOENT && create) {
        if (!location_make(fs->location))
            return not_opened(fs, error);
        fs->root = open(fs->location, flags);
    }
    if (fs->root < 0)
        return not_opened(fs, error);
    fs->walks = !fs_has_openat2(fs->root);
    fs->real = realpath(fs->location, NULL);
    return fs->real ? CAIRN_OK : not_opened(fs, error);
}

static enum cairn_status look_if_empty(const struct fs *fs, bool *empty,
                                       struct cairn_error *error) {
    int fd = openat(fs->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        enum cairn_status status = not_opened(fs, error);
        if (fd >= 0)
            close(fd);
        return status;
    }
    struct dirent *item;
    *empty = true;
    while (*empty && (item = readdir(dir)))
        *empty = strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
                 strcmp(item->d_name, FS_STAGING) == 0;
    closedir(dir);
    return CAIRN_OK;
}

/* A RocksDB directory has a file CURRENT that names another, MANIFEST-<number>. */
static bool is_rocksdb(const struct fs *fs) {
    char name[64];
    int fd = fs_open(fs, cairn_slice_of("CURRENT"), O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t size = pread(fd, name, sizeof name - 1, 0);
    close(fd);
    if (size < 0)
        return false;
    name[size] = '\0';
    name[strcspn(name, "\n")] = '\0';
    return strncmp(name, "MANIFEST-", 9) == 0 && !strchr(name, '/') &&
           faccessat(fs->root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_marked(const struct fs *fs) {
    if (fgetxattr(fs->root, FS_XATTR_STORE, NULL, 0) >= 0)
        return true;
    int fd = fs_open(fs, cairn_slice_of(MARK), O_PATH | O_NOFOLLOW);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A mark that cannot be set costs a look at the links when the store is opened. */
static void mark(const struct fs *fs) {
    if (fsetxattr(fs->root, FS_XATTR_STORE, "1", 1, 0) == 0 || errno != EOPNOTSUPP)
        return;
    if (mkdirat(fs->root, FS_STAGING, 0777) < 0 && errno != EEXIST)
        return;
    int fd = fs_open(fs, cairn_slice_of(MARK), O_CREAT | O_WRONLY);
    if (fd >= 0)
        close(fd);
}

/* Whose links these are, and what is in front of them. */
static enum cairn_status learn_links(struct fs *fs, bool empty,
                                     struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    fs->made_by_cairn = is_marked(fs) || (empty && !fs->prefix);
    if (empty && !fs->prefix && !fs->read_only)
        mark(fs);
    if (!fs->made_by_cairn && !fs->prefix)
        status = fs_prefix_find(fs, error);
    fs->dotted = fs->prefix && fs->prefix[0] == '.';
    for (size_t i = 0; i < fs->found.count; i++)
        fs->dotted |= fs->found.texts[i].size && fs->found.texts[i].data[0] == '.';
    return status;
}

static enum cairn_status take_settings(struct fs *fs, const struct settings *settings,
                                       struct cairn_error *error) {
    struct cairn_slice prefix = settings->link_prefix;
    fs->read_only = settings->read_only;
    fs->prefixed = cairn_slice_equal(settings->link_style, cairn_slice_of("prefixed"));
    if (!fs->prefixed &&
        !cairn_slice_equal(settings->link_style, cairn_slice_of("relative")))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "fs: option 'link_style' wants relative or prefixed, not",
                             settings->link_style);
    while (prefix.size > 0 && prefix.data[prefix.size - 1] == '/')
        prefix.size--;
    if (prefix.size == 0 && fs->prefixed)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "fs: link_style=prefixed wants a link_prefix as well");
    if (prefix.size && memchr(prefix.data, '\0', prefix.size))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "fs: a NUL byte in the option 'link_prefix'");
    if (prefix.size && !(fs->prefix = strndup(prefix.data, prefix.size)))
        return cairn_fail(error, CAIRN_NO_MEMORY, "fs: no memory to open a store");
    return CAIRN_OK;
}

static enum cairn_status set_up(struct fs *fs, const struct settings *settings,
                                struct cairn_error *error) {
    enum cairn_status status = take_settings(fs, settings, error);
    if (!status)
        status = open_root(fs, settings->create && !settings->read_only, error);
    bool empty = false;
    if (!status)
        status = look_if_empty(fs, &empty, error);
    if (!status && !is_marked(fs) && is_rocksdb(fs))
        status = cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                            "fs: %s is a RocksDB database (rocksdb: opens cairn's, "
                            "cairn.import reads HyperBEAM's)",
                            fs->location);
    if (!status)
        status = learn_links(fs, empty, error);
    if (!status && !fs->read_only)
        fs_staging_sweep(fs);
    return status;
}

static void fs_close(void *self) {
    struct fs *fs = self;
    fs_staging_close(fs);
    if (fs->root >= 0)
        close(fs->root);
    link_prefixes_free(&fs->found);
    pthread_mutex_destroy(&fs->staging_lock);
    free(fs->location);
    free(fs->real);
    free(fs->prefix);
    free(fs);
}

static enum cairn_status fs_open_store(struct cairn_slice location,
                                       const struct cairn_setting *settings,
                                       size_t count, void **self,
                                       struct cairn_error *error) {
    struct settings read;
    enum cairn_status status =
        cairn_options_read("fs", fs_options, settings, count, &read, error);
    if (status)
        return status;
    struct fs *fs = calloc(1, sizeof *fs);
    if (!fs)
        return cairn_fail(error, CAIRN_NO_MEMORY, "fs: no memory to open a store");
    fs->root = -1;
    atomic_init(&fs->staging, -1);
    pthread_mutex_init(&fs->staging_lock, NULL);
    status = copy_location(location, &fs->location, error);
    if (!status)
        status = set_up(fs, &read, error);
    if (status) {
        fs_close(fs);
        return status;
    }
    *self = fs;
    return CAIRN_OK;
}

/* -- The rest --------------------------------------------------------------------- */

static enum cairn_status fs_sync(void *self, const struct cairn_context *context,
                                 struct cairn_error *error) {
    const struct fs *fs = self;
    (void)context;
    if (fs->read_only || syncfs(fs->root) == 0)
        return fs_check_root(fs, error);
    return fs_fail(fs, error, errno, "sync", cairn_slice_of(fs->location));
}

static size_t fs_stats(void *self, struct cairn_stat *out, size_t room) {
    const struct fs *fs = self;
    struct statvfs info;
    if (fstatvfs(fs->root, &info) < 0)
        return 0;
    const struct cairn_stat all[] = {
        {"disk_bytes", (uint64_t)info.f_blocks * info.f_frsize},
        {"disk_free_bytes", (uint64_t)info.f_bavail * info.f_frsize},
        {"disk_free_entries_count", info.f_favail},
    };
    const size_t count = sizeof all / sizeof *all;
    memcpy(out, all, (room < count ? room : count) * sizeof *all);
    return count;
}

const struct cairn_backend cairn_fs_backend = {
    .name = "fs",
    .summary =
        "a directory: values are files, groups directories, links symbolic links",
    .scope = CAIRN_SCOPE_LOCAL,
    .capabilities = CAIRN_IS_SHARED | CAIRN_CAN_PERSIST,
    .options = fs_options,
    .name_max = FS_NAME_MAX,
    .identify = location_identify,
    .open = fs_open_store,
    .close = fs_close,
    .get = fs_get,
    .apply = fs_apply,
    .scan = fs_scan,
    .scan_next = fs_scan_next,
    .scan_close = fs_scan_close,
    .reset = fs_reset,
    .sync = fs_sync,
    .stage = fs_stage,
    .stage_append = fs_stage_append,
    .stage_discard = fs_stage_discard,
    .read_at = fs_read_at,
    .stats = fs_stats,
};
