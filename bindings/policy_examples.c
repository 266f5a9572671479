/* policy_examples.c -- a policy's own examples, tried on it before it decides anything.
 *
 * An expected decision is read as a decision is, so that a mistyped field is noticed,
 * and compared as the engine would obey it: { promote = true } and the names of the
 * tiers are the same. Only the fields that it names count. */
#include <stdio.h>

#include "policy_decision.h"
#include "policy_emit.h"
#include "policy_seat.h"
#include "policy_situation.h"

/* A clock for examples that do not say when they are: their outcome must not depend on
 * the day on which they are tried. */
static const int64_t example_now_ms = INT64_C(1700000000000);

enum { EXAMPLE_NAME_ROOM = 96 };

/* An example under way. On the stack: name, context, decision. */
struct example {
    struct policy_seat *seat;
    const struct policy_module *module;
    lua_State *L;
    char name[EXAMPLE_NAME_ROOM];
    int line; /* that decided */
    struct cairn_error *error;
};

__attribute__((format(printf, 2, 3))) static enum cairn_status
differs(struct example *example, const char *format, ...) {
    struct cairn_error what;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what.message, sizeof what.message, format, arguments);
    va_end(arguments);
    return cairn_fail(example->error, CAIRN_POLICY_ERROR,
                      "%s:%d: example \"%s\": %.300s", example->module->shown,
                      example->line ? example->line : example->module->decide_line,
                      example->name, what.message);
}

/* -- Comparing --------------------------------------------------------------------- */

/* What a line of policy_emit_lines says of `name`, or of `part` in it. */
static struct cairn_slice said(const struct policy_json *lines, const char *name,
                               const char *part) {
    char wanted[128];
    int size = snprintf(wanted, sizeof wanted, "\n%s%s%s = ", name, part ? "." : "",
                        part ? part : "");
    const char *text = lines->text.data, *end = text + lines->text.size;
    const char *at = size < (int)sizeof wanted
                         ? memmem(text, (size_t)(end - text), wanted, (size_t)size)
                         : NULL;
    if (!at)
        return cairn_slice_of("nil");
    at += size;
    return (struct cairn_slice){
        at, (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at)};
}

struct comparison {
    struct example *example;
    struct policy_json is, expected;
};

static enum cairn_status compare_one(struct comparison *both, const char *name,
                                     const char *part) {
    struct cairn_slice is = said(&both->is, name, part);
    struct cairn_slice expected = said(&both->expected, name, part);
    if (cairn_slice_equal(is, expected))
        return CAIRN_OK;
    return differs(both->example, "%s%s%s is %.*s, not %.*s", name, part ? "." : "",
                   part ? part : "", is.size > 80 ? 80 : (int)is.size, is.data,
                   expected.size > 80 ? 80 : (int)expected.size, expected.data);
}

/* The key below the top of the stack. A script may have changed its own examples since
 * they were read: what is no name now is no field. */
static const char *key_at(lua_State *L) {
    return lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
}

/* The parts that the value at the top of the stack names. */
static enum cairn_status compare_parts(struct comparison *both, const char *name) {
    lua_State *L = both->example->L;
    if (!lua_istable(L, -1))
        return CAIRN_OK;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        enum cairn_status status = compare_one(both, name, key_at(L));
        if (status) {
            lua_pop(L, 2);
            return status;
        }
    }
    return CAIRN_OK;
}

/* The expected decision is at the top of the stack; it has been read before, so that
 * its keys are names. Lists are compared as a whole. */
static enum cairn_status compare_fields(struct comparison *both) {
    lua_State *L = both->example->L;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name = key_at(L);
        bool parts = strcmp(name, "accept") == 0 || strcmp(name, "keep_out") == 0 ||
                     strcmp(name, "deadlines") == 0;
        enum cairn_status status = CAIRN_OK;
        if (parts)
            status = compare_parts(both, name);
        else if (strcmp(name, "cacheable") != 0)
            status = compare_one(both, name, NULL);
        if (status) {
            lua_pop(L, 2);
            return status;
        }
    }
    return CAIRN_OK;
}

