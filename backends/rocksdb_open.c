/* rocksdb_open.c -- options, tuning, and what may be opened.
 *
 * A directory is recognised by a file named CAIRN in it, so that other people's
 * databases are never touched. A compaction drops what has expired by the system's
 * clock.
 *
 * Tuning (measured on 100-byte values): a bloom filter over whole keys makes misses ten
 * times cheaper, its like in the memtable those right after a write; a block cache that
 * holds the working set makes two readers scale; LZ4 costs a point read little. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "location.h"
#include "rocksdb.h"

#define MARK_FILE "CAIRN"
#define MARK_TEXT "cairn rocksdb 1\n"

struct rocks_options {
    bool create, read_only, sync, mmap_reads, drop_expired;
    uint64_t block_cache, memtable, block_size, reserve;
    double bloom_bits, memtable_bloom;
    struct cairn_slice compression, bottommost_compression;
    int64_t max_open_files, background_jobs;
};

#define FIELD(name) offsetof(struct rocks_options, name)
const struct cairn_option rocks_options[] = {
    {"create", CAIRN_OPTION_BOOLEAN, FIELD(create), "true",
     "make the database if it is not there"},
    {"read_only", CAIRN_OPTION_BOOLEAN, FIELD(read_only), "false",
     "open for reading only, also beside another process"},
    {"sync", CAIRN_OPTION_BOOLEAN, FIELD(sync), "false",
     "every write is on stable storage before it returns"},
    {"block_cache", CAIRN_OPTION_BYTES, FIELD(block_cache), "256M",
     "bytes of uncompressed blocks kept in memory"},
    {"memtable", CAIRN_OPTION_BYTES, FIELD(memtable), "64M",
     "bytes written before they go to a file"},
    {"block_size", CAIRN_OPTION_BYTES, FIELD(block_size), "4K",
     "bytes that are read and compressed together"},
    {"bloom_bits", CAIRN_OPTION_NUMBER, FIELD(bloom_bits), "10",
     "bits per key of the filter that answers misses; 0: none"},
    {"memtable_bloom", CAIRN_OPTION_NUMBER, FIELD(memtable_bloom), "0.02",
     "share of a memtable that is its filter; 0: none"},
    {"compression", CAIRN_OPTION_TEXT, FIELD(compression), "lz4",
     "none, snappy, lz4 or zstd"},
    {"bottommost_compression", CAIRN_OPTION_TEXT, FIELD(bottommost_compression), "lz4",
     "the same, for the last level"},
    {"max_open_files", CAIRN_OPTION_INTEGER, FIELD(max_open_files), "-1",
     "files kept open; -1: all"},
    {"background_jobs", CAIRN_OPTION_INTEGER, FIELD(background_jobs), "2",
     "threads that flush and compact"},
    {"mmap_reads", CAIRN_OPTION_BOOLEAN, FIELD(mmap_reads), "false",
     "map files into memory; fastest with compression=none"},
    {"reserve", CAIRN_OPTION_BYTES, FIELD(reserve), "64M",
     "bytes to leave free on the disk, at most an eighth of it; 0: none"},
    {"drop_expired", CAIRN_OPTION_BOOLEAN, FIELD(drop_expired), "true",
     "let compactions remove what has expired"},
    {NULL, 0, 0, NULL, NULL},
};

/* -- Errors ----------------------------------------------------------------------- */

/* What RocksDB says begins with the kind of its status. Frees `message`. */
enum cairn_status rocks_fail(struct cairn_error *error, const char *doing,
                             char *message) {
    enum cairn_status status = CAIRN_IO;
    if (strncmp(message, "Corruption", 10) == 0)
        status = CAIRN_CORRUPT;
    else if (strncmp(message, "Invalid argument", 16) == 0)
        status = CAIRN_INVALID_ARGUMENT;
    else if (strstr(message, "lock ") || strstr(message, "LOCK:"))
        status = CAIRN_UNAVAILABLE;
    cairn_fail(error, status, "rocksdb: cannot %s: %s%s", doing,
               status == CAIRN_UNAVAILABLE ? "another process has it open: " : "",
               message);
    rocksdb_free(message);
    return status;
}

