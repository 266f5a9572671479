/* fs.h -- what the files of the fs backend share. Only fs*.c include it.
 *
 * fs.c opens and closes, fs_path.c resolves paths without ever leaving the store,
 * fs_read.c, fs_scan.c, fs_write.c and fs_pack.c do the work, fs_links.c turns targets
 * into the text of symbolic links and back, fs_prefix.c finds out what a store of
 * HyperBEAM's puts in front of its targets, fs_staging.c keeps what is not yet, or no
 * longer, visible. */
#ifndef CAIRN_BACKENDS_FS_H
#define CAIRN_BACKENDS_FS_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "cairn/backend.h"
#include "cairn/path.h"
#include "link_prefix.h"

#pragma GCC visibility push(hidden)

#define FS_NAME_MAX 255
#define FS_METADATA_MAX 2048
#define FS_STAGING ".cairn-staging"
#define FS_STAGING_NAME 48 /* bytes that hold any name within the staging folder */

/* Extended attributes: an entry's header, a store that cairn made, and a directory in
 * which a listing has to look at the headers of its files. */
#define FS_XATTR_HEADER "user.cairn"
#define FS_XATTR_STORE "user.cairn.store"
#define FS_XATTR_HEADERS "user.cairn.headers"

struct fs {
    int root;           /* O_RDONLY | O_DIRECTORY: everything is relative to it */
    bool walks;         /* this kernel has no openat2 */
    bool read_only;     /* by option */
    bool made_by_cairn; /* its unprefixed links are relative to where they stand */
    bool prefixed;      /* links are written as HyperBEAM writes them */
    char *location;     /* as opened, without slashes at the end */
    char *real;         /* realpath of it */
    char *prefix;       /* of the option link_prefix; NULL: not given */
    struct link_prefixes found; /* in front of the targets of a store not made by us */
    bool dotted; /* one of those begins with a dot, as the links that we write do */

    pthread_mutex_t staging_lock; /* held while the staging folder is made */
    atomic_int staging;           /* this instance's part of it; -1: not made yet */
    char staging_name[FS_STAGING_NAME];
    atomic_uint_fast64_t serial; /* makes names within it unique */
};

/* -- fs_path.c ------------------------------------------------------------------- */

/* CAIRN_INVALID_PATH for the staging folder and anything that is not normal. */
enum cairn_status fs_check_path(struct cairn_slice path, struct cairn_error *error);

/* Opens what is at `path` without following any link; -1 and errno otherwise: ELOOP
 * when a link is at the end, ELOOP or ENOTDIR when one is in between. */
int fs_open(const struct fs *fs, struct cairn_slice path, int flags);

/* The directory that holds `path`, and the last segment. */
int fs_open_parent(const struct fs *fs, struct cairn_slice path, int flags,
                   char name[FS_NAME_MAX + 1]);

/* Whether this kernel (or the sandbox around it) lets us call openat2. */
bool fs_has_openat2(int root);

/* CAIRN_UNAVAILABLE if the store's directory has been removed. We still have it open,
 * and in it everything is absent for ever, as if nobody had written it: whatever is
 * missing has to be looked at twice. CAIRN_OK: it is there. */
enum cairn_status fs_check_root(const struct fs *fs, struct cairn_error *error);

/* "fs: cannot <verb> '<path>': <why>" under the status that fits `code`, or what
 * fs_check_root says. */
enum cairn_status fs_fail(const struct fs *fs, struct cairn_error *error, int code,
                          const char *verb, struct cairn_slice path);

/* "nothing at" for a miss, or what fs_check_root says. */
enum cairn_status fs_miss(const struct fs *fs, struct cairn_error *error,
                          struct cairn_slice path);

/* -- fs_read.c ------------------------------------------------------------------- */

/* Entry `name` of directory `dir`, whose store path is `path`; as backend.get. */
enum cairn_status fs_load(const struct fs *fs, int dir, const char *name,
                          struct cairn_slice path, unsigned want,
                          struct cairn_view *out, struct cairn_error *error);

enum cairn_status fs_get(void *self, const struct cairn_context *context,
                         void *snapshot, struct cairn_slice path, unsigned want,
                         struct cairn_view *out, struct cairn_error *error);
enum cairn_status fs_read_at(void *self, const struct cairn_context *context,
                             struct cairn_slice path, uint64_t offset, char *buffer,
                             size_t size, size_t *got, struct cairn_error *error);

/* -- fs_scan.c ------------------------------------------------------------------- */

enum cairn_status fs_scan(void *self, const struct cairn_context *context,
                          void *snapshot, struct cairn_slice group,
                          struct cairn_slice from, struct cairn_slice to, unsigned want,
                          void **cursor, struct cairn_error *error);