static enum cairn_status compare(struct example *example, const struct policy_ask *is,
                                 const struct policy_ask *expected) {
    struct comparison both = {
        .example = example, .is = {.ok = true}, .expected = {.ok = true}};
    policy_emit_lines(&both.is, is);
    policy_emit_lines(&both.expected, expected);
    enum cairn_status status = both.is.ok && both.expected.ok
                                   ? compare_fields(&both)
                                   : differs(example, "no memory to compare it");
    cairn_bytes_free(&both.is.text);
    cairn_bytes_free(&both.expected.text);
    return status;
}

/* -- Trying ------------------------------------------------------------------------ */

static enum cairn_status try_decision(struct example *example,
                                      struct policy_situation *situation) {
    union policy_decision wanted;
    struct policy_ask expected = situation->ask;
    struct policy_outcome outcome;
    struct cairn_error why;
    bool has_opinion = lua_istable(example->L, -1), cacheable;
    expected.decision.any = &wanted;

    bool expected_cacheable = true;
    enum cairn_status status = has_opinion
                                   ? policy_decision_read(example->L, &expected, false,
                                                          &expected_cacheable, &why)
                                   : CAIRN_OK;
    if (status)
        return differs(example, "expected %.250s", why.message);
    status = policy_seat_ask(example->seat, example->module, &situation->ask, true,
                             &outcome, &why);
    if (status && status != CAIRN_NOT_FOUND)
        return differs(example, "%.280s", why.message);
    if (status)
        return has_opinion ? differs(example, "it has no opinion") : CAIRN_OK;
    example->line = policy_ask_decider(&situation->ask)->line;
    cacheable = !outcome.uncacheable;
    if (!has_opinion)
        return differs(example, "it has an opinion");
    if (!expected_cacheable && cacheable)
        return differs(example, "cacheable is true, not false");
    return compare(example, &situation->ask, &expected);
}

static enum cairn_status try_example(struct example *example) {
    lua_State *L = example->L;
    struct policy_situation situation;
    struct cairn_error why;
    snprintf(example->name, sizeof example->name, "%s", lua_tostring(L, -3));
    lua_pushvalue(L, -2);
    enum cairn_status status = policy_situation_read(
        &situation, L, example->module->question, example_now_ms, &why);
    lua_pop(L, 1);
    if (status)
        status = differs(example, "%.280s", why.message);
    else
        status = try_decision(example, &situation);
    policy_situation_free(&situation);
    return status;
}

static enum cairn_status try_all(struct example *example, policy_tried tried,
                                 void *arg) {
    struct cairn_error *first = example->error, one;
    enum cairn_status status = CAIRN_OK, found;
    int top = lua_gettop(example->L);
    example->error = &one;
    for (int i = 1;; i++) {
        example->line = 0;
        snprintf(example->name, sizeof example->name, "%d", i);
        found = policy_seat_example(example->seat, example->module, i, &one);
        if (found == CAIRN_NOT_FOUND)
            return status;
        bool whole = !found;
        if (whole) {
            found = try_example(example);
            lua_settop(example->L, top);
        }
        if (tried)
            tried(arg, example->name, found ? one.message : NULL);
        if (found && !status)
            status = cairn_fail(first, CAIRN_POLICY_ERROR, "%s", one.message);
        if (found && !tried)
            return status; /* one is enough to know */
    }
}

enum cairn_status policy_module_try(struct policy_module *module, policy_tried tried,
                                    void *arg, struct cairn_error *error) {
    struct policy_seat *seat = policy_module_borrow(module);
    if (!seat)
        return cairn_fail(error, CAIRN_POLICY_ERROR,
                          "%s:1: its examples were tried before", module->shown);
    struct example example = {.seat = seat,
                              .module = module,
                              .L = sandbox_state(seat->sandbox),
                              .error = error};
    enum cairn_status status = try_all(&example, tried, arg);
    policy_seat_forget_examples(seat, module);
    policy_module_give_back(module, seat, CAIRN_OK);
    return status;
}
