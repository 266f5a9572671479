/* pack.c -- sorted inline children: written once, then found by one walk.
 *
 * A walk, not a binary search: packs are small (a message's keys) and lie in one
 * cache line after the other; an index would cost more bytes than it saves time. */
#include "cairn/pack.h"

#include "cairn/path.h"
#include "wire.h"

#include <stdlib.h>

static int by_name(const void *a, const void *b) {
    const struct cairn_pack_child *left = a, *right = b;
    return cairn_slice_compare(left->name, right->name);
}

static enum cairn_status check_child(const struct cairn_pack_child *child,
                                     struct cairn_error *error) {
    struct cairn_path path;
    enum cairn_status status = cairn_path_normalize(child->name, &path, error);
    if (status)
        return status;
    if (child->name.size == 0 || memchr(child->name.data, '/', child->name.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "an inline child's name must be one segment", child->name);
    if (child->entry.kind != CAIRN_RAW && child->entry.kind != CAIRN_LINK)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "an inline child must be a value or a link", child->name);
    return CAIRN_OK;
}

enum cairn_status cairn_pack_encode(struct cairn_pack_child *children, size_t count,
                                    struct cairn_bytes *out,
                                    struct cairn_error *error) {
    if (count)
        qsort(children, count, sizeof *children, by_name);
    struct cairn_bytes entry = {0};
    enum cairn_status status = CAIRN_OK;
    bool room = wire_append_varint(out, count);
    for (size_t i = 0; i < count && room && !status; i++) {
        status = check_child(&children[i], error);
        if (!status && i && cairn_slice_equal(children[i].name, children[i - 1].name))
            status = cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                                   "an inline child occurs twice", children[i].name);
        entry.size = 0;
        if (!status)
            status = cairn_entry_encode(&children[i].entry, &entry, error);
        room = status || (wire_append_run(out, children[i].name) &&
                          wire_append_run(out, cairn_bytes_slice(&entry)));
    }
    cairn_bytes_free(&entry);
    if (!room)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a pack of %zu", count);
    return status;
}

enum cairn_status cairn_pack_open(struct cairn_slice pack, struct cairn_pack_walk *walk,
                                  struct cairn_error *error) {
    *walk = (struct cairn_pack_walk){.rest = pack};
    if (pack.size == 0)
        return CAIRN_OK;
    if (!wire_take_varint(&walk->rest, &walk->left))
        return cairn_fail(error, CAIRN_CORRUPT, "a packed group without its count");
    return CAIRN_OK;
}

enum cairn_status cairn_pack_next(struct cairn_pack_walk *walk,
                                  struct cairn_pack_child *out,
                                  struct cairn_error *error) {
    if (walk->left == 0) {
        if (walk->rest.size)
            return cairn_fail(error, CAIRN_CORRUPT,
                              "a packed group with bytes behind it");
        return CAIRN_NOT_FOUND;
    }
    struct cairn_slice entry;
    if (!wire_take_run(&walk->rest, &out->name) || !wire_take_run(&walk->rest, &entry))
        return cairn_fail(error, CAIRN_CORRUPT, "a packed group that is cut off");
    if (out->name.size == 0 || memchr(out->name.data, '/', out->name.size) ||
        memchr(out->name.data, 0, out->name.size) ||
        (walk->last.data && cairn_slice_compare(walk->last, out->name) >= 0))
        return cairn_fail(error, CAIRN_CORRUPT,
                          "a packed group with a name out of order");
    walk->last = out->name;
    walk->left--;

    enum cairn_status status = cairn_entry_decode(entry, &out->entry, error);
    if (status)
        return status;
    if (out->entry.kind != CAIRN_RAW && out->entry.kind != CAIRN_LINK)
        return cairn_fail(error, CAIRN_CORRUPT, "a packed group with a group inside");
    return CAIRN_OK;
}

enum cairn_status cairn_pack_find(struct cairn_slice pack, struct cairn_slice name,
                                  struct cairn_entry *out, struct cairn_error *error) {
    struct cairn_pack_walk walk;
    struct cairn_pack_child child;
    enum cairn_status status = cairn_pack_open(pack, &walk, error);
    while (!status && !(status = cairn_pack_next(&walk, &child, error))) {
        int order = cairn_slice_compare(child.name, name);
        if (order == 0)
            *out = child.entry;
        if (order >= 0)
            return order ? CAIRN_NOT_FOUND : CAIRN_OK;
    }
    return status;
}
