/* sandbox_match.c -- find, match, gmatch and gsub, over the matcher of
 * sandbox_pattern.c. */
#include "sandbox_pattern.h"

static struct cairn_slice check_string(lua_State *L, int index) {
    struct cairn_slice string;
    string.data = luaL_checklstring(L, index, &string.size);
    return string;
}

/* An argument that says where to begin, as an offset. */
static size_t check_start(lua_State *L, int index, size_t size) {
    lua_Integer at = luaL_optinteger(L, index, 1);
    if (at > 0)
        return (size_t)at - 1;
    return at == 0 || at < -(lua_Integer)size ? 0 : size + (size_t)at;
}

/* Charges for the steps of the last match. */
static void settle(struct pattern_match *match) {
    sandbox_charge(match->L, match->steps);
    match->steps = 0;
}

static const char *run_at(struct pattern_match *match, const char *at,
                          const char *pattern) {
    match->count = 0;
    match->depth = 0;
    return pattern_run(match, at, pattern);
}

/* -- Captures --------------------------------------------------------------------- */

/* Capture `index`; where a pattern has none, the first is the whole match. */
static void push_capture(struct pattern_match *match, int index, const char *from,
                         const char *to) {
    if (index >= match->count) {
        if (index > 0)
            luaL_error(match->L, "invalid capture index %%%d", index + 1);
        lua_pushlstring(match->L, from, (size_t)(to - from));
        return;
    }
    const struct pattern_capture *capture = &match->captures[index];
    if (capture->size == CAPTURE_OPEN)
        luaL_error(match->L, "unfinished capture");
    if (capture->size == CAPTURE_POSITION)
        lua_pushinteger(match->L, capture->from - match->subject + 1);
    else
        lua_pushlstring(match->L, capture->from, (size_t)capture->size);
}

/* All captures, or the whole match (unless `from` is NULL). */
static int push_captures(struct pattern_match *match, const char *from,
                         const char *to) {
    int count = match->count == 0 && from ? 1 : match->count;
    luaL_checkstack(match->L, count + 4, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(match, i, from, to);
    return count;
}

/* -- find and match --------------------------------------------------------------- */

static bool is_plain(struct cairn_slice pattern) {
    for (size_t i = 0; i < pattern.size; i++)
        if (pattern.data[i] && strchr("^$*+?.([%-", pattern.data[i]))
            return false;
    return true;
}

/* memmem takes a time that grows with the sum of the sizes, not with the product. */
static int find_plain(lua_State *L, struct cairn_slice subject,
                      struct cairn_slice wanted, size_t start) {
    sandbox_charge_bytes(L, subject.size - start + wanted.size);
    const char *found = subject.data + start;
    if (wanted.size)
        found = memmem(found, subject.size - start, wanted.data, wanted.size);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject.data + 1);
    lua_pushinteger(L, found - subject.data + (lua_Integer)wanted.size);
    return 2;
}

static int find_pattern(lua_State *L, struct cairn_slice subject,
                        struct cairn_slice pattern, size_t start, bool positions) {
    struct pattern_match match;
    bool anchored = pattern.size && *pattern.data == '^';
    const char *from = subject.data + start;
    const char *body = pattern.data + anchored;
    pattern_begin(L, &match, subject, pattern);
    do {
        const char *to = run_at(&match, from, body);
        if (!to)
            continue;
        settle(&match);
        if (!positions)
            return push_captures(&match, from, to);
        lua_pushinteger(L, from - subject.data + 1);
        lua_pushinteger(L, to - subject.data);
        return 2 + push_captures(&match, NULL, NULL);
    } while (from++ < match.subject_end && !anchored);
    settle(&match);
    lua_pushnil(L);
    return 1;
}

int sandbox_string_find(lua_State *L) {
    struct cairn_slice subject = check_string(L, 1), pattern = check_string(L, 2);
    size_t start = check_start(L, 3, subject.size);
    if (start > subject.size) {
        lua_pushnil(L);
        return 1;
    }
    sandbox_charge_bytes(L, pattern.size);
    if (lua_toboolean(L, 4) || is_plain(pattern))
        return find_plain(L, subject, pattern, start);
    return find_pattern(L, subject, pattern, start, true);
}

int sandbox_string_match(lua_State *L) {
    struct cairn_slice subject = check_string(L, 1), pattern = check_string(L, 2);
    size_t start = check_start(L, 3, subject.size);
    if (start > subject.size) {
        lua_pushnil(L);
        return 1;
    }
    return find_pattern(L, subject, pattern, start, false);
}

/* -- gmatch ----------------------------------------------------------------------- */

/* Upvalues: subject, pattern, where to go on, where the last match ended (-1: there is
 * none). An empty match there would be the same place twice. */
