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

/* Copies as much of a path as `room` holds: its two ends, with "..." between. */
static size_t copy_path(char *out, size_t room, struct cairn_slice path) {
    if (path.size <= room) {
        if (path.size)
            memcpy(out, path.data, path.size);
        return path.size;
    }
    size_t head = (room - 3) / 2, tail = room - 3 - head;
    memcpy(out, path.data, head);
    memcpy(out + head, "...", 3);
    memcpy(out + head + 3, path.data + path.size - tail, tail);
    return room;
}

enum cairn_status cairn_fail_at(struct cairn_error *error, enum cairn_status status,
                                const char *what, struct cairn_slice path) {
    if (!error)
        return status;
    size_t size = strlen(what);
    if (size > 200)
        size = 200;
    char *out = error->message;
    memcpy(out, what, size);
    memcpy(out + size, ": '", 3);
    size += 3;
    size += copy_path(out + size, sizeof error->message - size - 2, path);
    out[size] = '\'';
    out[size + 1] = '\0';
    return status;
}
