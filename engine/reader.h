/* reader.h -- from entries in a chain back to a message. */
#ifndef CAIRN_READER_H
#define CAIRN_READER_H

#include "cache_core.h"

/* Entries that one reading may take: a few links can span an endless tree. */
enum { READ_ENTRIES = 1 << 20 };

/* A group being read, to find circles. */
struct level {
    struct cairn_slice path;
    const struct level *above;
    unsigned depth;
};

struct reader {
    struct cairn_cache *cache;
    const struct cairn_context *context;
    struct cairn_reading *reading;
    size_t entries, bytes; /* taken so far */
    bool verify;           /* everything, not only what comes from outside */
    bool alone;            /* looks at nothing that is linked */
    bool results;          /* also a result that no link at the path leads to */
    bool typed;            /* a map with ao-types was among them */
};

/* cairn_cache_read without results that only a record tells of, where `results` is
 * false. */
enum cairn_status reader_read(struct cairn_cache *cache,
                              const struct cairn_context *context,
                              struct cairn_slice path, unsigned flags, bool results,
                              struct cairn_reading *out, struct cairn_error *error);

/* Empties a reading for use. */
void reading_init(struct cairn_reading *reading);

/* What its value points into: released with it, or at once if this fails. */
enum cairn_status reading_pin(struct cairn_reading *reading, void *owner,
                              void (*release)(void *owner), struct cairn_error *error);

/* What is at `path` as a stored value: bytes or a map. `member` may be NULL. */
enum cairn_status reader_get(struct reader *reader, struct cairn_slice path,
                             const struct level *above, struct cairn_value *out,
                             size_t *member, struct cairn_error *error);

/* A group without a pack: its entries one by one (reader_group.c). */
enum cairn_status reader_list(struct reader *reader, const struct level *level,
                              struct cairn_value *out, struct cairn_error *error);

/* Counts what is about to be taken; CAIRN_LIMIT. */
enum cairn_status reader_take(struct reader *reader, size_t entries, size_t bytes,
                              struct cairn_error *error);
enum cairn_status reader_no_memory(struct cairn_error *error);

/* Sorts fields by key; CAIRN_CORRUPT if two are the same. */
enum cairn_status reader_sort(struct cairn_value *map, struct cairn_error *error);

#endif
