/* control_ask.c -- the asking side of a control socket. */
#include "control_place.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 16 << 10, WAIT_MOST_MS = 1 << 30 };

struct asking {
    const char *path;
    int connection;
    int64_t until_ms;
    struct cairn_error *error;
};

static enum cairn_status too_late(const struct asking *asking) {
    return cairn_fail(asking->error, CAIRN_TIMEOUT,
                      "control: no answer in time from %s", asking->path);
}

static enum cairn_status fail(const struct asking *asking, const char *what) {
    enum cairn_status status =
        errno == ENOENT || errno == ECONNREFUSED ? CAIRN_NOT_FOUND
        : errno == EPIPE || errno == ECONNRESET  ? CAIRN_UNAVAILABLE
        : errno == EACCES || errno == EPERM      ? CAIRN_UNAUTHORIZED
                                                 : CAIRN_IO;
    return cairn_fail(asking->error, status, "control: cannot %s %s: %s", what,
                      asking->path, strerror(errno));
}

static enum cairn_status wait_for(const struct asking *asking, short events) {
    struct pollfd told = {asking->connection, events, 0};
    for (;;) {
        int64_t left_ms = asking->until_ms - control_now_ms();
        if (left_ms <= 0)
            return too_late(asking);
        int count = poll(&told, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (count > 0)
            return CAIRN_OK;
        if (count < 0 && errno != EINTR)
            return fail(asking, "wait for");
    }
}

/* One whose queue is full lets us wait, which only a blocking socket does. */
static enum cairn_status reach(struct asking *asking) {
    struct sockaddr_un address;
    enum cairn_status status = control_address(asking->path, &address, asking->error);
    if (status)
        return status;
    int64_t left_ms = asking->until_ms - control_now_ms();
    if (left_ms <= 0)
        return too_late(asking);
    struct timeval patience = {left_ms / 1000, left_ms % 1000 * 1000};
    asking->connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (asking->connection < 0)
        return fail(asking, "make a socket for");
    setsockopt(asking->connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(asking->connection, (void *)&address, sizeof address))
        return errno == EAGAIN ? too_late(asking) : fail(asking, "connect to");
    if (geteuid() != 0 && !control_is_trusted(asking->connection))
        return cairn_fail(asking->error, CAIRN_UNAUTHORIZED,
                          "control: %s is served by another user", asking->path);
    return CAIRN_OK;
}

static enum cairn_status send_all(const struct asking *asking,
                                  struct cairn_slice bytes) {
    while (bytes.size) {
        ssize_t sent = send(asking->connection, bytes.data, bytes.size,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes = cairn_slice_sub(bytes, (size_t)sent, bytes.size - (size_t)sent);
        } else if (errno == EAGAIN) {
            enum cairn_status status = wait_for(asking, POLLOUT);
            if (status)
                return status;
        } else if (errno != EINTR) {
            return fail(asking, "ask");
        }
    }
    return CAIRN_OK;
}

static enum cairn_status receive_all(const struct asking *asking, size_t most,
                                     struct cairn_bytes *answer) {
    size_t before = answer->size;
    for (;;) {
        enum cairn_status status = wait_for(asking, POLLIN);
        if (status)
            return status;
        if (!cairn_bytes_reserve(answer, PIECE))
            return cairn_fail(asking->error, CAIRN_NO_MEMORY,
                              "control: no memory for the answer of %s", asking->path);
        ssize_t size =
            recv(asking->connection, answer->data + answer->size, PIECE, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (size < 0)
            return fail(asking, "hear");
        if (size == 0 && answer->size == before)
            return cairn_fail(asking->error, CAIRN_UNAVAILABLE,
                              "control: no answer from %s", asking->path);
        if (size == 0)
            return CAIRN_OK;
        answer->size += (size_t)size;
        if (answer->size - before > most)
            return cairn_fail(asking->error, CAIRN_LIMIT,
                              "control: the answer of %s is longer than %zu bytes",
                              asking->path, most);
    }
}

static enum cairn_status check_question(struct cairn_slice question,
                                        struct cairn_error *error) {
    if (question.size > CAIRN_CONTROL_QUESTION)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "control: a question of %zu bytes, at most %d are possible",
                          question.size, CAIRN_CONTROL_QUESTION);
    if (question.size && memchr(question.data, '\n', question.size))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "control: a question must be one line");
    return CAIRN_OK;
}

enum cairn_status cairn_control_ask(const char *path, struct cairn_slice question,
                                    int64_t wait_ms, size_t most_bytes,
                                    struct cairn_bytes *answer,
                                    struct cairn_error *error) {
    if (wait_ms > WAIT_MOST_MS)
        wait_ms = WAIT_MOST_MS;
    struct asking asking = {path, -1, control_now_ms() + wait_ms, error};
    size_t before = answer->size;
    enum cairn_status status = check_question(question, error);
    if (!status)
        status = reach(&asking);
    if (!status)
        status = send_all(&asking, question);
    if (!status)
        status = send_all(&asking, cairn_slice_of("\n"));
    if (!status)
        status = receive_all(&asking, most_bytes, answer);
    if (asking.connection >= 0)
        close(asking.connection);
    if (status)
        answer->size = before;
    return status;
}
