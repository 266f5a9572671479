/* import_sink.h -- where an import puts what it reads: a store, in batches.
 *
 * Entries are copied into a batch of bounded size and go down together. One that the
 * store refuses for what it is (its path, what stands in its place) is skipped and
 * counted; any other failure ends the import. Large values pass through in pieces.
 *
 * Threads: one at a time. */
#ifndef CAIRN_IMPORT_SINK_H
#define CAIRN_IMPORT_SINK_H

#include "cairn/import.h"

/* Raw values over this many bytes are streamed instead of copied into the batch. */
#define IMPORT_LARGE (1u << 20)

struct import_sink; /* opaque */

/* All but `out` is borrowed until import_sink_close. `result` is zeroed and kept up to
 * date. */
enum cairn_status import_sink_open(struct cairn_store *store,
                                   const struct cairn_context *context,
                                   const struct cairn_import_options *options,
                                   struct cairn_import_result *result,
                                   struct import_sink **out, struct cairn_error *error);

/* Does not flush. NULL is fine. */
void import_sink_close(struct import_sink *sink);

/* How many entries there are in all, as far as is known, for whoever watches. */
void import_sink_expect(struct import_sink *sink, uint64_t total);

/* Entries, as the source has them; the path need not be normal. A raw value may have
 * any size. What they point to is not needed afterwards. */
enum cairn_status import_raw(struct import_sink *sink, struct cairn_slice path,
                             struct cairn_slice value, struct cairn_error *error);
enum cairn_status import_link(struct import_sink *sink, struct cairn_slice path,
                              struct cairn_slice target, struct cairn_error *error);
enum cairn_status import_group(struct import_sink *sink, struct cairn_slice path,
                               struct cairn_error *error);

/* A raw value of `size` bytes that is read as it goes: `read` fills up to `room` bytes
 * from `offset` on; less than asked is the end. */
typedef enum cairn_status import_read(void *arg, uint64_t offset, char *buffer,
                                      size_t room, size_t *got,
                                      struct cairn_error *error);
enum cairn_status import_stream(struct import_sink *sink, struct cairn_slice path,
                                import_read *read, void *arg,
                                struct cairn_error *error);

/* Counts entries that cannot be imported, and keeps why if they are the first. */
enum cairn_status import_skip(struct import_sink *sink, const char *why,
                              struct cairn_slice path, struct cairn_error *error);
enum cairn_status import_skip_many(struct import_sink *sink, uint64_t count,
                                   const char *message, struct cairn_error *error);

/* Whether an entry of this kind and payload may go to `path` without another being lost
 * or reached through a link: the place is free, or just this is there. */
enum cairn_status import_place_is_free(struct import_sink *sink,
                                       struct cairn_slice path, enum cairn_kind kind,
                                       struct cairn_slice payload, bool *is_free,
                                       struct cairn_error *error);

/* Puts down what is pending and tells how far it got; happens by itself every thousand
 * entries. CAIRN_TIMEOUT: the deadline, a cancellation or `progress` says to stop. */
enum cairn_status import_sink_flush(struct import_sink *sink,
                                    struct cairn_error *error);

/* The same for the last time: there are as many entries as there were. */
enum cairn_status import_sink_finish(struct import_sink *sink,
                                     struct cairn_error *error);

#endif
