/* hyperbeam_rocksdb.c -- a HyperBEAM RocksDB database as the source of an import.
 *
 * Opened read-only, which takes no lock and writes nothing, not even a log. One pass in
 * the order of the keys; a value is a tag byte and what belongs to it. HyperBEAM's
 * database can say what a store of ours cannot, and then:
 *
 *  - Beneath a link or a raw value (left there by writes that failed half-way, or by a
 *    raw value written over a group): the link or value is imported, what is beneath it
 *    is skipped. Put down in order it would land at the link's target unasked.
 *  - Children that no group lists are imported, and are listed from then on.
 *  - Names that a group lists and nobody has written are counted as skipped. To know
 *    them costs one look-up for each member of each group.
 *  - Keys with slashes too many: in a second pass, only where nothing else came to be
 * at their normal path, so that a key that is normal always wins. */
#include "hyperbeam.h"

#include <stdio.h>
#include <string.h>

#include <rocksdb/c.h>

#include "etf.h"

/* Keys or names between two looks at the deadline. */
#define STEPS_AT_ONCE 1024

enum tag { TAG_LINK = 1, TAG_RAW = 2, TAG_GROUP = 3 };

struct source {
    rocksdb_t *database;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *look_up;
    rocksdb_readoptions_t *scan;
    struct import_sink *sink;
    const struct cairn_context *context;

    /* What was found out about the last parent: keys with one parent come together. */
    struct cairn_bytes parent;
    bool parent_is_no_group;

    bool has_odd_keys;        /* that are not normal: a second pass is needed */
    struct cairn_bytes child; /* a group's key, '/' and a name it lists */
    size_t child_base;        /* bytes before the name */
    bool members_failed;      /* to look at them; not to read them */
    uint64_t steps;
};

/* RocksDB's own message, whose first words are its status. Frees it. */
static enum cairn_status fail(struct cairn_error *error, char *message) {
    enum cairn_status status = CAIRN_IO;
    if (strncmp(message, "Corruption", strlen("Corruption")) == 0)
        status = CAIRN_CORRUPT;
    else if (strncmp(message, "Invalid argument", strlen("Invalid argument")) == 0)
        status = CAIRN_UNSUPPORTED;
    cairn_fail(error, status, "hyperbeam: cannot read the database: %s", message);
    rocksdb_free(message);
    return status;
}

/* The tag of what is at `key`; 0 if there is nothing. */
static enum cairn_status tag_at(struct source *source, struct cairn_slice key, int *tag,
                                struct cairn_error *error) {
    char *message = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(
        source->database, source->look_up, key.data, key.size, &message);
    if (message)
        return fail(error, message);
    size_t size = 0;
    const char *value = pinned ? rocksdb_pinnableslice_value(pinned, &size) : NULL;
    *tag = size ? (unsigned char)value[0] : 0;
    rocksdb_pinnableslice_destroy(pinned);
    return CAIRN_OK;
}

/* Whether a link or a raw value is at one of the groups that lead to `path`. */
static enum cairn_status look_above(struct source *source, struct cairn_slice path,
                                    bool *is_beneath, struct cairn_error *error) {
    struct cairn_slice parent = cairn_path_parent(path);
    *is_beneath = false;
    if (parent.size == 0)
        return CAIRN_OK;
    *is_beneath = source->parent_is_no_group;
    if (cairn_slice_equal(parent, cairn_bytes_slice(&source->parent)))
        return CAIRN_OK;
    *is_beneath = false;
    enum cairn_status status = CAIRN_OK;
    struct cairn_slice segment;
    size_t at = 0;
    while (!status && !*is_beneath && cairn_path_next(parent, &at, &segment)) {
        size_t end = (size_t)(segment.data - parent.data) + segment.size;
        int tag = 0;
        status = tag_at(source, cairn_slice_sub(parent, 0, end), &tag, error);
        *is_beneath = tag == TAG_LINK || tag == TAG_RAW;
    }
    source->parent.size = 0;
    source->parent_is_no_group = *is_beneath;
    if (!status && !cairn_bytes_append(&source->parent, parent))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "hyperbeam: no memory for a path");
    return status;
}

