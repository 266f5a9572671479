/* names.h -- where things lie in a store.
 *
 *   data/<hash>                  bytes
 *   <id>                         a message: a packed group; <id>/<name> a key of it
 *   <id>/<request>               a link to a result that does not age
 *   ~results/<base>/<request>    what is known of a result (result.h)
 *   ~tags/<tag>/<hash>           the hashpath of a result with that tag
 */
#ifndef CAIRN_NAMES_H
#define CAIRN_NAMES_H

#include "cairn/id.h"

/* A key as one segment of a path: '/', '%', NUL, the empty key, "." and ".." are
 * percent-escaped. A view of `key` where nothing has to be; false without memory. */
bool name_escape(struct cairn_slice key, struct cairn_arena *arena,
                 struct cairn_slice *out);
bool name_unescape(struct cairn_slice name, struct cairn_arena *arena,
                   struct cairn_slice *out);

/* "data/<hash>", 48 bytes; false without memory. */
bool name_data(const struct cairn_id *hash, struct cairn_arena *arena,
               struct cairn_slice *out);
/* True, and the hash, for a path of that form. */
bool name_is_data(struct cairn_slice path, struct cairn_slice *hash);

/* A hashpath in two parts, as results are kept by. */
struct hashpath {
    struct cairn_id base; /* folded, if it had two parts */
    char request[128];    /* a name: an id, a segment, or the hash of a long one */
    size_t request_size;
};

/* From a base (an id, or two parts) and a request's part. CAIRN_INVALID_ARGUMENT. */
enum cairn_status hashpath_of(enum cairn_hashpath_algorithm algorithm,
                              struct cairn_slice base, struct cairn_slice request,
                              struct hashpath *out, struct cairn_error *error);
/* From "<base>/<request>" or "<first>/<second>/<request>". */
enum cairn_status hashpath_parse(enum cairn_hashpath_algorithm algorithm,
                                 struct cairn_slice text, struct hashpath *out,
                                 struct cairn_error *error);

static inline struct cairn_slice hashpath_request(const struct hashpath *hashpath) {
    return (struct cairn_slice){hashpath->request, hashpath->request_size};
}

/* "~results/<base>/<request>" and "<base>/<request>": texts in the struct's room. */
void hashpath_record(const struct hashpath *hashpath, struct cairn_path *out);
void hashpath_text(const struct hashpath *hashpath, struct cairn_path *out);

#endif
