/* open.h -- from a URL to a store: the list of backends, to which others may be added.
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

/* The i-th backend, NULL after the last: those this library was built with, then those
 * that were registered, in that order. */
const struct cairn_backend *cairn_backend_at(size_t i);

#define CAIRN_BACKEND_NAME_MAX 32

/* Adds a kind of store, so that its URLs can be opened. It stays until the process
 * ends: the struct and the code it points to (of a plugin: its shared object) must stay
 * as long, for a store may be open at any time. The name is a URL scheme in lower case.
 * To register the same struct again is fine.
 *
 * CAIRN_INVALID_ARGUMENT: a name that is none, an entry that every store needs is
 * missing. CAIRN_CONFLICT: another backend has that name. CAIRN_LIMIT: there are too
 * many. Threads: any, while others open stores. */
enum cairn_status cairn_backend_register(const struct cairn_backend *backend,
                                         struct cairn_error *error);

/* CAIRN_INVALID_ARGUMENT: no scheme, an unknown one (the message lists those there
 * are), or an option it does not know. */
enum cairn_status cairn_open(struct cairn_slice url, struct cairn_store **out,
                             struct cairn_error *error);

#endif