/* Asked between the steps of everything that may be long. */
static enum cairn_status go_on(struct source *source, struct cairn_error *error) {
    if (++source->steps % STEPS_AT_ONCE)
        return CAIRN_OK;
    return cairn_context_check(source->context, error);
}

static enum cairn_status check_listed(void *arg, struct cairn_slice name,
                                      struct cairn_error *error) {
    struct source *source = arg;
    int tag = 0;
    source->child.size = source->child_base;
    enum cairn_status status = go_on(source, error);
    if (!status && !cairn_bytes_append(&source->child, name))
        status = cairn_fail(error, CAIRN_NO_MEMORY, "hyperbeam: no memory for a name");
    struct cairn_slice child = cairn_bytes_slice(&source->child);
    if (!status)
        status = tag_at(source, child, &tag, error);
    if (!status && tag == 0)
        status =
            import_skip(source->sink, "a group lists what is not there", child, error);
    source->members_failed = status != CAIRN_OK;
    return status;
}

/* Reads the member set, which must make sense, and compares it with what is there. */
static enum cairn_status check_members(struct source *source, struct cairn_slice key,
                                       struct cairn_slice term,
                                       struct cairn_error *error) {
    source->child.size = 0;
    if (!cairn_bytes_append(&source->child, key) ||
        !cairn_bytes_append(&source->child, cairn_slice_of(key.size ? "/" : "")))
        return cairn_fail(error, CAIRN_NO_MEMORY, "hyperbeam: no memory for a path");
    source->child_base = source->child.size;

    struct cairn_error reason = {{0}};
    struct etf_set set;
    source->members_failed = false;
    enum cairn_status status = etf_read_set(term, check_listed, source, &set, &reason);
    if (status && (source->members_failed || status != CAIRN_CORRUPT))
        return cairn_fail(error, status, "%s", reason.message);
    if (status) {
        char why[sizeof reason.message + 64];
        snprintf(why, sizeof why, "hyperbeam: group with unreadable members (%s)",
                 reason.message);
        return cairn_fail_at(error, status, why, key);
    }
    cairn_fail_at(&reason, CAIRN_INVALID_ARGUMENT, "a group lists what is no name",
                  key);
    return import_skip_many(source->sink, set.skipped, reason.message, error);
}

static enum cairn_kind kind_of(int tag) {
    return tag == TAG_LINK ? CAIRN_LINK : tag == TAG_RAW ? CAIRN_RAW : CAIRN_GROUP;
}

static enum cairn_status put(struct source *source, int tag, struct cairn_slice path,
                             struct cairn_slice payload, struct cairn_error *error) {
    if (tag == TAG_LINK)
        return import_link(source->sink, path, payload, error);
    if (tag == TAG_RAW)
        return import_raw(source->sink, path, payload, error);
    return import_group(source->sink, path, error);
}

/* A key that is normal: goes in, unless it lies where nothing can. */
static enum cairn_status put_normal(struct source *source, int tag,
                                    struct cairn_slice path, struct cairn_slice payload,
                                    struct cairn_error *error) {
    bool is_beneath;
    enum cairn_status status = look_above(source, path, &is_beneath, error);
    if (status)
        return status;
    if (is_beneath)
        return import_skip(source->sink, "beneath a link or a raw value", path, error);
    return put(source, tag, path, payload, error);
}

/* A key that is not, in the second pass: goes in where there is room for it. */
static enum cairn_status put_odd(struct source *source, int tag,
                                 struct cairn_slice path, struct cairn_slice payload,
                                 struct cairn_error *error) {
    bool is_free;
    enum cairn_status status = import_place_is_free(source->sink, path, kind_of(tag),
                                                    payload, &is_free, error);
    if (status)
        return status;
    if (!is_free)
        return import_skip(source->sink, "a key whose normal path is taken", path,
                           error);
    return put(source, tag, path, payload, error);
}

