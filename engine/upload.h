/* upload.h -- a value on its way in, in pieces: chunks, or staged in the backend. */
#ifndef CAIRN_UPLOAD_H
#define CAIRN_UPLOAD_H

#include "plan.h"
#include "value.h"

struct upload {
    struct core *core;
    const struct cairn_context *context;
    void *staged;            /* by the backend, if it takes values of any size */
    char id[CHUNK_ID_SIZE];  /* else: of the chunks */
    char mark[96];           /* path of the note */
    uint64_t resets;         /* core->resets when it began */
    uint64_t count;          /* chunks written */
    uint64_t total;          /* bytes taken */
    struct cairn_bytes tail; /* bytes not yet in a chunk */
    struct cairn_bytes list; /* of the chunks, once finished */
    bool finished;           /* nothing can be appended any more */
    bool compress;           /* each chunk by itself */
};

enum cairn_status upload_begin(struct upload *upload, struct core *core,
                               const struct cairn_context *context,
                               struct cairn_error *error);
enum cairn_status upload_append(struct upload *upload, struct cairn_slice bytes,
                                struct cairn_error *error);

/* No more pieces, from now on: lets `task` put the value in place. May be called again.
 */
enum cairn_status upload_finish(struct upload *upload, struct task *task,
                                struct cairn_error *error);

/* Frees what it holds. `kept`: its value is in place; else every trace is removed (or
 * left to the sweep at the next opening, if that fails). */
void upload_end(struct upload *upload, bool kept);

#endif
