/* fs_read.c -- reading entries: the file is the value, whatever it is called.
 *
 * The common read is four system calls: open, ask for extended attributes (there are
 * none), read, close. A value over FIRST_READ is measured and read in one more. */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Read onto the stack before the size is known. */
#define FIRST_READ 65536

/* A header and the longest metadata fit. */
#define HEADER_MAX (FS_METADATA_MAX + 64)

/* How often an entry that turns from a link into something else, or back, between two
 * system calls is looked at again. */
#define ATTEMPTS 16

/* An entry's place: its name in an open directory, or its path from the root. */
struct place {
    const struct fs *fs;
    int dir; /* -1: by path */
    const char *name;
    struct cairn_slice path; /* for messages and links, too */
};

static int open_place(const struct place *place, int flags) {
    if (place->dir < 0)
        return fs_open(place->fs, place->path, flags);
    return openat(place->dir, place->name, flags | O_NOFOLLOW | O_CLOEXEC);
}

static enum cairn_status corrupt(const struct place *place, const char *what,
                                 struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_CORRUPT, what, place->path);
}

static enum cairn_status not_read(const struct place *place,
                                  struct cairn_error *error) {
    return fs_fail(place->fs, error, errno, "read", place->path);
}

/* The header beside the value into `room`; `*size` is 0 if there is none. Asking for
 * the list of attributes first is the cheapest question to which the answer is no. */
static enum cairn_status read_header(const struct place *place, int fd,
                                     char room[HEADER_MAX], size_t *size,
                                     struct cairn_error *error) {
    *size = 0;
    ssize_t names = flistxattr(fd, NULL, 0);
    if (names == 0 || (names < 0 && errno == EOPNOTSUPP))
        return CAIRN_OK;
    ssize_t got = fgetxattr(fd, FS_XATTR_HEADER, room, HEADER_MAX);
    if (got >= 0)
        *size = (size_t)got;
    else if (errno == ERANGE)
        return corrupt(place, "fs: the header of a value is too long", error);
    else if (errno != ENODATA && errno != EOPNOTSUPP)
        return not_read(place, error);
    return CAIRN_OK;
}

static enum cairn_status decode_header(const struct place *place,
                                       struct cairn_slice header,
                                       struct cairn_entry *out,
                                       struct cairn_error *error) {
    if (cairn_entry_decode(header, out, NULL) || out->kind != CAIRN_RAW ||
        out->payload.size || out->form == CAIRN_CHUNKED)
        return corrupt(place, "fs: the header of a value makes no sense", error);
    return CAIRN_OK;
}

/* Gives `out` one block that holds the value and, behind it, the header. */
struct block {
    char *data;
    size_t size; /* of the value */
    size_t room; /* for it */
};

static enum cairn_status block_grow(const struct place *place, struct block *block,
                                    size_t room, size_t header,
                                    struct cairn_error *error) {
    char *data =
        room < SIZE_MAX - header ? realloc(block->data, room + header + 1) : NULL;
    if (!data)
        return cairn_fail_at(error, CAIRN_NO_MEMORY, "fs: no memory for the value",
                             place->path);
    block->data = data;
    block->room = room;
    return CAIRN_OK;
}

/* The rest of a value that did not fit into the first read: to its end, wherever that
 * is by then. */
static enum cairn_status read_rest(const struct place *place, int fd,
                                   struct block *block, size_t header,
                                   struct cairn_error *error) {
    for (;;) {
        if (block->size == block->room) {
            enum cairn_status status =
                block_grow(place, block, block->room + block->room / 2, header, error);
            if (status)
                return status;
        }
        ssize_t got = pread(fd, block->data + block->size, block->room - block->size,
                            (off_t)block->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return not_read(place, error);
        if (got == 0)
            return CAIRN_OK;
        block->size += (size_t)got;
    }
}

/* Pipes and terminals cannot be read at an offset, so this never waits for one. What
 * could be a device after all, for it ends at once or not soon, is looked at. */
static enum cairn_status read_value(const struct place *place, int fd, size_t header,
                                    struct block *block, bool *group,
                                    struct cairn_error *error) {
    char first[FIRST_READ];
    ssize_t got;
    do
        got = pread(fd, first, sizeof first, 0);
    while (got < 0 && errno == EINTR);
    *group = got < 0 && errno == EISDIR;
    if (*group)
        return CAIRN_OK;
    if (got < 0 && errno == ESPIPE)
        return corrupt(place, "fs: neither a file, a directory nor a link", error);
    if (got < 0)
        return not_read(place, error);

    size_t room = (size_t)got;
    if (got == 0 || got == (ssize_t)sizeof first) {
        struct stat info;
        if (fstat(fd, &info) < 0)
            return not_read(place, error);
        if (!S_ISREG(info.st_mode))
            return corrupt(place, "fs: neither a file, a directory nor a link", error);
        if ((uint64_t)info.st_size > room)
            room = (size_t)info.st_size;
        room += got > 0; /* so that the end is met without growing */
    }
    enum cairn_status status = block_grow(place, block, room, header, error);
    if (status)
        return status;
    memcpy(block->data, first, (size_t)got);
    block->size = (size_t)got;
    return got == (ssize_t)sizeof first ? read_rest(place, fd, block, header, error)
                                        : CAIRN_OK;
}

static int64_t milliseconds(struct statx_timestamp time) {
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Size and times as the file system has them, unless the header said otherwise. A write
 * takes a moment: what was modified right after it was created was not. */
static void fill_details(const struct statx *info, struct cairn_entry *entry) {
    int64_t modified = milliseconds(info->stx_mtime);
    int64_t created =
        info->stx_mask & STATX_BTIME ? milliseconds(info->stx_btime) : modified;
    if (entry->created_ms == 0) {
        entry->created_ms = created;
        if (entry->kind == CAIRN_RAW && modified > created + 10)
            entry->modified_ms = modified;
    }
    if (entry->kind == CAIRN_RAW && entry->form == CAIRN_PLAIN)
        entry->size = info->stx_size;
}

static enum cairn_status read_details(const struct place *place, int fd,
                                      struct statx *info, struct cairn_error *error) {
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, info) < 0)
        return not_read(place, error);
    return CAIRN_OK;
}

