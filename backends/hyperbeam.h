/* hyperbeam.h -- the two layouts of a HyperBEAM store, as sources of an import.
 *
 * Threads: one at a time. */
#ifndef CAIRN_HYPERBEAM_H
#define CAIRN_HYPERBEAM_H

#include "import_sink.h"

/* Puts every entry of the RocksDB database in `directory` into `sink`. */
enum cairn_status hyperbeam_rocksdb_import(struct cairn_slice directory,
                                           struct import_sink *sink,
                                           const struct cairn_context *context,
                                           struct cairn_error *error);

/* Puts every entry of the filesystem store in `directory` into `sink`. `link_prefix`
 * may be empty. */
enum cairn_status hyperbeam_fs_import(struct cairn_slice directory,
                                      struct cairn_slice link_prefix,
                                      struct import_sink *sink,
                                      const struct cairn_context *context,
                                      struct cairn_error *error);

#endif
