/* source_file.h -- the file of a script: read as a whole, named by its hash, and known
 * again without being read. */
#ifndef CAIRN_SOURCE_FILE_H
#define CAIRN_SOURCE_FILE_H

#include <sys/stat.h>

#include "cairn/status.h"

enum { SOURCE_HASH_ROOM = 65 };

/* SHA-256, in hex. */
void source_hash(struct cairn_slice text, char out[SOURCE_HASH_ROOM]);

/* Appends a regular file of at most `most` bytes; `flags` may be O_NOFOLLOW. Messages
 * begin with the name. CAIRN_NOT_FOUND: it is not there. CAIRN_LIMIT: it is larger.
 * `*status` (NULL is fine) is of the file, not of a link. */
enum cairn_status source_read(int directory, const char *name, int flags, size_t most,
                              struct cairn_bytes *out, struct stat *status,
                              struct cairn_error *error);

/* How a file looked when it was read. {0}: it has not been. */
struct source_look {
    struct stat status;
    bool settled; /* could not have changed in the same tick of the clock */
};

struct source_look source_look_of(const struct stat *status);
/* False: it may have changed. */
bool source_looks_same(const struct source_look *look, const struct stat *now);

#endif
