/* scan.c -- members and strings of fields. */
#include "scan.h"

void scan_blanks(struct cairn_slice *text) {
    while (text->size && (text->data[0] == ' ' || text->data[0] == '\t'))
        *text = cairn_slice_sub(*text, 1, text->size - 1);
}

bool scan_comma(struct cairn_slice *text) {
    scan_blanks(text);
    if (!text->size)
        return true;
    if (text->data[0] != ',')
        return false;
    *text = cairn_slice_sub(*text, 1, text->size - 1);
    scan_blanks(text);
    return text->size > 0;
}

enum cairn_status scan_string(struct cairn_slice *text, struct cairn_arena *arena,
                              struct cairn_slice *out) {
    size_t at = 1, size = 0;
    bool escaped = false;
    if (!text->size || text->data[0] != '"')
        return CAIRN_NOT_FOUND;
    for (; at < text->size && text->data[at] != '"'; at++, size++) {
        if (text->data[at] == '\\') {
            escaped = true;
            at++;
        }
    }
    if (at >= text->size)
        return CAIRN_NOT_FOUND;
    const char *from = text->data + 1;
    *text = cairn_slice_sub(*text, at + 1, text->size - at - 1);
    *out = (struct cairn_slice){from, size};
    if (!escaped)
        return CAIRN_OK;
    char *plain = cairn_arena_take(arena, size);
    if (!plain)
        return CAIRN_NO_MEMORY;
    for (size_t i = 0; i < size; i++) {
        from += *from == '\\';
        plain[i] = *from++;
    }
    out->data = plain;
    return CAIRN_OK;
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

enum cairn_status scan_percent(struct cairn_slice text, struct cairn_arena *arena,
                               struct cairn_slice *out) {
    size_t size = 0;
    *out = text;
    if (!text.size || !memchr(text.data, '%', text.size))
        return CAIRN_OK;
    char *plain = cairn_arena_take(arena, text.size);
    if (!plain)
        return CAIRN_NO_MEMORY;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            if (text.size - i < 3 || digit(text.data[i + 1]) < 0 ||
                digit(text.data[i + 2]) < 0)
                return CAIRN_CORRUPT;
            c = (char)(digit(text.data[i + 1]) * 16 + digit(text.data[i + 2]));
            i += 2;
        }
        plain[size++] = c;
    }
    *out = (struct cairn_slice){plain, size};
    return CAIRN_OK;
}
