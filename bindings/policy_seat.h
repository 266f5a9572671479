/* policy_seat.h -- a sandbox with a policy loaded in it. For one thread at a time. */
#ifndef CAIRN_POLICY_SEAT_H
#define CAIRN_POLICY_SEAT_H

#include "policy_module.h"

struct policy_seat {
    struct sandbox *sandbox;  /* `decide` is at the bottom of its stack, and stays */
    struct policy_seat *next; /* of those that are idle */

    /* During a call. */
    const struct policy_ask *ask; /* NULL: none is under way */
    bool volatile_seen;
};

/* Loads the module's source. The `first` seat of a module also lints it, keeps the
 * examples, and fills in the module's question and decide_line; the others take them as
 * they are. */
enum cairn_status policy_seat_open(struct policy_module *module, bool first,
                                   struct policy_seat **out, struct cairn_error *error);
void policy_seat_close(struct policy_seat *seat);

/* An idle one of the module's, NULL if there is none; and back, after a call that ended
 * with `status`. */
struct policy_seat *policy_module_borrow(struct policy_module *module);
void policy_module_give_back(struct policy_module *module, struct policy_seat *seat,
                             enum cairn_status status);

/* As policy_module_ask, without counting. */
enum cairn_status policy_seat_ask(struct policy_seat *seat,
                                  const struct policy_module *module,
                                  const struct policy_ask *ask, bool with_line,
                                  struct policy_outcome *outcome,
                                  struct cairn_error *error);

/* Pushes name, context and decision of the example at `number` (from 1), or an error.
 * CAIRN_NOT_FOUND: there are no more. */
enum cairn_status policy_seat_example(struct policy_seat *seat,
                                      const struct policy_module *module, int number,
                                      struct cairn_error *error);

/* Examples are not needed any more, nor is the patience that loading takes. */
void policy_seat_forget_examples(struct policy_seat *seat,
                                 const struct policy_module *module);

#endif
