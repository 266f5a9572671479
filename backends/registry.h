/* registry.h -- the backends that this library is built with. */
#ifndef CAIRN_REGISTRY_H
#define CAIRN_REGISTRY_H

#include "cairn/open.h"

extern const struct cairn_backend cairn_memory_backend;
extern const struct cairn_backend cairn_fs_backend;
extern const struct cairn_backend cairn_rocksdb_backend;

#endif
