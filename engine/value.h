/* value.h -- from a stored raw entry to the value it stands for, and back.
 *
 * A value over the backend's chunk_bytes is cut into chunks, entries of their own at
 * "/chunks/<id>/<number>", where no path of a user can be. While it arrives there is a
 * note at "/staged/<id>" that says how many there are; the change that makes the value
 * visible erases the note. What a crash leaves behind is found by its note when the
 * store is opened. */
#ifndef CAIRN_VALUE_H
#define CAIRN_VALUE_H

#include "core.h"

enum { CHUNK_ID_SIZE = 32 };

/* What the payload of a CAIRN_CHUNKED entry says. */
struct chunk_list {
    struct cairn_slice id;
    uint64_t chunk_bytes; /* of every chunk but the last */
    uint64_t count;
};

/* CAIRN_CORRUPT if the entry at `path` is no sound list of chunks. */
enum cairn_status chunk_list_of(const struct cairn_entry *entry,
                                struct cairn_slice path, struct chunk_list *out,
                                struct cairn_error *error);

/* The path of one chunk, into `room`. */
struct cairn_slice chunk_path(char room[96], struct cairn_slice id, uint64_t number);
struct cairn_slice staged_path(char room[96], struct cairn_slice id);

/* Makes view->entry.payload the whole value: decompresses, collects chunks. `path` is
 * for messages. CAIRN_CONFLICT: a chunk is gone, so the value was replaced since the
 * entry was read (or is corrupt, if the entry is still the same). Releases the view
 * when it fails. */
enum cairn_status value_load(struct core *core, const struct cairn_context *context,
                             void *snapshot, struct cairn_slice path,
                             struct cairn_view *view, struct cairn_error *error);

/* Up to `size` bytes of the value from `offset`. Status as above; the view stays. */
enum cairn_status value_read_at(struct core *core, const struct cairn_context *context,
                                void *snapshot, struct cairn_slice path,
                                struct cairn_view *view, uint64_t offset, char *buffer,
                                size_t size, size_t *got, struct cairn_error *error);

/* Compresses `value` into `out` and describes it in `entry`; leaves both alone when
 * that does not make it shorter. */
enum cairn_status value_compress(struct cairn_slice value, struct cairn_bytes *out,
                                 struct cairn_entry *entry, struct cairn_error *error);

/* Erases the `count` chunks of a value that never came to be, and its note. What cannot
 * be erased now is found by the next sweep. */
void value_discard(struct core *core, struct cairn_slice id, uint64_t count);

/* Erases what writers left behind when they died. */
enum cairn_status value_sweep(struct core *core, struct cairn_error *error);

#endif