static enum cairn_status import_key(struct source *source, struct cairn_slice key,
                                    struct cairn_slice value, bool odd_keys,
                                    struct cairn_error *error) {
    struct cairn_path path;
    struct cairn_error reason;
    bool is_path = cairn_path_normalize(key, &path, &reason) == CAIRN_OK;
    bool is_odd = is_path && !cairn_slice_equal(path.text, key);
    source->has_odd_keys |= is_odd;
    if (is_odd != odd_keys)
        return CAIRN_OK;

    int tag = value.size ? (unsigned char)value.data[0] : 0;
    if (tag != TAG_LINK && tag != TAG_RAW && tag != TAG_GROUP)
        return cairn_fail_at(error, CAIRN_CORRUPT,
                             "hyperbeam: a value that is no link, value or group", key);
    struct cairn_slice payload = cairn_slice_sub(value, 1, value.size - 1);
    enum cairn_status status = CAIRN_OK;
    if (tag == TAG_GROUP)
        status = check_members(source, is_path ? path.text : key, payload, error);
    if (status)
        return status;
    if (!is_path)
        return import_skip_many(source->sink, 1, reason.message, error);
    return odd_keys ? put_odd(source, tag, key, payload, error)
                    : put_normal(source, tag, key, payload, error);
}

/* One pass over all keys: those that are normal or no paths, or the odd ones. */
static enum cairn_status import_keys(struct source *source, bool odd_keys,
                                     struct cairn_error *error) {
    enum cairn_status status = CAIRN_OK;
    rocksdb_iterator_t *keys = rocksdb_create_iterator(source->database, source->scan);
    rocksdb_iter_seek_to_first(keys);
    for (; rocksdb_iter_valid(keys) && !status; rocksdb_iter_next(keys)) {
        struct cairn_slice key, value;
        key.data = rocksdb_iter_key(keys, &key.size);
        value.data = rocksdb_iter_value(keys, &value.size);
        status = go_on(source, error);
        if (!status)
            status = import_key(source, key, value, odd_keys, error);
    }
    char *message = NULL;
    rocksdb_iter_get_error(keys, &message);
    rocksdb_iter_destroy(keys);
    if (message && status)
        rocksdb_free(message);
    else if (message)
        status = fail(error, message);
    return status;
}

static enum cairn_status open_source(struct cairn_slice directory,
                                     struct source *source, struct cairn_error *error) {
    struct cairn_bytes name = {0};
    if (!cairn_bytes_append(&name, directory) ||
        !cairn_bytes_append(&name, (struct cairn_slice){"", 1})) {
        cairn_bytes_free(&name);
        return cairn_fail(error, CAIRN_NO_MEMORY, "hyperbeam: no memory for a name");
    }
    char *message = NULL;
    source->options = rocksdb_options_create();
    source->look_up = rocksdb_readoptions_create();
    source->scan = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(source->scan, 0);
    source->database =
        rocksdb_open_for_read_only(source->options, name.data, 0, &message);
    cairn_bytes_free(&name);
    return message ? fail(error, message) : CAIRN_OK;
}

static void close_source(struct source *source) {
    if (source->database)
        rocksdb_close(source->database);
    rocksdb_readoptions_destroy(source->scan);
    rocksdb_readoptions_destroy(source->look_up);
    rocksdb_options_destroy(source->options);
    cairn_bytes_free(&source->parent);
    cairn_bytes_free(&source->child);
}

enum cairn_status hyperbeam_rocksdb_import(struct cairn_slice directory,
                                           struct import_sink *sink,
                                           const struct cairn_context *context,
                                           struct cairn_error *error) {
    struct source source = {.sink = sink, .context = context};
    uint64_t total = 0;
    enum cairn_status status = open_source(directory, &source, error);
    if (!status &&
        rocksdb_property_int(source.database, "rocksdb.estimate-num-keys", &total) == 0)
        import_sink_expect(sink, total);
    if (!status)
        status = import_keys(&source, false, error);
    if (!status && source.has_odd_keys)
        status = import_keys(&source, true, error);
    close_source(&source);
    return status;
}
