/* sandbox_pattern.c -- the matcher: a walk over subject and pattern that goes back
 * where an item could have taken more or less. */
#include "sandbox_pattern.h"

enum { STEPS_AT_ONCE = 256 };

static void charge_steps(struct pattern_match *match) {
    unsigned steps = match->steps;
    match->steps = 0;
    sandbox_charge(match->L, steps);
}

static inline void step(struct pattern_match *match) {
    if (++match->steps >= STEPS_AT_ONCE)
        charge_steps(match);
}

void pattern_begin(lua_State *L, struct pattern_match *match,
                   struct cairn_slice subject, struct cairn_slice pattern) {
    match->L = L;
    match->subject = subject.data;
    match->subject_end = subject.data + subject.size;
    match->pattern_end = pattern.data + pattern.size;
    match->depth = 0;
    match->steps = 1;
    match->count = 0;
}

/* -- One character ---------------------------------------------------------------- */

static bool between(int c, int from, int to) {
    return c >= from && c <= to;
}

static bool is_alpha(int c) {
    return between(c | 0x20, 'a', 'z');
}

static bool is_space(int c) {
    return c == ' ' || between(c, '\t', '\r');
}

static bool is_hexadecimal(int c) {
    return between(c, '0', '9') || between(c | 0x20, 'a', 'f');
}

static bool is_alphanumeric(int c) {
    return is_alpha(c) || between(c, '0', '9');
}

/* %a and its like; a capital means the opposite; any other character means itself. */
static bool in_class(int c, int class) {
    bool found;
    switch (class | 0x20) {
    case 'a':
        found = is_alpha(c);
        break;
    case 'c':
        found = c < ' ' || c == 0x7f;
        break;
    case 'd':
        found = between(c, '0', '9');
        break;
    case 'g':
        found = between(c, '!', '~');
        break;
    case 'l':
        found = between(c, 'a', 'z');
        break;
    case 'p':
        found = between(c, '!', '~') && !is_alphanumeric(c);
        break;
    case 's':
        found = is_space(c);
        break;
    case 'u':
        found = between(c, 'A', 'Z');
        break;
    case 'w':
        found = is_alphanumeric(c);
        break;
    case 'x':
        found = is_hexadecimal(c);
        break;
    default:
        return c == class;
    }
    return found == between(class, 'a', 'z');
}

static int byte_at(const char *at) {
    return (unsigned char)*at;
}

/* Where the set that begins at `at` ('[') ends: behind its ']'. The first character is
 * in the set, whatever it is. */
static const char *set_end(const struct pattern_match *match, const char *at) {
    const char *end = match->pattern_end;
    at += at + 1 < end && at[1] == '^' ? 2 : 1;
    for (bool first = true; first || at >= end || *at != ']'; first = false) {
        if (at < end && *at++ == PATTERN_ESCAPE)
            at++;
        else if (at >= end)
            luaL_error(match->L, "malformed pattern (missing ']')");
    }
    return at + 1;
}

/* Where the single-character item at `at` ends. */
static const char *item_end(const struct pattern_match *match, const char *at) {
    if (*at == '[')
        return set_end(match, at);
    if (*at != PATTERN_ESCAPE)
        return at + 1;
    if (at + 1 == match->pattern_end)
        luaL_error(match->L, "malformed pattern (ends with '%%')");
    return at + 2;
}

/* `at` is the '[', `last` the ']'. */
static bool in_set(struct pattern_match *match, int c, const char *at,
                   const char *last) {
    bool inside = at[1] != '^';
    at += inside ? 1 : 2;
    while (at < last) {
        step(match);
        if (*at == PATTERN_ESCAPE) {
            if (in_class(c, byte_at(at + 1)))
                return inside;
            at += 2;
        } else if (at[1] == '-' && at + 2 < last) {
            if (between(c, byte_at(at), byte_at(at + 2)))
                return inside;
            at += 3;
        } else {
            if (c == byte_at(at))
                return inside;
            at++;
        }
    }
    return !inside;
}

/* Whether the item from `item` to `end` stands for the character at `at`. */
static bool is_one(struct pattern_match *match, const char *at, const char *item,
                   const char *end) {
    step(match);
    if (at >= match->subject_end)
        return false;
    switch (*item) {
    case '.':
        return true;
    case PATTERN_ESCAPE:
        return in_class(byte_at(at), byte_at(item + 1));
    case '[':
        return in_set(match, byte_at(at), item, end - 1);
    default:
        return *at == *item;
    }
}

/* -- Repetitions ------------------------------------------------------------------ */

