/* import.h -- stores that HyperBEAM wrote, read into a store of ours.
 *
 * Two layouts (shared vectors in spec/vectors/disk.json):
 *  - a RocksDB directory: key = path, value = tag byte 1 link, 2 raw, 3 group and then
 *    the target, the bytes, or the set of child names in Erlang's external term format
 *    (sets version 1 and 2, atoms in old and new encoding, compressed terms);
 *  - a filesystem directory: directories, files and symbolic links, these with the
 *    store's absolute or relative prefix in front of their targets.
 * The source is opened read-only and never changed.
 *
 * Threads: any; one import uses one thread. */
#ifndef CAIRN_IMPORT_H
#define CAIRN_IMPORT_H

#include "cairn/store.h"

struct cairn_import_options {
    /* Told every thousand entries or so: how many are done and, where it is known, how
     * many there are in all (0: not known; an estimate until the last call). Returning
     * false stops the import with CAIRN_TIMEOUT. NULL: not told. */
    bool (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;

    /* fs only: what to take off the front of link targets. Empty: found out from the
     * links themselves and the directory's own name. */
    struct cairn_slice link_prefix;
};

struct cairn_import_result {
    uint64_t raws, links, groups; /* entries written */
    uint64_t skipped; /* entries that cannot be in a store of ours; the first
                         of them and why is in `first_skipped` */
    char first_skipped[512];
};

/* `directory` decides by what it finds there which of the two it is.
 * CAIRN_INVALID_ARGUMENT if it is neither; CAIRN_CORRUPT names the key of a value that
 * cannot be read. What was imported before a failure stays; importing again completes
 * it. */
enum cairn_status cairn_import_hyperbeam(struct cairn_slice directory,
                                         struct cairn_store *store,
                                         const struct cairn_context *context,
                                         const struct cairn_import_options *options,
                                         struct cairn_import_result *result,
                                         struct cairn_error *error);

#endif