enum cairn_status fs_scan_next(void *cursor, struct cairn_scan_item *out,
                               struct cairn_error *error);
void fs_scan_close(void *cursor);

/* -- fs_write.c ------------------------------------------------------------------ */

/* One entry on its way to its place. */
struct fs_put {
    struct fs *fs;
    const struct cairn_context *context;
    int dir; /* the parent */
    const char *name;
    struct cairn_slice path; /* for messages and links */
    const struct cairn_entry *entry;
    struct fs_temp *staged; /* NULL: the payload is in the entry */
    bool fresh;             /* CAIRN_CONFLICT if something is there */
    bool sync;
};

enum cairn_status fs_put_entry(const struct fs_put *put, struct cairn_error *error);
enum cairn_status fs_put_group(const struct fs_put *put, struct cairn_error *error);

enum cairn_status fs_apply(void *self, const struct cairn_context *context,
                           const struct cairn_change *changes, size_t count,
                           unsigned flags, struct cairn_error *error);

/* -- fs_pack.c ------------------------------------------------------------------- */

/* A group that comes with its children. */
enum cairn_status fs_put_pack(const struct fs_put *group, struct cairn_error *error);
/* The same into the directory itself. */
enum cairn_status fs_put_children(const struct fs_put *group, int dir,
                                  struct cairn_error *error);

/* -- fs_temp.c ------------------------------------------------------------------- */

/* A file that nobody sees yet. `name` is in the staging folder; empty: it has none. */
struct fs_temp {
    int fd;
    char name[FS_STAGING_NAME];
};

/* Makes one on the file system of `dir`, if that can have files without a name, or else
 * in the staging folder. */
enum cairn_status fs_temp_open(struct fs *fs, int dir, struct fs_temp *out,
                               struct cairn_slice path, struct cairn_error *error);
/* Closes it; what was not published is gone. */
void fs_temp_close(struct fs *fs, struct fs_temp *temp);
/* All of `bytes`; 0, or an errno. */
int fs_temp_write(const struct fs_temp *temp, struct cairn_slice bytes);

/* Puts it at `name` in `dir`: if nothing is there (0 or EEXIST), or over what is. */
int fs_temp_link(struct fs *fs, struct fs_temp *temp, int dir, const char *name);
int fs_temp_replace(struct fs *fs, struct fs_temp *temp, int dir, const char *name);

enum cairn_status fs_stage(void *self, void **staged, struct cairn_error *error);
enum cairn_status fs_stage_append(void *self, void *staged, struct cairn_slice bytes,
                                  struct cairn_error *error);
void fs_stage_discard(void *self, void *staged);

/* -- fs_links.c ------------------------------------------------------------------ */

/* The text of a symbolic link at `path` to `target`, terminated, into
 * text[PATH_MAX]. CAIRN_NAME_TOO_LONG. */
enum cairn_status fs_link_text(const struct fs *fs, struct cairn_slice path,
                               struct cairn_slice target, char *text,
                               struct cairn_error *error);

/* The inverse: the normal path that a link at `path` with this text means.
 * CAIRN_CORRUPT when it points out of the store or cannot be told. */
enum cairn_status fs_link_target(const struct fs *fs, struct cairn_slice path,
                                 struct cairn_slice text, struct cairn_path *out,
                                 struct cairn_error *error);

/* Whether the text looks as we would write it at `path`: up to the root, then down. */
bool fs_link_is_ours(struct cairn_slice path, struct cairn_slice text);

/* Follows `text` from the directory of `path` without asking the system; false when it
 * climbs over the root or gets too long. */
bool fs_link_follow(struct cairn_slice path, struct cairn_slice text,
                    struct cairn_path *out);

/* -- fs_prefix.c ----------------------------------------------------------------- */

/* Looks at a sample of the links of a store that cairn did not make, and sets
 * fs->found if they tell what is in front of their targets. */
enum cairn_status fs_prefix_find(struct fs *fs, struct cairn_error *error);

/* -- fs_staging.c ---------------------------------------------------------------- */

/* This instance's part of the staging folder, made when first asked for. -1: errno. */
int fs_staging(struct fs *fs);
void fs_staging_name(struct fs *fs, const char *what, char name[FS_STAGING_NAME]);
/* Removes what processes that are gone have left. */
void fs_staging_sweep(struct fs *fs);
void fs_staging_close(struct fs *fs);

/* Removes `name` from `dir` and, of a directory, all that is in it. 0 or an errno. */
int fs_remove_tree(struct fs *fs, int dir, const char *name);

enum cairn_status fs_reset(void *self, const struct cairn_context *context,
                           struct cairn_error *error);

#pragma GCC visibility pop

#endif
