/* sandbox_format.c -- string.format. Numbers are written by the C library, one at a
 * time, after their specification was found to be one of the few it needs to know. */
#include "sandbox_limits.h"

#include <math.h>
#include <stdio.h>

enum {
    SPEC_ROOM = 32,  /* of a specification, with what is added for C */
    SPEC_MAX = 20,   /* of one as it is written */
    ITEM_ROOM = 512, /* of a number: 1e308 with 99 digits behind its point is longest */
    WHOLE_STRING = 100, /* no width can be wider, so longer ones are not padded */
    NUMBER_STEPS = 32,
};

struct format {
    lua_State *L;
    struct sandbox_text text;
    int argument, last;   /* indices on the stack */
    char spec[SPEC_ROOM]; /* "%-5d", with a NUL behind it */
    size_t spec_size;
};

/* -- Specifications --------------------------------------------------------------- */

/* What each conversion may have besides a width. */
static const struct {
    char conversion;
    bool has_precision;
    const char *flags;
} conversions[] = {
    {'A', true, "-+#0 "}, {'E', true, "-+#0 "}, {'G', true, "-+#0 "},
    {'X', true, "-#0"},   {'a', true, "-+#0 "}, {'c', false, "-"},
    {'d', true, "-+0 "},  {'e', true, "-+#0 "}, {'f', true, "-+#0 "},
    {'g', true, "-+#0 "}, {'i', true, "-+0 "},  {'o', true, "-#0"},
    {'p', false, "-"},    {'s', true, "-"},     {'u', true, "-0"},
    {'x', true, "-#0"},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *at, int most) {
    while (most-- > 0 && is_digit(*at))
        at++;
    return at;
}

/* Flags, two digits, two digits behind a point, the conversion. */
static bool is_good(const char *spec, const char *flags, bool has_precision) {
    const char *at = spec + 1;
    at += strspn(at, flags);
    if (*at == '0')
        return false;
    at = skip_digits(at, 2);
    if (*at == '.' && has_precision)
        at = skip_digits(at + 1, 2);
    return at[0] != '\0' && at[1] == '\0' && strchr("-+ #0.123456789", at[0]) == NULL;
}

static void check_spec(const struct format *format) {
    size_t at = 0;
    while (conversions[at].conversion != format->spec[format->spec_size - 1])
        at++;
    if (!is_good(format->spec, conversions[at].flags, conversions[at].has_precision))
        luaL_error(format->L, "invalid conversion specification: '%s'", format->spec);
}

/* Reads "%-5d" at `from`; returns what is behind it. */
static const char *read_spec(struct format *format, const char *from) {
    size_t size = 1 + strspn(from + 1, "-+ #0123456789.");
    if (size > SPEC_MAX)
        luaL_error(format->L, "invalid format (too long)");
    size += from[size] != '\0';
    memcpy(format->spec, from, size);
    format->spec[size] = '\0';
    format->spec_size = size;
    return from + size;
}

/* -- Numbers ---------------------------------------------------------------------- */

/* "%5d" becomes "%5lld". */
static void add_integer(struct format *format) {
    char *conversion = format->spec + format->spec_size - 1, last = *conversion;
    long long value = (long long)luaL_checkinteger(format->L, format->argument);
    check_spec(format);
    memcpy(conversion, "ll", 2);
    conversion[2] = last;
    conversion[3] = '\0';
    char *room = sandbox_text_room(&format->text, ITEM_ROOM);
    format->text.size += (size_t)snprintf(room, ITEM_ROOM, format->spec, value);
}

static void add_number(struct format *format) {
    double value = (double)luaL_checknumber(format->L, format->argument);
    check_spec(format);
    char *room = sandbox_text_room(&format->text, ITEM_ROOM);
    format->text.size += (size_t)snprintf(room, ITEM_ROOM, format->spec, value);
}

static void add_pointer(struct format *format) {
    const void *value = lua_topointer(format->L, format->argument);
    check_spec(format);
    char *room = sandbox_text_room(&format->text, ITEM_ROOM);
    format->text.size += (size_t)snprintf(room, ITEM_ROOM, format->spec, value);
}

static void add_character(struct format *format) {
    int value = (int)luaL_checkinteger(format->L, format->argument);
    check_spec(format);
    char *room = sandbox_text_room(&format->text, ITEM_ROOM);
    format->text.size += (size_t)snprintf(room, ITEM_ROOM, format->spec, value);
}

/* -- Strings ---------------------------------------------------------------------- */

