/* policy_lint.h -- mistakes that can be seen before a script runs: assignments to
 * globals, and reads of globals that are not there. */
#ifndef CAIRN_POLICY_LINT_H
#define CAIRN_POLICY_LINT_H

#include "sandbox.h"

/* Looks at the function at the top of the sandbox's stack, which stays: a loaded chunk.
 * CAIRN_POLICY_ERROR with "name:line: reason" for the first mistake. */
enum cairn_status policy_lint(struct sandbox *sandbox, const char *name,
                              struct cairn_error *error);

#endif
