/* party.h -- who takes part in a computation: a base or a request, by id or as a
 * message, and what it says about caching. */
#ifndef CAIRN_PARTY_H
#define CAIRN_PARTY_H

#include "cache_core.h"
#include "names.h"

struct party {
    const struct cairn_party *given;
    struct cairn_value stored;         /* of a message; else count is 0 */
    const struct cairn_value *message; /* typed or stored: given, or loaded; NULL */
    struct cairn_id own;               /* room for the id of a message */
    struct cairn_slice part;           /* of the hashpath */
    bool is_path; /* the request is a segment, given as a string: it is all there is */
    struct cairn_reading loaded;
    bool is_loaded;
};

/* Works out the parts of both, and the hashpath. */
enum cairn_status parties_open(struct cairn_cache *cache,
                               const struct cairn_party *base,
                               const struct cairn_party *request,
                               struct cairn_arena *arena, struct party *bases,
                               struct party *requests, struct hashpath *hashpath,
                               struct cairn_error *error);
void party_close(struct party *party);

/* Reads what was given by id. CAIRN_NOT_FOUND. */
enum cairn_status party_load(struct cairn_cache *cache,
                             const struct cairn_context *context, struct party *party,
                             struct cairn_error *error);

/* For whoever computes: the message, or the id where there is none to be had. */
struct cairn_party party_of(const struct party *party);

/* What a message says in its `cache-control`: a list as a line. Not given: no opinion.
 */
enum cairn_status directives_of(const struct cairn_value *message,
                                struct cairn_arena *arena, struct cairn_directives *out,
                                struct cairn_error *error);

/* `before`, then `after`. */
enum cairn_status directives_join(const struct cairn_directives *before,
                                  const struct cairn_directives *after,
                                  struct cairn_arena *arena,
                                  struct cairn_directives *out,
                                  struct cairn_error *error);

#endif
