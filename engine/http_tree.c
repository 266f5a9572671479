/* http_tree.c -- what stands at paths, as one message.
 *
 * Leaves are sorted by their paths, segment by segment, and a map is made of each run
 * that shares a path: linear in what there is, at any depth. */
#include "http_tree.h"

#include <stdlib.h>

#include "message_types.h"

struct building {
    struct cairn_arena *arena;
    struct cairn_error *error;
    const struct leaf *leaves;
};

enum cairn_status http_tree_twice(struct cairn_slice key, struct cairn_error *error) {
    return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                         "an HTTP message that says two things of one key", key);
}

static enum cairn_status no_memory(struct building *b) {
    return cairn_fail(b->error, CAIRN_NO_MEMORY, "no memory for a message");
}

static struct cairn_value bytes_value(struct cairn_slice bytes) {
    return (struct cairn_value){.type = CAIRN_VALUE_BYTES, .as.bytes = bytes};
}

static struct cairn_value map_value(struct cairn_pair *fields, size_t count) {
    return (struct cairn_value){
        .type = CAIRN_VALUE_MESSAGE, .count = count, .as.fields = fields};
}

static int compare_pairs(const void *a, const void *b) {
    const struct cairn_pair *left = a, *right = b;
    return cairn_slice_compare(left->key, right->key);
}

/* In order; refuses a key that comes twice. */
static enum cairn_status sort_pairs(struct building *b, struct cairn_pair *fields,
                                    size_t count) {
    qsort(fields, count, sizeof *fields, compare_pairs);
    for (size_t i = 1; i < count; i++)
        if (cairn_slice_equal(fields[i - 1].key, fields[i].key))
            return http_tree_twice(fields[i].key, b->error);
    return CAIRN_OK;
}

static int compare_leaves(const void *a, const void *b) {
    const struct leaf *left = a, *right = b;
    for (size_t i = 0; i < left->depth && i < right->depth; i++) {
        int order = cairn_slice_compare(left->segments[i], right->segments[i]);
        if (order)
            return order;
    }
    return (left->depth > right->depth) - (left->depth < right->depth);
}

/* The end of the leaves that share their segment at `depth` with the first. */
static size_t run_end(const struct leaf *leaves, size_t from, size_t end,
                      size_t depth) {
    size_t to = from + 1;
    while (to < end &&
           cairn_slice_equal(leaves[from].segments[depth], leaves[to].segments[depth]))
        to++;
    return to;
}

static enum cairn_status build(struct building *b, size_t from, size_t end,
                               size_t depth, const struct cairn_pair *fields,
                               size_t count, struct cairn_value *out);

/* What all leaves of a run make at their segment: the first may be the thing itself,
 * the others lie beneath it. */
static enum cairn_status build_run(struct building *b, size_t from, size_t end,
                                   size_t depth, struct cairn_value *out) {
    const struct leaf *first = &b->leaves[from];
    bool itself = first->depth == depth + 1;
    if (!itself)
        return build(b, from, end, depth + 1, NULL, 0, out);
    bool alone = end == from + 1;
    if (!alone && (!first->is_map || b->leaves[from + 1].depth == depth + 1))
        return http_tree_twice(first->segments[depth], b->error);
    if (first->is_map)
        return build(b, from + 1, end, depth + 1, first->fields, first->count, out);
    *out = bytes_value(first->bytes);
    return CAIRN_OK;
}

/* Takes out what no stored message has: others may send it. */
static size_t sift_pairs(struct cairn_pair *pairs, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool empty =
            pairs[i].value.type == CAIRN_VALUE_MESSAGE && !pairs[i].value.count;
        if (!empty && !key_is_left_out(pairs[i].key))
            pairs[kept++] = pairs[i];
    }
    return kept;
}

/* The map of these fields and of the leaves, which share `depth` segments. */
static enum cairn_status build(struct building *b, size_t from, size_t end,
                               size_t depth, const struct cairn_pair *fields,
                               size_t count, struct cairn_value *out) {
    size_t all = count, to;
    for (size_t at = from; at < end; at = run_end(b->leaves, at, end, depth))
        all++;
    struct cairn_pair *pairs = cairn_arena_take(b->arena, all * sizeof *pairs + 1);
    if (!pairs)
        return no_memory(b);
    if (count)
        memcpy(pairs, fields, count * sizeof *pairs);
    for (size_t at = from; at < end; at = to) {
        to = run_end(b->leaves, at, end, depth);
        pairs[count].key = b->leaves[at].segments[depth];
        enum cairn_status status = build_run(b, at, to, depth, &pairs[count++].value);
        if (status)
            return status;
    }
    count = sift_pairs(pairs, count);
    *out = map_value(pairs, count);
    return sort_pairs(b, pairs, count);
}

enum cairn_status http_tree_build(struct leaf *leaves, size_t leaf_count,
                                  struct cairn_pair *fields, size_t count,
                                  struct cairn_arena *arena, struct cairn_value *out,
                                  struct cairn_error *error) {
    struct building b = {.arena = arena, .error = error, .leaves = leaves};
    if (leaf_count)
        qsort(leaves, leaf_count, sizeof *leaves, compare_leaves);
    return build(&b, 0, leaf_count, 0, fields, count, out);
}
