/* link_prefix.h -- where the symbolic links of a HyperBEAM fs store point to.
 *
 * HyperBEAM's filesystem store writes into a link the name of its own folder, as it was
 * configured ("/srv/cache" or "cache-mainnet", the latter relative to wherever the
 * process was started), a '/' and the target's path. None of it says which part is the
 * folder, the folder may have been moved since, and one store may have been written
 * under several names. The prefixes are found out from a sample of the links:
 *
 *  1. A prefix that names the directory, wholly or by its last segments as they stand
 *     in the directory's real path, is taken first: nothing is likelier.
 *  2. Otherwise the prefix under which most targets are there; among equals the one
 *     that more links begin with, then one whose last segment is the directory's own,
 *     then the shortest.
 *  3. Otherwise (all dangle) a prefix whose last segment is the directory's own name.
 *  4. Links that begin with none of those found are looked at again, up to
 *     LINK_PREFIX_MAX prefixes. What then is left has no known prefix: it is for the
 *     caller to say so, not to guess. The user can name the prefix instead.
 *
 * Doubled and trailing slashes do not count, neither in prefixes nor in links; an
 * absolute prefix never matches a relative link. Links that cairn itself wrote are
 * relative to where they stand: they are not for these functions.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_LINK_PREFIX_H
#define CAIRN_LINK_PREFIX_H

#include "cairn/path.h"

/* Prefixes one store may have, and links worth sampling to find them. */
#define LINK_PREFIX_MAX 4
#define LINK_SAMPLE_MAX 256

/* Owned; {0} is none. Free with link_prefixes_free. Each text is without doubled or
 * trailing slashes; "" is the relative, "/" the absolute empty prefix. The latter is
 * never guessed: it would fit every absolute link. */
struct link_prefixes {
    struct cairn_bytes texts[LINK_PREFIX_MAX];
    size_t count;
};

/* Whether something is at `path` (normal, beneath the store's directory). Links in it
 * need not be followed, and must not be by the operating system. */
typedef bool link_target_exists(void *arg, struct cairn_slice path);

/* Fills `out` (empty before) from a sample of link texts; those over LINK_SAMPLE_MAX
 * are not looked at. `directory` is the store's real, absolute path. Finding none is
 * CAIRN_OK with a count of 0. */
enum cairn_status link_prefixes_guess(struct cairn_slice directory,
                                      const struct cairn_slice *texts, size_t count,
                                      link_target_exists *exists, void *arg,
                                      struct link_prefixes *out,
                                      struct cairn_error *error);

/* Adds one that the user named. CAIRN_LIMIT over LINK_PREFIX_MAX. */
enum cairn_status link_prefixes_add(struct link_prefixes *prefixes,
                                    struct cairn_slice prefix,
                                    struct cairn_error *error);

/* The target's path within the store. CAIRN_NOT_FOUND: the text begins with no known
 * prefix, or is nothing but the prefix. CAIRN_INVALID_PATH: what is behind the prefix
 * is no path (`..`). */
enum cairn_status link_prefixes_map(const struct link_prefixes *prefixes,
                                    struct cairn_slice text, struct cairn_path *out,
                                    struct cairn_error *error);

void link_prefixes_free(struct link_prefixes *prefixes);

#endif
