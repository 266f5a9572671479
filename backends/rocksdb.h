/* rocksdb.h -- what the files of the RocksDB backend share. Only rocksdb*.c include it.
 */
#ifndef CAIRN_BACKENDS_ROCKSDB_H
#define CAIRN_BACKENDS_ROCKSDB_H

#include <rocksdb/c.h>
#include <stdatomic.h>

#include "cairn/backend.h"

struct rocks {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /* the default one */
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_cache_t *cache;
    rocksdb_compactionfilter_t *filter;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write, *write_synced;
    bool read_only;
    char *path;
    uint64_t reserve;              /* bytes to be left free on the disk */
    atomic_int_fast64_t allowance; /* bytes that may be written before we look again */
    atomic_bool broken;            /* a write failed: see rocks_close */
};

/* -- rocksdb_open.c -----------------------------------------------------------------
 */

extern const struct cairn_option rocks_options[];

enum cairn_status rocks_open(struct cairn_slice location,
                             const struct cairn_setting *settings, size_t count,
                             void **self, struct cairn_error *error);
void rocks_close(void *self);

/* "rocksdb: cannot <doing>: ..." under the status that fits what RocksDB said, which is
 * freed. */
enum cairn_status rocks_fail(struct cairn_error *error, const char *doing,
                             char *message);

#endif
