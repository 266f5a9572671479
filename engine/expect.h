/* expect.h -- hints of what a chain will be asked for, so that waiting for memory and
 * working go on at the same time. */
#ifndef CAIRN_EXPECT_H
#define CAIRN_EXPECT_H

#include "cairn/chain.h"

/* Whom the hint went to: a tier, for those are asked first. */
struct expected {
    const struct cairn_backend *backend; /* NULL: nobody */
    void *self;
    uint64_t before; /* what it said */
};

/* `path` (normal) will be read in a moment (chain.c). */
struct expected chain_expect(const struct cairn_chain *chain, struct cairn_slice path);

/* ... and some time has passed. */
void chain_expect_on(const struct expected *expected);

#endif
