/* sandbox_pattern.h -- matching Lua patterns (reference manual, section 6.4.1) step by
 * step, each of them charged.
 *
 * A pattern is read while it is matched: what is wrong in a part that no subject gets
 * to is never found, as in the standard library. */
#ifndef CAIRN_SANDBOX_PATTERN_H
#define CAIRN_SANDBOX_PATTERN_H

#include "sandbox_limits.h"

enum {
    PATTERN_CAPTURES = 32,
    PATTERN_DEPTH = 200, /* of C calls, one for each capture and repetition */
    PATTERN_ESCAPE = '%',
};

/* Sizes of captures that are none. */
enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

struct pattern_capture {
    const char *from;
    ptrdiff_t size;
};

struct pattern_match {
    lua_State *L;
    const char *subject, *subject_end;
    const char *pattern_end;
    int depth;
    unsigned steps; /* not yet charged */
    int count;      /* of captures that were opened */
    struct pattern_capture captures[PATTERN_CAPTURES];
};

void pattern_begin(lua_State *L, struct pattern_match *match,
                   struct cairn_slice subject, struct cairn_slice pattern);
/* Where a match that begins at `at` ends; NULL: there is none. */
const char *pattern_run(struct pattern_match *match, const char *at,
                        const char *pattern);

#endif