/* -- Expiry
 * ------------------------------------------------------------------------------- */

/* Values and links that have expired need not be carried on. What lies in chunks stays:
 * its chunks go when its path is written or deleted. */
static unsigned char drop_expired(void *state, int level, const char *key,
                                  size_t key_size, const char *value, size_t value_size,
                                  char **new_value, size_t *new_size,
                                  unsigned char *value_changed) {
    struct cairn_entry entry;
    (void)state, (void)level, (void)key, (void)key_size;
    *value_changed = 0;
    if (value_size < 2 ||
        cairn_entry_decode((struct cairn_slice){value, value_size}, &entry, NULL))
        return 0;
    if (!entry.expires_ms || entry.form == CAIRN_CHUNKED ||
        entry.expires_ms > cairn_context_now(NULL))
        return 0;
    if (!entry.covers)
        return 1;
    static char tombstone[] = {CAIRN_TOMBSTONE};
    *new_value = tombstone;
    *new_size = sizeof tombstone;
    *value_changed = 1;
    return 0;
}

static const char *filter_name(void *state) {
    (void)state;
    return "cairn.expired";
}

static void filter_destroy(void *state) {
    (void)state;
}

/* -- Opening
 * ------------------------------------------------------------------------------ */

static bool is_there(int directory, const char *name) {
    return faccessat(directory, name, F_OK, 0) == 0;
}

/* Names in the directory that end so; all of them, but . and .., for "". */
static size_t count_names(int directory, const char *ending) {
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    if (!listing) {
        if (copy >= 0)
            close(copy);
        return SIZE_MAX; /* better too careful */
    }
    size_t count = 0;
    for (struct dirent *item; (item = readdir(listing));) {
        size_t size = strlen(item->d_name), end = strlen(ending);
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0 &&
            size >= end && strcmp(item->d_name + size - end, ending) == 0)
            count++;
    }
    closedir(listing);
    return count;
}

static bool holds_data(int directory) {
    return count_names(directory, ".sst") || count_names(directory, ".log");
}

