/* location.h -- the one name of a directory that may be spelt in many ways. */
#ifndef CAIRN_LOCATION_H
#define CAIRN_LOCATION_H

#include "cairn/status.h"

/* Writes the real path of `location` (links resolved, absolute) to `out`; of what does
 * not exist yet, the real path of the directory above it and the rest.
 * CAIRN_INVALID_ARGUMENT for an empty location or one with a NUL byte. */
enum cairn_status location_identify(struct cairn_slice location,
                                    struct cairn_bytes *out, struct cairn_error *error);

/* Makes the directory and those above it; fine if they are there. False: errno says
 * why. `path` is written to meanwhile. */
bool location_make(char *path);

#endif
