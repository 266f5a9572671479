/* open.h -- from a URL to a store: the list of backends this library was built with.
 *
 * A URL is "scheme:location" with optional "?name=value&name=value" behind it
 * (percent-escapes are undone in the settings, not in the location). A location that
 * holds a '?' needs cairn_store_open.
 *
 * Threads: any. */
#ifndef CAIRN_OPEN_H
#define CAIRN_OPEN_H

#include "cairn/store.h"

/* NULL if there is none of that name. */
const struct cairn_backend *cairn_backend_find(struct cairn_slice name);

/* The i-th backend, NULL after the last. */
const struct cairn_backend *cairn_backend_at(size_t i);

/* CAIRN_INVALID_ARGUMENT: no scheme, an unknown one (the message lists those there
 * are), or an option it does not know. */
enum cairn_status cairn_open(struct cairn_slice url, struct cairn_store **out,
                             struct cairn_error *error);

#endif
