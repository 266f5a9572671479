/* fs_scan.c -- the entries of a directory, in byte order of their names.
 *
 * The system gives names in no order, so they are all read and sorted first: memory and
 * the wait for the first name grow with the directory (some 20 bytes more than the name
 * for each). Values are read one by one as the scan comes to them.
 *
 * What a file's header says must be known if it expires. Asking every file would cost
 * more than all the rest, so a directory into which such a file was written carries a
 * mark, and only there the files are asked. */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Entries read between two looks at the deadline. */
#define ENTRIES_AT_ONCE 1024

struct name {
    size_t at;          /* in `names`, terminated */
    unsigned char type; /* DT_* */
};

struct scan {
    const struct fs *fs;
    DIR *dir; /* NULL: there is no such group */
    struct cairn_bytes names;
    struct name *items; /* owned, sorted */
    size_t count, capacity;
    size_t next;
    unsigned want;
    bool headers;           /* some files here expire, or are compressed */
    struct cairn_view view; /* of the item last given */
    size_t group_size;
    struct cairn_path path; /* the group's, then an item's */
};

static enum cairn_status no_memory(const struct scan *scan, struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_NO_MEMORY, "fs: no memory to list",
                         cairn_slice_sub(scan->path.text, 0, scan->group_size));
}

static enum cairn_status keep(struct scan *scan, const struct dirent *item,
                              struct cairn_error *error) {
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : 64;
        struct name *items = realloc(scan->items, capacity * sizeof *items);
        if (!items)
            return no_memory(scan, error);
        scan->items = items;
        scan->capacity = capacity;
    }
    scan->items[scan->count++] = (struct name){scan->names.size, item->d_type};
    struct cairn_slice name = {item->d_name, strlen(item->d_name) + 1};
    return cairn_bytes_append(&scan->names, name) ? CAIRN_OK : no_memory(scan, error);
}

static bool is_wanted(const struct scan *scan, const char *name,
                      struct cairn_slice from, struct cairn_slice to) {
    struct cairn_slice slice = cairn_slice_of(name);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    if (scan->group_size == 0 && strcmp(name, FS_STAGING) == 0)
        return false;
    return cairn_slice_compare(slice, from) >= 0 &&
           (to.size == 0 || cairn_slice_compare(slice, to) < 0);
}

static int compare_names(const void *a, const void *b, void *names) {
    const struct name *left = a, *right = b;
    return strcmp((char *)names + left->at, (char *)names + right->at);
}

static enum cairn_status read_names(struct scan *scan,
                                    const struct cairn_context *context,
                                    struct cairn_slice from, struct cairn_slice to,
                                    struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    for (size_t seen = 1; !status; seen++) {
        errno = 0;
        struct dirent *item = readdir(scan->dir);
        if (!item && errno)
            return fs_fail(scan->fs, error, errno, "list",
                           cairn_slice_sub(scan->path.text, 0, scan->group_size));
        if (!item)
            break;
        if (is_wanted(scan, item->d_name, from, to))
            status = keep(scan, item, error);
        if (!status && seen % ENTRIES_AT_ONCE == 0)
            status = cairn_context_check(context, error);
    }
    if (!status && scan->count)
        qsort_r(scan->items, scan->count, sizeof *scan->items, compare_names,
                scan->names.data);
    return status;
}

/* A group that is not there, or a value or link in its place, has no entries. */
static enum cairn_status open_group(struct scan *scan, struct cairn_slice group,
                                    struct cairn_error *error) {
    int fd = fs_open(scan->fs, group, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return fs_check_root(scan->fs, error);
    if (fd < 0)
        return fs_fail(scan->fs, error, errno, "list", group);
    scan->headers =
        flistxattr(fd, NULL, 0) > 0 && fgetxattr(fd, FS_XATTR_HEADERS, NULL, 0) >= 0;
    scan->dir = fdopendir(fd);
    if (!scan->dir) {
        close(fd);
        return no_memory(scan, error);
    }
    return group.size ? CAIRN_OK : fs_check_root(scan->fs, error);
}

enum cairn_status fs_scan(void *self, const struct cairn_context *context,
                          void *snapshot, struct cairn_slice group,
                          struct cairn_slice from, struct cairn_slice to, unsigned want,
                          void **cursor, struct cairn_error *error) {
    (void)snapshot;
    enum cairn_status status = fs_check_path(group, error);
    if (status)
        return status;
    struct scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return cairn_fail_at(error, CAIRN_NO_MEMORY, "fs: no memory to list", group);
    scan->fs = self;
    scan->want = want;
    scan->group_size = group.size;
    status = cairn_path_join((struct cairn_slice){"", 0}, group, &scan->path, error);
    if (!status)
        status = open_group(scan, group, error);
    if (!status && scan->dir)
        status = read_names(scan, context, from, to, error);
    if (status) {
        fs_scan_close(scan);
        return status;
    }
    *cursor = scan;
    return CAIRN_OK;
}

static unsigned char type_of(const struct scan *scan, const struct name *item,
                             const char *name) {
    struct stat info;
    if (item->type != DT_UNKNOWN)
        return item->type;
    if (fstatat(dirfd(scan->dir), name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return (unsigned char)IFTODT(info.st_mode);
}

/* One entry into scan->view. CAIRN_NOT_FOUND: it is gone, or no entry. */
static enum cairn_status load_item(struct scan *scan, const struct name *item,
                                   struct cairn_error *error) {
    const char *name = scan->names.data + item->at;
    unsigned char type = type_of(scan, item, name);
    if (type != DT_REG && type != DT_DIR && type != DT_LNK)
        return CAIRN_NOT_FOUND;
    if (scan->want == 0 && (type == DT_DIR || (type == DT_REG && !scan->headers))) {
        scan->view.entry =
            (struct cairn_entry){.kind = type == DT_DIR ? CAIRN_GROUP : CAIRN_RAW};
        return CAIRN_OK;
    }

    struct cairn_slice group = cairn_slice_sub(scan->path.text, 0, scan->group_size);
    enum cairn_status status =
        cairn_path_join(group, cairn_slice_of(name), &scan->path, error);
    if (status)
        return status;
    status = fs_load(scan->fs, dirfd(scan->dir), name, scan->path.text, scan->want,
                     &scan->view, error);
    /* A link that leads nowhere can still be listed, and so be deleted. */
    if (status == CAIRN_CORRUPT && type == DT_LNK && scan->want == 0) {
        scan->view.entry = (struct cairn_entry){.kind = CAIRN_LINK};
        return CAIRN_OK;
    }
    return status;
}

enum cairn_status fs_scan_next(void *cursor, struct cairn_scan_item *out,
                               struct cairn_error *error) {
    struct scan *scan = cursor;
    cairn_view_release(&scan->view);
    while (scan->next < scan->count) {
        const struct name *item = &scan->items[scan->next++];
        enum cairn_status status = load_item(scan, item, error);
        if (status == CAIRN_NOT_FOUND)
            continue;
        if (!status) {
            out->name = cairn_slice_of(scan->names.data + item->at);
            out->entry = scan->view.entry;
        }
        return status;
    }
    return CAIRN_NOT_FOUND;
}

void fs_scan_close(void *cursor) {
    struct scan *scan = cursor;
    cairn_view_release(&scan->view);
    if (scan->dir)
        closedir(scan->dir);
    cairn_bytes_free(&scan->names);
    free(scan->items);
    free(scan);
}
