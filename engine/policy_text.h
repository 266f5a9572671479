/* policy_text.h -- decisions in words, those that policy.h does not declare. */
#ifndef CAIRN_POLICY_TEXT_H
#define CAIRN_POLICY_TEXT_H

#include "cairn/policy.h"

/* Appends: "score 12.5", "keep". */
enum cairn_status policy_eviction_text(const struct cairn_eviction_decision *decision,
                                       struct cairn_bytes *out);

#endif
