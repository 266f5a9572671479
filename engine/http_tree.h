/* http_tree.h -- what stands at paths, as one message. */
#ifndef CAIRN_HTTP_TREE_H
#define CAIRN_HTTP_TREE_H

#include "cairn/arena.h"
#include "cairn/message.h"

/* Something at a path: a value, or a map's own fields. */
struct leaf {
    struct cairn_slice *segments;
    size_t depth; /* segments */
    bool is_map;
    struct cairn_slice bytes;
    struct cairn_pair *fields;
    size_t count;
};

/* The message of these fields and of the leaves, which are put in order. What no stored
 * message has is left out: others may send it. CAIRN_INVALID_ARGUMENT for two things at
 * one path. */
enum cairn_status http_tree_build(struct leaf *leaves, size_t leaf_count,
                                  struct cairn_pair *fields, size_t count,
                                  struct cairn_arena *arena, struct cairn_value *out,
                                  struct cairn_error *error);

enum cairn_status http_tree_twice(struct cairn_slice key, struct cairn_error *error);

#endif
