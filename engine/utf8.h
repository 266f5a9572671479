/* utf8.h -- is it UTF-8 (RFC 3629: no surrogates, nothing overlong)? */
#ifndef CAIRN_UTF8_H
#define CAIRN_UTF8_H

#include "cairn/bytes.h"

static inline bool utf8_follows(unsigned char byte, unsigned char from,
                                unsigned char to) {
    return byte >= from && byte <= to;
}

/* The size of the character that begins there; 0 if none does. */
static inline size_t utf8_character(const unsigned char *at, size_t left) {
    unsigned char lead = at[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (left < size)
        return 0;
    /* The second byte rules out what is overlong, a surrogate or beyond U+10FFFF. */
    unsigned char from = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char to = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (!utf8_follows(at[1], from, to))
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (!utf8_follows(at[i], 0x80, 0xbf))
            return 0;
    }
    return size;
}

static inline bool utf8_valid(struct cairn_slice bytes) {
    const unsigned char *at = (const unsigned char *)bytes.data;
    for (size_t left = bytes.size; left;) {
        size_t size = utf8_character(at, left);
        if (!size)
            return false;
        at += size;
        left -= size;
    }
    return true;
}

#endif
