/* structured_syntax.h -- the characters of structured fields (RFC 9651, section 3). */
#ifndef CAIRN_STRUCTURED_SYNTAX_H
#define CAIRN_STRUCTURED_SYNTAX_H

#include "cairn/structured.h"

#define STRUCTURED_INTEGER_MOST 999999999999999 /* 15 digits */

static inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static inline bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static inline bool is_printable(char c) {
    return c >= ' ' && c <= '~';
}

static inline bool is_one_of(char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

static inline bool is_key_character(char c, unsigned flags) {
    if (is_lower(c) || is_digit(c) || is_one_of(c, "_-.*"))
        return true;
    return (flags & CAIRN_STRUCTURED_LAX) && (is_alpha(c) || is_one_of(c, "%/?&+"));
}

static inline bool is_key_start(char c, unsigned flags) {
    if (flags & CAIRN_STRUCTURED_LAX)
        return is_key_character(c, flags);
    return is_lower(c) || c == '*';
}

static inline bool is_token_start(char c) {
    return is_alpha(c) || c == '*';
}

static inline bool is_token_character(char c) {
    return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~:/");
}

#endif
