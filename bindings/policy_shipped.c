/* policy_shipped.c -- the policies that are compiled in. */
#include "policy_shipped.h"

#include "shipped_policies.h"

static const struct policy_shipped shipped[] = {SHIPPED_POLICIES};

_Static_assert(sizeof shipped / sizeof *shipped <= POLICY_SHIPPED_MAX,
               "more policies are shipped than a host has room for");

const struct policy_shipped *policy_shipped_at(size_t index) {
    return index < sizeof shipped / sizeof *shipped ? &shipped[index] : NULL;
}