static int next_match(lua_State *L) {
    struct cairn_slice subject = check_string(L, lua_upvalueindex(1));
    struct cairn_slice pattern = check_string(L, lua_upvalueindex(2));
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct pattern_match match;
    pattern_begin(L, &match, subject, pattern);
    for (; at <= subject.size; at++) {
        const char *from = subject.data + at, *to = run_at(&match, from, pattern.data);
        if (!to || to - subject.data == last)
            continue;
        settle(&match);
        lua_pushinteger(L, to - subject.data);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&match, from, to);
    }
    settle(&match);
    return 0;
}

int sandbox_string_gmatch(lua_State *L) {
    size_t size = check_string(L, 1).size;
    check_string(L, 2);
    size_t start = check_start(L, 3, size);
    sandbox_charge(L, 1);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(start > size ? size + 1 : start));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* -- gsub ------------------------------------------------------------------------- */

enum { REPLACEMENT = 3 };

static void add_capture(struct pattern_match *match, struct sandbox_text *text,
                        int index, const char *from, const char *to) {
    size_t size;
    push_capture(match, index, from, to);
    const char *data = lua_tolstring(match->L, -1, &size);
    sandbox_text_add(text, data, size);
    lua_pop(match->L, 1);
}

/* The replacement is text, in which %0 is the match and %1 a capture. */
static void add_text(struct pattern_match *match, struct sandbox_text *text,
                     const char *from, const char *to) {
    struct cairn_slice rest = check_string(match->L, REPLACEMENT);
    const char *escape;
    while (rest.size && (escape = memchr(rest.data, PATTERN_ESCAPE, rest.size))) {
        size_t before = (size_t)(escape - rest.data);
        sandbox_text_add(text, rest.data, before);
        char c = before + 1 < rest.size ? escape[1] : '\0';
        if (c == PATTERN_ESCAPE)
            sandbox_text_add(text, "%", 1);
        else if (c == '0')
            sandbox_text_add(text, from, (size_t)(to - from));
        else if (c > '0' && c <= '9')
            add_capture(match, text, c - '1', from, to);
        else
            luaL_error(match->L, "invalid use of '%%' in replacement string");
        rest.data += before + 2;
        rest.size -= before + 2;
    }
    sandbox_text_add(text, rest.data, rest.size);
}

/* Pushes what the function or the table says to the captures. */
static void push_answer(struct pattern_match *match, const char *from, const char *to) {
    lua_State *L = match->L;
    if (lua_type(L, REPLACEMENT) == LUA_TTABLE) {
        push_capture(match, 0, from, to);
        lua_gettable(L, REPLACEMENT);
        return;
    }
    lua_pushvalue(L, REPLACEMENT);
    int count = push_captures(match, from, to);
    lua_call(L, count, 1);
}

/* False if the match stays as it is. */
static bool add_replacement(struct pattern_match *match, struct sandbox_text *text,
                            const char *from, const char *to) {
    lua_State *L = match->L;
    sandbox_charge(L, 1);
    if (lua_type(L, REPLACEMENT) == LUA_TSTRING) {
        add_text(match, text, from, to);
        return true;
    }
    push_answer(match, from, to);
    bool replaced = lua_toboolean(L, -1);
    if (replaced && !lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    size_t size = (size_t)(to - from);
    const char *data = replaced ? lua_tolstring(L, -1, &size) : from;
    sandbox_text_add(text, data, size);
    lua_pop(L, 1);
    return replaced;
}

/* Replaces up to `most` matches; returns how many. The rest of the subject is added. */
static lua_Integer replace_all(struct pattern_match *match, struct sandbox_text *text,
                               const char *pattern, bool anchored, lua_Integer most,
                               bool *changed) {
    const char *at = match->subject, *last = NULL;
    lua_Integer count = 0;
    while (count < most) {
        const char *to = run_at(match, at, pattern);
        if (to && to != last) {
            count++;
            *changed = add_replacement(match, text, at, to) || *changed;
            at = last = to;
        } else if (at < match->subject_end) {
            sandbox_text_add(text, at++, 1);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    settle(match);
    sandbox_text_add(text, at, (size_t)(match->subject_end - at));
    return count;
}

static void check_replacement(lua_State *L) {
    int type = lua_type(L, REPLACEMENT);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING ||
                         type == LUA_TFUNCTION || type == LUA_TTABLE,
                     REPLACEMENT, "string/function/table");
    if (type == LUA_TNUMBER)
        lua_tostring(L, REPLACEMENT);
}

int sandbox_string_gsub(lua_State *L) {
    struct cairn_slice subject = check_string(L, 1), pattern = check_string(L, 2);
    check_replacement(L);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.size + 1);
    bool anchored = pattern.size && *pattern.data == '^', changed = false;
    struct pattern_match match;
    struct sandbox_text text;
    lua_settop(L, REPLACEMENT);
    sandbox_text_begin(L, &text);
    pattern_begin(L, &match, subject, pattern);
    lua_Integer count =
        replace_all(&match, &text, pattern.data + anchored, anchored, most, &changed);
    if (changed)
        sandbox_text_end(&text);
    else
        lua_pushvalue(L, 1);
    lua_pushinteger(L, count);
    return 2;
}
