/* workers_rows.h -- the busiest of many workers, and the sums of all. */
#ifndef CAIRN_WORKERS_ROWS_H
#define CAIRN_WORKERS_ROWS_H

#include "cairn/worker.h"

enum {
    WORKERS_ROWS_MOST = 10000,
    WORKERS_ROWS_BYTES = 8 << 20, /* of an answer, before its last line */
};

struct workers_ref;

struct workers_row {
    struct cairn_worker_facts facts; /* group and label lie in `text` */
    char *text;                      /* owned */
    char version[13];                /* of the handler, as it is now; "": not known */
};

struct workers_rows {
    struct workers_row *items; /* of workers_rows_collect the busiest first */
    size_t count;
    struct cairn_worker_facts sums; /* numbers only */
    size_t total;

    size_t room; /* while they are collected */
    bool is_short;
};

/* A copy of one more at the end; false without memory, which `is_short` notes. */
bool workers_rows_add(struct workers_rows *rows,
                      const struct cairn_worker_facts *facts);
/* CAIRN_NO_MEMORY; what was collected is to be freed then, too. */
enum cairn_status workers_rows_collect(struct workers_ref *ref,
                                       struct cairn_slice prefix,
                                       struct workers_rows *rows,
                                       struct cairn_error *error);
void workers_rows_free(struct workers_rows *rows);

#endif
