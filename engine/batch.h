/* batch.h -- what is to be written of a message or a result, collected.
 *
 * In an order in which it could be written piece by piece, for stores that must: values
 * and nested messages before what refers to them. */
#ifndef CAIRN_BATCH_H
#define CAIRN_BATCH_H

#include "cache_core.h"

enum { BATCH_FEW = 6 };

struct batch {
    struct cairn_cache *cache;
    struct cairn_operation *operations;
    size_t count, capacity;
    bool has_parts; /* values at data/<hash>, marked as parts */
    size_t bytes;   /* of what is written, about */
    struct cairn_operation few[BATCH_FEW];
    struct cairn_arena arena;
};

void batch_init(struct batch *batch, struct cairn_cache *cache);
void batch_free(struct batch *batch);

enum cairn_status batch_add(struct batch *batch, struct cairn_operation operation,
                            struct cairn_error *error);

/* Bytes at data/<hash>, as part of something. */
enum cairn_status batch_add_part(struct batch *batch, struct cairn_slice bytes,
                                 struct cairn_slice *path, struct cairn_error *error);

/* Where a stored message lies: at its content's id, or, where it has commitments, at a
 * hash of both, to which its ids are links. */
enum cairn_status batch_place(enum cairn_ids ids, const struct cairn_value *stored,
                              struct cairn_id *out, struct cairn_error *error);
bool batch_is_commitments(const struct cairn_pair *field);

/* A stored message with all that is nested in it. */
enum cairn_status batch_add_message(struct batch *batch,
                                    const struct cairn_value *stored,
                                    struct cairn_id *place, struct cairn_error *error);

/* The links of a message with commitments, its content's first, and the id that it goes
 * by. */
enum cairn_status batch_add_ids(struct batch *batch, const struct cairn_value *stored,
                                const struct cairn_id *place, struct cairn_id *goes_by,
                                struct cairn_error *error);

enum cairn_status batch_apply(struct batch *batch, const struct cairn_context *context,
                              unsigned flags, struct cairn_error *error);

/* A copy in the arena of everything a value points at. */
enum cairn_status value_copy(const struct cairn_value *value, struct cairn_arena *arena,
                             struct cairn_value *out, struct cairn_error *error);

#endif
