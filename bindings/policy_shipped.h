/* policy_shipped.h -- the policies that are compiled in: policies/<name>.lua. */
#ifndef CAIRN_POLICY_SHIPPED_H
#define CAIRN_POLICY_SHIPPED_H

#include "cairn/bytes.h"

enum { POLICY_SHIPPED_MAX = 32 };

struct policy_shipped {
    const char *name;  /* "chain" */
    const char *shown; /* "policies/chain.lua" */
    struct cairn_slice source;
};

/* In order of their names; NULL behind the last. */
const struct policy_shipped *policy_shipped_at(size_t index);

#endif
