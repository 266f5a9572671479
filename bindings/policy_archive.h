/* policy_archive.h -- what is kept beside the user's policies, in DIR/.versions:
 *
 *     log.jsonl              events, one a line; at 1 MiB it becomes log.1.jsonl
 *     <name>/<64 hex>.lua    sources that were taken, by their hash; the file's time is
 *                            when it was taken last. The newest 200 of each name
 *
 * Nothing is reached through a symbolic link, except DIR itself. */
#ifndef CAIRN_POLICY_ARCHIVE_H
#define CAIRN_POLICY_ARCHIVE_H

#include "cairn/status.h"
#include "policy_module.h"

/* Whether a name can be a policy's: [a-z0-9_]+, and short enough. */
bool policy_name_valid(struct cairn_slice name);

/* DIR as a descriptor. CAIRN_NOT_FOUND: it is not there. */
enum cairn_status policy_directory_open(const char *directory, int *out,
                                        struct cairn_error *error);

/* Reads a regular file of at most POLICY_SOURCE_MAX bytes, also through links: some
 * keep their files elsewhere (mounted volumes, dotfile managers). CAIRN_NOT_FOUND: it
 * is not there. `*status` may be NULL; it is of the file, not of a link. */
struct stat;
enum cairn_status policy_file_read(int directory, const char *name,
                                   struct cairn_bytes *out, struct stat *status,
                                   struct cairn_error *error);

/* Writes a file as a whole: beside it, then renamed over it. */
enum cairn_status policy_file_write(int directory, const char *name,
                                    struct cairn_slice text, struct cairn_error *error);

enum cairn_status policy_archive_save(const char *directory,
                                      const struct policy_module *module,
                                      struct cairn_error *error);
enum cairn_status policy_archive_log(const char *directory, struct cairn_slice lines,
                                     struct cairn_error *error);

/* Whether that version is the one taken last. */
bool policy_archive_is_last(const char *directory, const char *name, const char *hash);

/* The source of a version, checked against its hash. */
enum cairn_status policy_archive_read(const char *directory, const char *name,
                                      const char *hash, struct cairn_bytes *out,
                                      struct cairn_error *error);

struct policy_archived {
    char hash[POLICY_HASH_ROOM];
    int64_t saved_ns; /* since 1970 */
};

/* All versions of a name, the one taken last first; `*out` is the caller's to free. */
enum cairn_status policy_archive_list(const char *directory, const char *name,
                                      struct policy_archived **out, size_t *count,
                                      struct cairn_error *error);

#endif