static enum cairn_status write_mark(int directory, const char *path,
                                    struct cairn_error *error) {
    int file =
        openat(directory, MARK_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool ok = file >= 0 &&
              write(file, MARK_TEXT, sizeof MARK_TEXT - 1) == sizeof MARK_TEXT - 1;
    int code = errno;
    if (file >= 0)
        close(file);
    if (ok)
        return CAIRN_OK;
    if (file >= 0)
        unlinkat(directory, MARK_FILE, 0);
    return cairn_fail(error,
                      code == EACCES || code == EPERM ? CAIRN_UNAUTHORIZED : CAIRN_IO,
                      "rocksdb: cannot write in %s: %s", path, strerror(code));
}

/* Whether the mark says a format that we read. */
static enum cairn_status check_mark(int directory, const char *path,
                                    struct cairn_error *error) {
    char text[sizeof MARK_TEXT] = "";
    int file = openat(directory, MARK_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (size >= 0 && strcmp(text, MARK_TEXT) == 0)
        return CAIRN_OK;
    return cairn_fail(error, CAIRN_UNSUPPORTED,
                      "rocksdb: %s has a format that this version does not read", path);
}

/* Our own database, a fresh directory that becomes one, or something to keep off. */
static enum cairn_status check_directory(int directory, const char *path,
                                         const struct rocks_options *options,
                                         struct cairn_error *error) {
    if (is_there(directory, MARK_FILE)) {
        if (!is_there(directory, "CURRENT") && holds_data(directory))
            return cairn_fail(error, CAIRN_CORRUPT,
                              "rocksdb: %s has lost its file CURRENT; opening it would "
                              "delete the rest",
                              path);
        return check_mark(directory, path, error);
    }
    if (is_there(directory, "CURRENT"))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "rocksdb: %s is a database that cairn did not make "
                          "(cairn.import reads those of HyperBEAM)",
                          path);
    if (count_names(directory, "") > 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "rocksdb: %s holds other files and no store", path);
    if (!options->create || options->read_only)
        return cairn_fail(error, CAIRN_NOT_FOUND, "rocksdb: there is no store in %s",
                          path);
    return write_mark(directory, path, error);
}

static enum cairn_status prepare_directory(char *path,
                                           const struct rocks_options *options,
                                           struct cairn_error *error) {
    bool make = options->create && !options->read_only;
    if (make && !location_make(path))
        return cairn_fail(
            error, errno == EACCES || errno == EPERM ? CAIRN_UNAUTHORIZED : CAIRN_IO,
            "rocksdb: cannot make %s: %s", path, strerror(errno));
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return cairn_fail(error,
                          errno == ENOENT    ? CAIRN_NOT_FOUND
                          : errno == ENOTDIR ? CAIRN_INVALID_ARGUMENT
                                             : CAIRN_IO,
                          "rocksdb: cannot open %s: %s", path, strerror(errno));
    enum cairn_status status = check_directory(directory, path, options, error);
    close(directory);
    return status;
}

static int compression_named(struct cairn_slice name) {
    static const struct {
        const char *name;
        int code;
    } known[] = {{"none", rocksdb_no_compression},
                 {"snappy", rocksdb_snappy_compression},
                 {"lz4", rocksdb_lz4_compression},
                 {"zstd", rocksdb_zstd_compression}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (cairn_slice_equal(cairn_slice_of(known[i].name), name))
            return known[i].code;
    return -1;
}

static enum cairn_status check_options(const struct rocks_options *options,
                                       struct cairn_error *error) {
    if (compression_named(options->compression) < 0 ||
        compression_named(options->bottommost_compression) < 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "rocksdb: a compression is none, snappy, lz4 or zstd");
    if (options->block_size < 256 || options->block_size > 1 << 24 ||
        options->memtable < 1 << 16 ||
        !(options->bloom_bits >= 0 && options->bloom_bits <= 100) ||
        !(options->memtable_bloom >= 0 && options->memtable_bloom <= 0.25) ||
        options->background_jobs < 1 || options->background_jobs > 1024 ||
        options->max_open_files < -1 || options->max_open_files > INT_MAX)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "rocksdb: an option is out of range (block_size 256 to 16M, "
                          "memtable from 64K, bloom_bits 0 to 100, memtable_bloom 0 to "
                          "0.25, background_jobs 1 to 1024, max_open_files from -1)");
    return CAIRN_OK;
}

static void tune(struct rocks *rocks, const struct rocks_options *given) {
    rocksdb_options_t *options = rocks->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, given->create);
    rocksdb_options_set_write_buffer_size(options, given->memtable);
    rocksdb_options_set_max_background_jobs(options, (int)given->background_jobs);
    rocksdb_options_set_max_open_files(options, (int)given->max_open_files);
    rocksdb_options_set_allow_mmap_reads(options, given->mmap_reads);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_compression(options, compression_named(given->compression));
    rocksdb_options_set_bottommost_compression(
        options, compression_named(given->bottommost_compression));
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options,
                                                         given->memtable_bloom);
    rocksdb_options_set_memtable_whole_key_filtering(options,
                                                     given->memtable_bloom > 0);
    rocksdb_options_set_info_log_level(options, 2); /* warnings */
    rocksdb_options_set_keep_log_file_num(options, 2);

    rocks->table = rocksdb_block_based_options_create();
    rocks->cache = rocksdb_cache_create_lru(given->block_cache);
    rocksdb_block_based_options_set_block_cache(rocks->table, rocks->cache);
    rocksdb_block_based_options_set_block_size(rocks->table, given->block_size);
    rocksdb_block_based_options_set_format_version(rocks->table, 5);
    if (given->bloom_bits > 0)
        rocksdb_block_based_options_set_filter_policy(
            rocks->table, rocksdb_filterpolicy_create_bloom_full(given->bloom_bits));
    rocksdb_options_set_block_based_table_factory(options, rocks->table);

    if (given->drop_expired) {
        rocks->filter = rocksdb_compactionfilter_create(NULL, filter_destroy,
                                                        drop_expired, filter_name);
        rocksdb_options_set_compaction_filter(options, rocks->filter);
    }
    rocks->read = rocksdb_readoptions_create();
    rocks->write = rocksdb_writeoptions_create();
    rocks->write_synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->write, given->sync);
    rocksdb_writeoptions_set_sync(rocks->write_synced, 1);
}

