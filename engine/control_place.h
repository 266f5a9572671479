/* control_place.h -- where control sockets lie: what server and client share. */
#ifndef CAIRN_CONTROL_PLACE_H
#define CAIRN_CONTROL_PLACE_H

#include <sys/stat.h>
#include <sys/un.h>

#include "cairn/control.h"

/* CAIRN_INVALID_ARGUMENT: empty, or too long. */
enum cairn_status control_address(const char *path, struct sockaddr_un *out,
                                  struct cairn_error *error);

/* While it is held nobody else makes, replaces or removes a socket in the directory of
 * `path`, so that one which is about to be served is not taken for one that is not any
 * more. The lock is a descriptor; with `make` the directory is made if it is not there.
 * CAIRN_UNAUTHORIZED: the directory is not to be trusted. */
enum cairn_status control_lock(const char *path, bool make, int *lock,
                               struct cairn_error *error);
void control_unlock(int lock);

/* Whether somebody serves it. */
bool control_is_served(const struct sockaddr_un *address);

/* Whether the process at the other end is this user's, or root's. */
bool control_is_trusted(int connection);

int64_t control_now_ms(void); /* monotonic */

#endif
