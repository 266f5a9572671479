/* control.h -- a process answers questions of its owner's other processes.
 *
 * It serves a socket at a path: who connects sends one line, gets one answer, and the
 * connection is over. What is asked and answered is up to who serves. An answer that
 * was cut short cannot be told from a whole one here: give it a form that shows its
 * end, as JSON does.
 *
 * Only the same user, or root, is answered: the directory must be the user's and
 * writable for nobody else, and whoever connects is looked at. Who stalls is given up
 * after CAIRN_CONTROL_PATIENCE_MS and meanwhile keeps nobody waiting.
 *
 * Threads: any function may be called from any thread. */
#ifndef CAIRN_CONTROL_H
#define CAIRN_CONTROL_H

#include <stdint.h>

#include "cairn/status.h"

enum {
    CAIRN_CONTROL_PATH = 108,      /* bytes of a path, with the NUL: as in sun_path */
    CAIRN_CONTROL_QUESTION = 4096, /* bytes of a question at most */
    CAIRN_CONTROL_PATIENCE_MS = 2000,
};

struct cairn_control;

/* Appends the answer to `answer`, which is empty. On the serving thread, one question
 * at a time; must not close the control. An answer that stays empty is none. */
typedef void (*cairn_control_answer)(void *arg, struct cairn_slice question,
                                     struct cairn_bytes *answer);

/* Makes the directory if it is not there (not those above), and the socket, and starts
 * the thread that answers. A socket that nobody serves any more is replaced; one that
 * is served is CAIRN_CONFLICT, as is anything else at the path. CAIRN_UNAUTHORIZED: the
 * directory is another's, or others may write to it. */
enum cairn_status cairn_control_serve(const char *path, cairn_control_answer answer,
                                      void *arg, struct cairn_control **out,
                                      struct cairn_error *error);
/* Waits for an answer that is being made; takes the socket away. NULL is fine. */
void cairn_control_close(struct cairn_control *control);

/* Asks and waits, `wait_ms` at most (CAIRN_TIMEOUT). The answer is appended; beyond
 * `most_bytes` it is CAIRN_LIMIT. CAIRN_NOT_FOUND: nobody serves the path;
 * CAIRN_UNAVAILABLE: who does gave no answer; CAIRN_UNAUTHORIZED: who does is neither
 * this user nor root (whom anybody may answer). */
enum cairn_status cairn_control_ask(const char *path, struct cairn_slice question,
                                    int64_t wait_ms, size_t most_bytes,
                                    struct cairn_bytes *answer,
                                    struct cairn_error *error);

/* Takes a socket away that nobody serves: true if it did. */
bool cairn_control_discard(const char *path);

/* Where the sockets of this user's processes are: $XDG_RUNTIME_DIR/cairn, if that is
 * set and its owner's, and /tmp/cairn-UID, where processes are that did not have it.
 * How many they are: 1 or 2; the first is where to make one. */
unsigned cairn_control_directories(char out[2][CAIRN_CONTROL_PATH]);

#endif