/* A librocksdb built with assertions (Debian's is) aborts when a database is closed
 * whose log could not be written. Such a one is left open until the process ends:
 * what was synced is safe, and the next opening recovers the rest. */
void rocks_close(void *self) {
    struct rocks *rocks = self;
    if (atomic_load(&rocks->broken))
        return;
    if (rocks->family)
        rocksdb_column_family_handle_destroy(rocks->family);
    if (rocks->db)
        rocksdb_close(rocks->db);
    rocksdb_options_destroy(rocks->options);
    rocksdb_block_based_options_destroy(rocks->table);
    rocksdb_cache_destroy(rocks->cache);
    if (rocks->filter)
        rocksdb_compactionfilter_destroy(rocks->filter);
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_writeoptions_destroy(rocks->write);
    rocksdb_writeoptions_destroy(rocks->write_synced);
    free(rocks->path);
    free(rocks);
}

static enum cairn_status open_database(struct rocks *rocks, const char *path,
                                       struct cairn_error *error) {
    const char *names[] = {"default"};
    const rocksdb_options_t *options[] = {rocks->options};
    char *message = NULL;
    if (rocks->read_only)
        rocks->db = rocksdb_open_for_read_only_column_families(
            rocks->options, path, 1, names, options, &rocks->family, false, &message);
    else
        rocks->db = rocksdb_open_column_families(rocks->options, path, 1, names,
                                                 options, &rocks->family, &message);
    if (!message)
        return CAIRN_OK;
    char doing[PATH_MAX + 8];
    snprintf(doing, sizeof doing, "open %s", path);
    return rocks_fail(error, doing, message);
}

enum cairn_status rocks_open(struct cairn_slice location,
                             const struct cairn_setting *settings, size_t count,
                             void **self, struct cairn_error *error) {
    struct rocks_options options;
    char path[PATH_MAX];
    enum cairn_status status =
        cairn_options_read("rocksdb", rocks_options, settings, count, &options, error);
    if (status || (status = check_options(&options, error)))
        return status;
    if (location.size >= sizeof path)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT, "not a directory's name",
                             location);
    memcpy(path, location.data, location.size);
    path[location.size] = '\0';
    status = prepare_directory(path, &options, error);
    if (status)
        return status;

    struct rocks *rocks = calloc(1, sizeof *rocks);
    if (!rocks)
        return cairn_fail(error, CAIRN_NO_MEMORY, "rocksdb: no memory to open a store");
    rocks->read_only = options.read_only;
    rocks->reserve = options.reserve;
    rocks->path = realpath(path, NULL); /* wherever the process may go later */
    if (!rocks->path) {
        free(rocks);
        return cairn_fail(error, CAIRN_IO, "rocksdb: cannot open %s: %s", path,
                          strerror(errno));
    }
    tune(rocks, &options);
    status = open_database(rocks, rocks->path, error);
    if (status)
        rocks_close(rocks);
    else
        *self = rocks;
    return status;
}