/* Kind and, if wanted, details; `entry` has what the header says already. */
static enum cairn_status judge(const struct place *place, int fd,
                               struct cairn_entry *entry, struct cairn_error *error) {
    struct statx info;
    enum cairn_status status = read_details(place, fd, &info, error);
    if (status)
        return status;
    if (S_ISDIR(info.stx_mode))
        *entry = (struct cairn_entry){.kind = CAIRN_GROUP};
    else if (!S_ISREG(info.stx_mode))
        return corrupt(place, "fs: neither a file, a directory nor a link", error);
    fill_details(&info, entry);
    return CAIRN_OK;
}

/* An open file or directory as an entry. */
static enum cairn_status load_open(const struct place *place, int fd, unsigned want,
                                   struct cairn_view *out, struct cairn_error *error) {
    char header[HEADER_MAX];
    size_t header_size;
    struct block block = {0};
    bool group = false;
    struct cairn_entry entry = {.kind = CAIRN_RAW};
    enum cairn_status status = read_header(place, fd, header, &header_size, error);
    if (!status && want & CAIRN_WANT_PAYLOAD)
        status = read_value(place, fd, header_size, &block, &group, error);
    else if (!status && header_size)
        status = block_grow(place, &block, 0, header_size, error);
    if (!status && group)
        entry.kind = CAIRN_GROUP;
    if (!status && !group && header_size) {
        memcpy(block.data + block.size, header, header_size);
        struct cairn_slice copy = {block.data + block.size, header_size};
        status = decode_header(place, copy, &entry, error);
    }
    if (!status && want != CAIRN_WANT_PAYLOAD)
        status = judge(place, fd, &entry, error);
    if (status) {
        free(block.data);
        return status;
    }
    if (entry.kind == CAIRN_RAW && want & CAIRN_WANT_PAYLOAD) {
        entry.payload = (struct cairn_slice){block.data, block.size};
        if (entry.form == CAIRN_PLAIN)
            entry.size = block.size;
    }
    *out = (struct cairn_view){.entry = entry, .owner = block.data, .release = free};
    return CAIRN_OK;
}

/* A link that is open as itself. CAIRN_NOT_FOUND: it is none, or not any more. */
static enum cairn_status load_link(const struct place *place, int fd, unsigned want,
                                   struct cairn_view *out, struct cairn_error *error) {
    char text[PATH_MAX];
    ssize_t size = readlinkat(fd, "", text, sizeof text);
    if (size < 0 && errno == ENOENT)
        return CAIRN_NOT_FOUND;
    if (size < 0)
        return not_read(place, error);
    if (size == sizeof text)
        return corrupt(place, "fs: the text of a link is too long", error);

    struct cairn_path target;
    enum cairn_status status =
        fs_link_target(place->fs, place->path, (struct cairn_slice){text, (size_t)size},
                       &target, error);
    struct statx info;
    if (!status && want & CAIRN_WANT_DETAILS)
        status = read_details(place, fd, &info, error);
    if (status)
        return status;

    char *copy = malloc(target.text.size + 1);
    if (!copy)
        return cairn_fail_at(error, CAIRN_NO_MEMORY, "fs: no memory for the link",
                             place->path);
    if (target.text.size)
        memcpy(copy, target.text.data, target.text.size);
    struct cairn_entry entry = {.kind = CAIRN_LINK,
                                .payload = {copy, target.text.size},
                                .size = target.text.size};
    if (want & CAIRN_WANT_DETAILS)
        fill_details(&info, &entry);
    *out = (struct cairn_view){.entry = entry, .owner = copy, .release = free};
    return CAIRN_OK;
}

