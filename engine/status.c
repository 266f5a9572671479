/* status.c -- words for statuses, and sentences for failures. */
#include "cairn/status.h"

#include <stdio.h>

static const char *const words[CAIRN_STATUS_COUNT] = {"ok",
#define X(name, word) #word,
                                                      CAIRN_STATUS_MAP(X)
#undef X
};

const char *cairn_status_word(enum cairn_status status) {
    return (unsigned)status < CAIRN_STATUS_COUNT ? words[status] : "unknown";
}

enum cairn_status cairn_fail(struct cairn_error *error, enum cairn_status status,
                             const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

/* Appends bytes, a NUL as \x00: it would end the message just where that is about it.
 * Returns the new size; stops when `room` is full. */
static size_t append(char *out, size_t size, size_t room, struct cairn_slice bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        bool ends = bytes.data[i] == '\0';
        if (size + (ends ? 4 : 1) > room)
            break;
        if (ends)
            memcpy(out + size, "\\x00", 4);
        else
            out[size] = bytes.data[i];
        size += ends ? 4 : 1;
    }
    return size;
}

enum cairn_status cairn_fail_at(struct cairn_error *error, enum cairn_status status,
                                const char *what, struct cairn_slice path) {
    if (!error)
        return status;
    char *out = error->message;
    const size_t room = sizeof error->message - 2; /* the last quote, the end */
    size_t size = append(out, 0, 200, cairn_slice_of(what));
    size = append(out, size, room, cairn_slice_of(": '"));
    if (path.size <= room - size) {
        size = append(out, size, room, path);
    } else { /* its two ends */
        size_t head = (room - size - 3) / 2, tail = room - size - 3 - head;
        size = append(out, size, size + head, cairn_slice_sub(path, 0, head));
        size = append(out, size, room, cairn_slice_of("..."));
        size = append(out, size, room, cairn_slice_sub(path, path.size - tail, tail));
    }
    out[size] = '\'';
    out[size + 1] = '\0';
    return status;
}