static void add_string(struct format *format) {
    size_t size;
    const char *data = sandbox_totext(format->L, format->argument, &size);
    check_spec(format);
    bool is_whole =
        format->spec_size == 2 || (size >= WHOLE_STRING && !strchr(format->spec, '.'));
    if (format->spec_size > 2)
        luaL_argcheck(format->L, !memchr(data, '\0', size), format->argument,
                      "string contains zeros");
    if (is_whole) {
        sandbox_text_add(&format->text, data, size);
    } else {
        char *room = sandbox_text_room(&format->text, ITEM_ROOM);
        format->text.size += (size_t)snprintf(room, ITEM_ROOM, format->spec, data);
    }
}

/* A byte of a literal. A digit behind "\1" would become part of it. */
static void quote_byte(struct sandbox_text *text, unsigned char c, bool digit_follows) {
    char escape[8];
    if (c == '"' || c == '\\' || c == '\n') {
        char pair[2] = {'\\', (char)c};
        sandbox_text_add(text, pair, 2);
    } else if (c < ' ' || c == 0x7f) {
        int size =
            snprintf(escape, sizeof escape, digit_follows ? "\\%03d" : "\\%d", c);
        sandbox_text_add(text, escape, (size_t)size);
    } else {
        sandbox_text_add(text, (const char *)&c, 1);
    }
}

static void quote_string(struct format *format) {
    size_t size;
    const char *data = lua_tolstring(format->L, format->argument, &size);
    sandbox_text_add(&format->text, "\"", 1);
    for (size_t i = 0; i < size; i++)
        quote_byte(&format->text, (unsigned char)data[i],
                   i + 1 < size && is_digit(data[i + 1]));
    sandbox_text_add(&format->text, "\"", 1);
}

/* In hexadecimal nothing is lost. The least integer has no decimal literal. */
static void quote_number(struct format *format) {
    char room[64];
    int size;
    double value = (double)lua_tonumber(format->L, format->argument);
    if (lua_isinteger(format->L, format->argument)) {
        lua_Integer integer = lua_tointeger(format->L, format->argument);
        size =
            snprintf(room, sizeof room, integer == LUA_MININTEGER ? "0x%llx" : "%lld",
                     (long long)integer);
    } else if (isnan(value)) {
        size = snprintf(room, sizeof room, "(0/0)");
    } else if (isinf(value)) {
        size = snprintf(room, sizeof room, value < 0 ? "-1e9999" : "1e9999");
    } else {
        size = snprintf(room, sizeof room, "%a", value);
    }
    sandbox_text_add(&format->text, room, (size_t)size);
}

static void add_quoted(struct format *format) {
    size_t size;
    if (format->spec_size > 2)
        luaL_error(format->L, "specifier '%%q' cannot have modifiers");
    switch (lua_type(format->L, format->argument)) {
    case LUA_TSTRING:
        quote_string(format);
        break;
    case LUA_TNUMBER:
        quote_number(format);
        break;
    case LUA_TNIL:
    case LUA_TBOOLEAN:
        sandbox_totext(format->L, format->argument, &size);
        sandbox_text_add(&format->text, lua_tostring(format->L, -1), size);
        break;
    default:
        luaL_argerror(format->L, format->argument, "value has no literal form");
    }
}

/* -- All of it -------------------------------------------------------------------- */

/* Values are looked at before what is asked of them. */
static void add_item(struct format *format) {
    char conversion = format->spec[format->spec_size - 1];
    if (++format->argument > format->last)
        luaL_argerror(format->L, format->argument, "no value");
    sandbox_charge(format->L, NUMBER_STEPS);
    if (conversion == 'q')
        add_quoted(format);
    else if (conversion == 's')
        add_string(format);
    else if (conversion == 'c')
        add_character(format);
    else if (strchr("diouxX", conversion))
        add_integer(format);
    else if (strchr("aAeEfgG", conversion))
        add_number(format);
    else if (conversion == 'p' && sandbox_of(format->L)->is_trusted)
        add_pointer(format);
    else if (conversion == 'p')
        luaL_error(format->L, "'%%p' shows addresses, which are never the same");
    else
        luaL_error(format->L, "invalid conversion '%s' to 'format'", format->spec);
}

int sandbox_string_format(lua_State *L) {
    size_t size;
    struct format format = {.L = L, .argument = 1, .last = lua_gettop(L)};
    const char *at = luaL_checklstring(L, 1, &size), *end = at + size;
    sandbox_charge(L, 1);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    sandbox_text_begin(L, &format.text);
    int top = lua_gettop(L);
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        const char *stop = percent ? percent : end;
        sandbox_text_add(&format.text, at, (size_t)(stop - at));
        at = stop;
        if (percent && percent[1] == '%') {
            sandbox_text_add(&format.text, "%", 1);
            at += 2;
        } else if (percent) {
            at = read_spec(&format, percent);
            add_item(&format);
            lua_settop(L, top);
        }
    }
    sandbox_text_end(&format.text);
    return 1;
}