/* Links cannot be opened, which is how they are noticed; then they are opened as
 * themselves. In between somebody may have replaced one: hence the loop. */
static enum cairn_status load(const struct place *place, unsigned want,
                              struct cairn_view *out, struct cairn_error *error) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int fd = open_place(place, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
        if (fd >= 0) {
            enum cairn_status status = load_open(place, fd, want, out, error);
            close(fd);
            return status;
        }
        if (errno == ENOENT || errno == ENOTDIR)
            return fs_miss(place->fs, error, place->path);
        if (errno == ENXIO || errno == ENODEV)
            return corrupt(place, "fs: neither a file, a directory nor a link", error);
        if (errno != ELOOP)
            return not_read(place, error);

        fd = open_place(place, O_PATH | O_NOFOLLOW);
        if (fd < 0 && (errno == ELOOP || errno == ENOENT || errno == ENOTDIR))
            return fs_miss(place->fs, error, place->path);
        if (fd < 0)
            return not_read(place, error);
        enum cairn_status status = load_link(place, fd, want, out, error);
        close(fd);
        if (status != CAIRN_NOT_FOUND)
            return status;
    }
    return cairn_fail_at(error, CAIRN_UNAVAILABLE, "fs: changes faster than it is read",
                         place->path);
}

/* Whether a directory is there: two calls, where load() needs four or more. That is all
 * that is asked of a parent, before every write. */
static bool is_group(const struct place *place) {
    int fd = open_place(place, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

enum cairn_status fs_load(const struct fs *fs, int dir, const char *name,
                          struct cairn_slice path, unsigned want,
                          struct cairn_view *out, struct cairn_error *error) {
    struct place place = {fs, dir, name, path};
    return load(&place, want, out, error);
}

enum cairn_status fs_get(void *self, const struct cairn_context *context,
                         void *snapshot, struct cairn_slice path, unsigned want,
                         struct cairn_view *out, struct cairn_error *error) {
    (void)context, (void)snapshot;
    enum cairn_status status = fs_check_path(path, error);
    if (!status && path.size == 0) /* it can be opened even if it is gone */
        status = fs_check_root(self, error);
    if (status)
        return status;
    struct place place = {self, -1, NULL, path};
    if (want == 0 && is_group(&place)) {
        *out = (struct cairn_view){.entry = {.kind = CAIRN_GROUP}};
        return CAIRN_OK;
    }
    return load(&place, want, out, error);
}

static enum cairn_status read_piece(const struct place *place, int fd, uint64_t offset,
                                    char *buffer, size_t size, size_t *got,
                                    struct cairn_error *error) {
    struct stat info;
    if (fstat(fd, &info) < 0)
        return not_read(place, error);
    if (S_ISDIR(info.st_mode))
        return cairn_fail_at(error, CAIRN_IS_GROUP, "fs: a group has no bytes",
                             place->path);
    if (!S_ISREG(info.st_mode))
        return corrupt(place, "fs: neither a file, a directory nor a link", error);
    while (*got < size && offset + *got < INT64_MAX) {
        ssize_t more = pread(fd, buffer + *got, size - *got, (off_t)(offset + *got));
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return not_read(place, error);
        if (more == 0)
            break;
        *got += (size_t)more;
    }
    return CAIRN_OK;
}

/* The file may be another than the one that the engine has looked at. */
static enum cairn_status check_plain(const struct place *place, int fd,
                                     const struct cairn_context *context,
                                     struct cairn_error *error) {
    char header[HEADER_MAX];
    size_t size;
    struct cairn_entry entry = {.kind = CAIRN_RAW};
    enum cairn_status status = read_header(place, fd, header, &size, error);
    if (!status && size)
        status =
            decode_header(place, (struct cairn_slice){header, size}, &entry, error);
    if (status)
        return status;
    bool gone = entry.expires_ms && entry.expires_ms <= cairn_context_now(context);
    return entry.form == CAIRN_PLAIN && !gone
               ? CAIRN_OK
               : cairn_fail_at(error, CAIRN_CONFLICT,
                               "fs: replaced while it was read:", place->path);
}

enum cairn_status fs_read_at(void *self, const struct cairn_context *context,
                             struct cairn_slice path, uint64_t offset, char *buffer,
                             size_t size, size_t *got, struct cairn_error *error) {
    struct place place = {self, -1, NULL, path};
    *got = 0;
    enum cairn_status status = fs_check_path(path, error);
    if (status)
        return status;
    int fd = open_place(&place, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return fs_miss(self, error, path);
    if (fd < 0)
        return not_read(&place, error);
    status = check_plain(&place, fd, context, error);
    if (!status)
        status = read_piece(&place, fd, offset, buffer, size, got, error);
    close(fd);
    return status;
}
