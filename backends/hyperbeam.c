/* hyperbeam.c -- cairn_import_hyperbeam: looks which layout it is, and lets it flow. */
#include "hyperbeam.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum layout { LAYOUT_FS, LAYOUT_ROCKSDB, LAYOUT_CAIRN };

/* A RocksDB directory has a file CURRENT that names its manifest, which is there. A
 * filesystem store may hold a value at CURRENT, but hardly one that says so. */
static bool has_manifest(int directory) {
    char name[NAME_MAX + 1];
    int file =
        openat(directory, "CURRENT", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return false;
    ssize_t size = read(file, name, sizeof name - 1);
    close(file);
    if (size < 2 || name[size - 1] != '\n')
        return false;
    name[size - 1] = '\0';
    struct stat facts;
    return strncmp(name, "MANIFEST-", strlen("MANIFEST-")) == 0 &&
           fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(facts.st_mode);
}

/* A database that our rocksdb backend made has a file that says so. */
static bool is_ours(int directory) {
    struct stat facts;
    return fstatat(directory, "CAIRN", &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(facts.st_mode);
}

static enum cairn_status find_layout(struct cairn_slice directory, enum layout *out,
                                     struct cairn_error *error) {
    char name[PATH_MAX];
    bool fits = directory.size > 0 && directory.size < sizeof name &&
                !memchr(directory.data, '\0', directory.size);
    if (!fits)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "import: not the name of a directory", directory);
    memcpy(name, directory.data, directory.size);
    name[directory.size] = '\0';
    int opened = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0 && (errno == ENOENT || errno == ENOTDIR))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "import: there is no such directory", directory);
    if (opened < 0)
        return cairn_fail(error, CAIRN_IO, "import: cannot open '%s': %s", name,
                          strerror(errno));
    *out = LAYOUT_FS;
    if (has_manifest(opened))
        *out = is_ours(opened) ? LAYOUT_CAIRN : LAYOUT_ROCKSDB;
    close(opened);
    return CAIRN_OK;
}

static enum cairn_status import_from(struct cairn_slice directory, enum layout layout,
                                     struct import_sink *sink,
                                     const struct cairn_context *context,
                                     const struct cairn_import_options *options,
                                     struct cairn_error *error) {
    struct cairn_slice prefix = {0};
    if (options)
        prefix = options->link_prefix;
    if (layout == LAYOUT_CAIRN)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "import: a database of cairn's own, to be opened as it is",
                             directory);
    if (layout == LAYOUT_FS)
        return hyperbeam_fs_import(directory, prefix, sink, context, error);
    if (prefix.size)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "import: link_prefix is for filesystem stores; this is "
                             "a RocksDB database",
                             directory);
    return hyperbeam_rocksdb_import(directory, sink, context, error);
}

enum cairn_status cairn_import_hyperbeam(struct cairn_slice directory,
                                         struct cairn_store *store,
                                         const struct cairn_context *context,
                                         const struct cairn_import_options *options,
                                         struct cairn_import_result *result,
                                         struct cairn_error *error) {
    struct import_sink *sink;
    enum layout layout;
    enum cairn_status status =
        import_sink_open(store, context, options, result, &sink, error);
    if (status)
        return status;
    status = find_layout(directory, &layout, error);
    if (!status)
        status = import_from(directory, layout, sink, context, options, error);
    if (!status)
        status = import_sink_finish(sink, error);
    else if (status == CAIRN_CORRUPT) /* what was read before stays */
        import_sink_flush(sink, NULL);
    import_sink_close(sink);
    return status;
}
