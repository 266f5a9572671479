/* status.h -- how every call of the engine says what became of it.
 *
 * A function that can fail returns an `enum cairn_status` and takes a
 * `struct cairn_error *` (NULL is allowed) into which it writes one sentence that
 * names what was wrong and where. CAIRN_OK leaves the error untouched.
 *
 * CAIRN_NOT_FOUND is an answer, not a fault: somebody else may have it.
 *
 * Threads: everything here may be called from any thread. */
#ifndef CAIRN_STATUS_H
#define CAIRN_STATUS_H

#include <stdarg.h>

#include "cairn/bytes.h"

/* The one list from which the enum and the words are made. The words are part of
 * the contract: Lua returns them as the third value of a failure. */
#define CAIRN_STATUS_MAP(X)                                                            \
    X(NOT_FOUND, not_found)               /* nobody wrote it, or it is a group */      \
    X(INVALID_PATH, invalid_path)         /* refused before a backend is asked */      \
    X(INVALID_ARGUMENT, invalid_argument) /* an option or a value that cannot be */    \
    X(IS_GROUP, is_group)                 /* a group is where a value should go */     \
    X(NOT_A_GROUP, not_a_group)           /* a value is where a group should be */     \
    X(NAME_TOO_LONG, name_too_long)       /* a segment this backend cannot hold */     \
    X(LINK_LOOP, link_loop)               /* a cycle, or more than 64 hops */          \
    X(UNSUPPORTED, unsupported)           /* this backend cannot do that */            \
    X(CONFLICT, conflict)                 /* a condition did not hold */               \
    X(TIMEOUT, timeout)                   /* deadline passed, or cancelled */          \
    X(UNAVAILABLE, unavailable)           /* could not tell: not an absence */         \
    X(CORRUPT, corrupt)                   /* stored bytes that make no sense */        \
    X(UNAUTHORIZED, unauthorized)         /* the caller may not */                     \
    X(UNVERIFIED, unverified)             /* came from outside and does not check */   \
    X(POLICY_ERROR, policy_error)         /* a policy script failed */                 \
    X(LEADER_DIED, leader_died)           /* who computed for us is gone */            \
    X(INFINITE_RECURSION, infinite_recursion) /* waits for itself */                   \
    X(LIMIT, limit)                           /* a bound was reached */                \
    X(IO, io)                                 /* the operating system said no */       \
    X(NO_MEMORY, no_memory)

enum cairn_status {
    CAIRN_OK = 0,
#define X(name, word) CAIRN_##name,
    CAIRN_STATUS_MAP(X)
#undef X
        CAIRN_STATUS_COUNT
};

/* Lives on the caller's stack, so that even "out of memory" needs no memory. A
 * message that does not fit is cut. Always terminated. */
struct cairn_error {
    char message[512];
};

/* "not_found", "io", ...; "ok" for CAIRN_OK. Static, never NULL. */
const char *cairn_status_word(enum cairn_status status);

/* Writes the message, printf style, and returns `status`, so that failing is one
 * line. `error` may be NULL. */
__attribute__((format(printf, 3, 4))) enum cairn_status
cairn_fail(struct cairn_error *error, enum cairn_status status, const char *format,
           ...);

/* The same for the commonest message, `what: 'path'`, without printf: a miss is
 * hot. A path that is too long is cut in the middle. */
enum cairn_status cairn_fail_at(struct cairn_error *error, enum cairn_status status,
                                const char *what, struct cairn_slice path);

#endif