/* As many as there are, then fewer. */
static const char *run_longest(struct pattern_match *match, const char *at,
                               const char *item, const char *end) {
    const char *last = at;
    while (is_one(match, last, item, end))
        last++;
    for (; last >= at; last--) {
        const char *found = pattern_run(match, last, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

/* As few as will do. */
static const char *run_shortest(struct pattern_match *match, const char *at,
                                const char *item, const char *end) {
    for (;; at++) {
        const char *found = pattern_run(match, at, end + 1);
        if (found)
            return found;
        if (!is_one(match, at, item, end))
            return NULL;
    }
}

/* -- Captures --------------------------------------------------------------------- */

static const char *open_capture(struct pattern_match *match, const char *at,
                                const char *pattern, ptrdiff_t size) {
    if (match->count >= PATTERN_CAPTURES)
        luaL_error(match->L, "too many captures");
    match->captures[match->count++] = (struct pattern_capture){at, size};
    const char *found = pattern_run(match, at, pattern);
    if (!found)
        match->count--;
    return found;
}

static const char *close_capture(struct pattern_match *match, const char *at,
                                 const char *pattern) {
    int last = match->count - 1;
    while (last >= 0 && match->captures[last].size != CAPTURE_OPEN)
        last--;
    if (last < 0)
        luaL_error(match->L, "invalid pattern capture");
    match->captures[last].size = at - match->captures[last].from;
    const char *found = pattern_run(match, at, pattern);
    if (!found)
        match->captures[last].size = CAPTURE_OPEN;
    return found;
}

/* -- Items that are more than a character -------------------------------------------
 */

/* %1 */
static const char *skip_same(struct pattern_match *match, const char *at, int digit) {
    int index = digit - '1';
    if (index < 0 || index >= match->count ||
        match->captures[index].size == CAPTURE_OPEN)
        luaL_error(match->L, "invalid capture index %%%d", index + 1);
    /* A position matches nothing that is there: its size is beyond every subject. */
    size_t size = (size_t)match->captures[index].size;
    if ((size_t)(match->subject_end - at) < size)
        return NULL;
    sandbox_charge_bytes(match->L, size);
    return memcmp(match->captures[index].from, at, size) == 0 ? at + size : NULL;
}

/* %bxy, `pattern` at the x */
static const char *skip_balanced(struct pattern_match *match, const char *at,
                                 const char *pattern) {
    if (match->pattern_end - pattern < 2)
        luaL_error(match->L, "malformed pattern (missing arguments to '%%b')");
    if (at >= match->subject_end || *at != pattern[0])
        return NULL;
    size_t open = 1;
    while (++at < match->subject_end) {
        step(match);
        if (*at == pattern[1]) {
            if (--open == 0)
                return at + 1;
        } else if (*at == pattern[0]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set], `set` at the '['. The ends of the subject are like zeros. */
static bool is_frontier(struct pattern_match *match, const char *at, const char *set,
                        const char *end) {
    int before = at == match->subject ? 0 : byte_at(at - 1);
    int after = at == match->subject_end ? 0 : byte_at(at);
    return !in_set(match, before, set, end - 1) && in_set(match, after, set, end - 1);
}

static const char *check_set(const struct pattern_match *match, const char *pattern) {
    if (pattern >= match->pattern_end || *pattern != '[')
        luaL_error(match->L, "missing '[' after '%%f' in pattern");
    return item_end(match, pattern);
}

/* What became of an item: it was none of those; it matched, and both have moved on; it
 * (and all behind it) ended at `*at`, or failed, which is NULL. */
enum outcome { OTHER, PASSED, ENDED };

static enum outcome passed(const char **at, const char *to, const char **pattern,
                           const char *next) {
    *at = to;
    *pattern = next;
    return to ? PASSED : ENDED;
}

static enum outcome run_escape(struct pattern_match *match, const char **at,
                               const char **pattern) {
    const char *item = *pattern + 1;
    if (item >= match->pattern_end)
        return OTHER;
    if (*item == 'b')
        return passed(at, skip_balanced(match, *at, item + 1), pattern, item + 3);
    if (between(byte_at(item), '0', '9'))
        return passed(at, skip_same(match, *at, byte_at(item)), pattern, item + 1);
    if (*item != 'f')
        return OTHER;
    const char *end = check_set(match, item + 1);
    return passed(at, is_frontier(match, *at, item + 1, end) ? *at : NULL, pattern,
                  end);
}

static enum outcome run_special(struct pattern_match *match, const char **at,
                                const char **pattern) {
    const char *next = *pattern + 1, *end = match->pattern_end;
    switch (**pattern) {
    case '(':
        *at = next < end && *next == ')'
                  ? open_capture(match, *at, next + 1, CAPTURE_POSITION)
                  : open_capture(match, *at, next, CAPTURE_OPEN);
        return ENDED;
    case ')':
        *at = close_capture(match, *at, next);
        return ENDED;
    case '$':
        if (next != end)
            return OTHER;
        *at = *at == match->subject_end ? *at : NULL;
        return ENDED;
    case PATTERN_ESCAPE:
        return run_escape(match, at, pattern);
    default:
        return OTHER;
    }
}

/* -- All of it -------------------------------------------------------------------- */

/* A character, with what says how often. */
static enum outcome run_item(struct pattern_match *match, const char **at,
                             const char **pattern) {
    const char *item = *pattern, *end = item_end(match, item), *found;
    switch (end < match->pattern_end ? *end : '\0') {
    case '?':
        if (is_one(match, *at, item, end) &&
            (found = pattern_run(match, *at + 1, end + 1))) {
            *at = found;
            return ENDED;
        }
        *pattern = end + 1;
        return PASSED;
    case '+':
        *at = is_one(match, *at, item, end) ? run_longest(match, *at + 1, item, end)
                                            : NULL;
        return ENDED;
    case '*':
        *at = run_longest(match, *at, item, end);
        return ENDED;
    case '-':
        *at = run_shortest(match, *at, item, end);
        return ENDED;
    default:
        return passed(at, is_one(match, *at, item, end) ? *at + 1 : NULL, pattern, end);
    }
}

const char *pattern_run(struct pattern_match *match, const char *at,
                        const char *pattern) {
    if (++match->depth > PATTERN_DEPTH)
        luaL_error(match->L, "pattern too complex");
    enum outcome outcome = PASSED;
    while (outcome == PASSED && pattern != match->pattern_end) {
        step(match);
        outcome = run_special(match, &at, &pattern);
        if (outcome == OTHER)
            outcome = run_item(match, &at, &pattern);
    }
    match->depth--;
    return at;
}
