/* hashpath.c -- results by what they were computed from: `base/request`, folded. */
#include "cairn/id.h"
#include "digest.h"
#include "message_types.h"

enum cairn_status cairn_hashpath_algorithm_of(struct cairn_slice name,
                                              enum cairn_hashpath_algorithm *out,
                                              struct cairn_error *error) {
    if (cairn_slice_equal(name, cairn_slice_of("sha-256-chain")))
        *out = CAIRN_SHA_256_CHAIN;
    else if (cairn_slice_equal(name, cairn_slice_of("accumulate-256")))
        *out = CAIRN_ACCUMULATE_256;
    else
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "no algorithm of hashpaths ('sha-256-chain' and "
                             "'accumulate-256' are)",
                             name);
    return CAIRN_OK;
}

/* The 32 bytes that an id stands for, in `room`; anything else as it is. */
static struct cairn_slice part_bytes(struct cairn_slice part,
                                     unsigned char room[CAIRN_HASH_SIZE]) {
    if (!cairn_id_decode(part, room))
        return part;
    return (struct cairn_slice){(const char *)room, CAIRN_HASH_SIZE};
}

/* a + hash, both of 256 bits, big-endian, modulo 2^256. */
static void add(const unsigned char *a, unsigned char hash[CAIRN_HASH_SIZE]) {
    unsigned carry = 0;
    for (size_t i = CAIRN_HASH_SIZE; i-- > 0;) {
        carry += (unsigned)a[i] + hash[i];
        hash[i] = (unsigned char)carry;
        carry >>= 8;
    }
}

enum cairn_status cairn_hashpath_fold(enum cairn_hashpath_algorithm algorithm,
                                      struct cairn_slice a, struct cairn_slice b,
                                      struct cairn_id *out, struct cairn_error *error) {
    unsigned char rooms[2][CAIRN_HASH_SIZE], hash[DIGEST_SIZE];
    struct cairn_slice pieces[] = {part_bytes(a, rooms[0]), part_bytes(b, rooms[1])};
    if (pieces[0].size != CAIRN_HASH_SIZE)
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "the first part of a hashpath is an id", a);
    enum cairn_status status = digest_sha256(pieces, 2, hash, error);
    if (status)
        return status;
    if (algorithm == CAIRN_ACCUMULATE_256)
        add((const unsigned char *)pieces[0].data, hash);
    cairn_id_encode(hash, out);
    return CAIRN_OK;
}

/* -- Requests --------------------------------------------------------------------- */

/* The value of `path` where there is nothing else, NULL where there is. What types it
 * and what commits to it is about the path. */
static const struct cairn_value *sole_path(const struct cairn_value *stored) {
    const struct cairn_value *path = NULL;
    for (size_t i = 0; i < stored->count; i++) {
        struct cairn_slice key = stored->as.fields[i].key;
        if (cairn_slice_equal(key, cairn_slice_of("path")))
            path = &stored->as.fields[i].value;
        else if (!cairn_slice_equal(key, cairn_slice_of("ao-types")) &&
                 !cairn_slice_equal(key, cairn_slice_of("commitments")))
            return NULL;
    }
    return path && path->type == CAIRN_VALUE_BYTES ? path : NULL;
}

/* A path that is a list stands for its first segment. False: no list of segments. */
static bool first_of_list(const struct cairn_value *stored, struct cairn_slice *path) {
    struct cairn_arena arena;
    struct cairn_value typed;
    cairn_arena_init(&arena);
    bool found = cairn_message_type(stored, &arena, &typed, NULL) == CAIRN_OK;
    const struct cairn_value *list =
        found ? cairn_message_find(&typed, cairn_slice_of("path")) : NULL;
    found = list && list->type == CAIRN_VALUE_LIST && list->count &&
            list->as.items[0].type == CAIRN_VALUE_BYTES;
    if (found) {
        /* The first item stands in quotes; its bytes there outlive the arena. */
        struct cairn_slice item = list->as.items[0].as.bytes;
        found =
            path->size > item.size && memcmp(path->data + 1, item.data, item.size) == 0;
        *path = cairn_slice_sub(*path, 1, found ? item.size : 0);
    }
    cairn_arena_free(&arena);
    return found;
}

enum cairn_status cairn_hashpath_request(const struct cairn_value *stored,
                                         enum cairn_ids ids, struct cairn_id *room,
                                         struct cairn_slice *out,
                                         struct cairn_error *error) {
    size_t at = 0;
    const struct cairn_value *path = sole_path(stored);
    struct cairn_slice text = path ? path->as.bytes : (struct cairn_slice){NULL, 0};
    if (path && cairn_message_find(stored, cairn_slice_of("ao-types")) &&
        !first_of_list(stored, &text))
        path = NULL;
    if (path) {
        if (cairn_path_next(text, &at, out))
            return CAIRN_OK;
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a request with nothing but a path that has no segment",
                             text);
    }
    enum cairn_status status = cairn_id_of_message(stored, ids, room, error);
    *out = cairn_id_slice(room);
    return status;
}

/* -- Applying a request ----------------------------------------------------------- */

static enum cairn_status fold_base(enum cairn_hashpath_algorithm algorithm,
                                   struct cairn_slice base, struct cairn_id *room,
                                   struct cairn_slice *out, struct cairn_error *error) {
    const char *slash = base.size ? memchr(base.data, '/', base.size) : NULL;
    *out = base;
    if (!slash)
        return CAIRN_OK;
    size_t size = (size_t)(slash - base.data);
    struct cairn_slice rest = cairn_slice_sub(base, size + 1, base.size - size - 1);
    if (!size || !rest.size || memchr(rest.data, '/', rest.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a hashpath has one part or two", base);
    *out = cairn_id_slice(room);
    return cairn_hashpath_fold(algorithm, cairn_slice_sub(base, 0, size), rest, room,
                               error);
}

enum cairn_status cairn_hashpath_push(enum cairn_hashpath_algorithm algorithm,
                                      struct cairn_slice base,
                                      struct cairn_slice request,
                                      struct cairn_path *out,
                                      struct cairn_error *error) {
    struct cairn_id room;
    struct cairn_slice folded;
    if (!base.size || !request.size || memchr(request.data, '/', request.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT,
                             "a hashpath is an id and one part", request);
    enum cairn_status status = fold_base(algorithm, base, &room, &folded, error);
    return status ? status : cairn_path_join(folded, request, out, error);
}
