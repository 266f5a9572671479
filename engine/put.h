/* put.h -- writing into room that is known to suffice; each returns its end. */
#ifndef CAIRN_PUT_H
#define CAIRN_PUT_H

#include "cairn/bytes.h"

static inline char *put_slice(char *out, struct cairn_slice bytes) {
    if (bytes.size)
        memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

static inline char *put_text(char *out, const char *text) {
    return put_slice(out, cairn_slice_of(text));
}

/* `%2f`, in lower case. */
static inline char *put_percent(char *out, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    *out++ = '%';
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
    return out;
}

#endif
