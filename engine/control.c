/* control.c -- the answering side of a control socket: one thread, which polls.
 *
 * A connection first has its question read, then its answer written, each within
 * CAIRN_CONTROL_PATIENCE_MS. There are places for a few; who comes when all are taken
 * waits in the socket's queue until one is free, which is soon, as nobody may stall. */
#include "control_place.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PLACES = 32, QUEUE = 64, PAUSE_MS = 100 };

struct connection {
    int socket; /* -1: a free place */
    int64_t until_ms;
    size_t asked; /* bytes of the question that came */
    char question[CAIRN_CONTROL_QUESTION + 1];
    bool answers;
    struct cairn_bytes answer;
    size_t sent;
};

struct cairn_control {
    struct sockaddr_un address;
    cairn_control_answer answer;
    void *arg;
    pthread_t thread;
    int stop;     /* an eventfd: readable when it is to stop */
    int listener; /* -1: none */
    dev_t device; /* of the socket's file, which another may have replaced */
    ino_t inode;
    int64_t accept_from_ms; /* not before: there were no descriptors left */
    struct connection places[PLACES];
};

/* -- One connection ---------------------------------------------------------------- */

static void hang_up(struct connection *connection) {
    close(connection->socket);
    cairn_bytes_free(&connection->answer);
    *connection = (struct connection){.socket = -1};
}

static void write_answer(struct connection *connection) {
    struct cairn_bytes *answer = &connection->answer;
    while (connection->sent < answer->size) {
        ssize_t size = send(connection->socket, answer->data + connection->sent,
                            answer->size - connection->sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0)
            break;
        connection->sent += (size_t)size;
    }
    hang_up(connection);
}

static void answer_question(struct cairn_control *control,
                            struct connection *connection, size_t size) {
    control->answer(control->arg, (struct cairn_slice){connection->question, size},
                    &connection->answer);
    connection->answers = true;
    connection->until_ms = control_now_ms() + CAIRN_CONTROL_PATIENCE_MS;
    write_answer(connection);
}

/* What comes behind the line is not looked at. */
static void read_question(struct cairn_control *control,
                          struct connection *connection) {
    size_t room = sizeof connection->question - connection->asked;
    ssize_t size =
        recv(connection->socket, connection->question + connection->asked, room, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        hang_up(connection);
        return;
    }
    const char *end =
        memchr(connection->question + connection->asked, '\n', (size_t)size);
    connection->asked += (size_t)size;
    if (end)
        answer_question(control, connection, (size_t)(end - connection->question));
    else if (connection->asked == sizeof connection->question)
        hang_up(connection); /* too long */
}

static void serve_connection(struct cairn_control *control,
                             struct connection *connection, short events) {
    if (events && connection->answers)
        write_answer(connection);
    else if (events)
        read_question(control, connection);
    else if (control_now_ms() >= connection->until_ms)
        hang_up(connection);
}

/* -- All of them ------------------------------------------------------------------- */

static struct connection *free_place(struct cairn_control *control) {
    for (size_t i = 0; i < PLACES; i++)
        if (control->places[i].socket < 0)
            return &control->places[i];
    return NULL;
}

static void accept_one(struct cairn_control *control) {
    struct connection *place = free_place(control);
    int accepted = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
        bool comes_again = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
        control->accept_from_ms = comes_again ? control_now_ms() + PAUSE_MS : 0;
        return;
    }
    if (!control_is_trusted(accepted)) {
        close(accepted);
        return;
    }
    place->socket = accepted;
    place->until_ms = control_now_ms() + CAIRN_CONTROL_PATIENCE_MS;
}

/* What is polled: what stops, who comes (if there is a place), and each place. */
struct poll_set {
    struct pollfd fds[2 + PLACES];
    int wait_ms;
};

static int sooner(int wait_ms, int64_t at_ms, int64_t now_ms) {
    int64_t left_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    return wait_ms < 0 || left_ms < wait_ms ? (int)left_ms : wait_ms;
}

static void fill_set(struct cairn_control *control, struct poll_set *set) {
    int64_t now_ms = control_now_ms();
    bool pauses = control->accept_from_ms > now_ms;
    bool takes = free_place(control) && !pauses;
    set->wait_ms = pauses ? sooner(-1, control->accept_from_ms, now_ms) : -1;
    set->fds[0] = (struct pollfd){control->stop, POLLIN, 0};
    set->fds[1] = (struct pollfd){takes ? control->listener : -1, POLLIN, 0};
    for (size_t i = 0; i < PLACES; i++) {
        const struct connection *place = &control->places[i];
        short events = place->answers ? POLLOUT : POLLIN;
        set->fds[2 + i] = (struct pollfd){place->socket, events, 0};
        if (place->socket >= 0)
            set->wait_ms = sooner(set->wait_ms, place->until_ms, now_ms);
    }
}

static void *run(void *arg) {
    struct cairn_control *control = arg;
    struct poll_set set;
    for (;;) {
        fill_set(control, &set);
        if (poll(set.fds, 2 + PLACES, set.wait_ms) < 0)
            continue; /* no memory; signals do not come here */
        if (set.fds[0].revents)
            break;
        for (size_t i = 0; i < PLACES; i++)
            if (control->places[i].socket >= 0)
                serve_connection(control, &control->places[i], set.fds[2 + i].revents);
        if (set.fds[1].revents)
            accept_one(control);
    }
    return NULL;
}

/* -- The socket -------------------------------------------------------------------- */

/* The directory is locked. */
static enum cairn_status clear_place(const struct sockaddr_un *address,
                                     struct cairn_error *error) {
    struct stat found;
    const char *path = address->sun_path;
    if (lstat(path, &found))
        return errno == ENOENT
                   ? CAIRN_OK
                   : cairn_fail(error, CAIRN_IO, "control: cannot look at %s: %s", path,
                                strerror(errno));
    if (!S_ISSOCK(found.st_mode))
        return cairn_fail(error, CAIRN_CONFLICT,
                          "control: there is something else at %s", path);
    if (control_is_served(address))
        return cairn_fail(error, CAIRN_CONFLICT, "control: %s is served already", path);
    if (unlink(path))
        return cairn_fail(error, CAIRN_IO, "control: cannot replace %s: %s", path,
                          strerror(errno));
    return CAIRN_OK;
}

/* The file has the mode that the socket has when it is bound. */
static enum cairn_status listen_at(struct cairn_control *control,
                                   struct cairn_error *error) {
    const struct sockaddr_un *address = &control->address;
    struct stat made;
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control->listener < 0 || fchmod(control->listener, S_IRUSR | S_IWUSR) ||
        bind(control->listener, (const void *)address, sizeof *address))
        return cairn_fail(error, CAIRN_IO, "control: cannot make the socket %s: %s",
                          address->sun_path, strerror(errno));
    if (listen(control->listener, QUEUE) || lstat(address->sun_path, &made)) {
        cairn_fail(error, CAIRN_IO, "control: cannot listen at %s: %s",
                   address->sun_path, strerror(errno));
        unlink(address->sun_path);
        return CAIRN_IO;
    }
    control->device = made.st_dev;
    control->inode = made.st_ino;
    return CAIRN_OK;
}

static enum cairn_status make_socket(struct cairn_control *control,
                                     struct cairn_error *error) {
    int lock;
    enum cairn_status status =
        control_lock(control->address.sun_path, true, &lock, error);
    if (status)
        return status;
    status = clear_place(&control->address, error);
    if (!status)
        status = listen_at(control, error);
    control_unlock(lock);
    return status;
}

static void remove_socket(const struct cairn_control *control) {
    const char *path = control->address.sun_path;
    struct stat found;
    int lock;
    if (control_lock(path, false, &lock, NULL))
        return;
    if (lstat(path, &found) == 0 && found.st_dev == control->device &&
        found.st_ino == control->inode)
        unlink(path);
    control_unlock(lock);
}

/* -- From start to end ------------------------------------------------------------- */

/* Signals are for the program's own threads. */
static enum cairn_status start_thread(struct cairn_control *control,
                                      struct cairn_error *error) {
    sigset_t all, before;
    control->stop = eventfd(0, EFD_CLOEXEC);
    if (control->stop < 0)
        return cairn_fail(error, CAIRN_IO, "control: cannot make an eventfd: %s",
                          strerror(errno));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&control->thread, NULL, run, control);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        return cairn_fail(error, CAIRN_IO, "control: cannot start a thread: %s",
                          strerror(code));
    pthread_setname_np(control->thread, "cairn-control");
    return CAIRN_OK;
}

static void free_control(struct cairn_control *control) {
    for (size_t i = 0; i < PLACES; i++)
        if (control->places[i].socket >= 0)
            hang_up(&control->places[i]);
    if (control->listener >= 0)
        close(control->listener);
    if (control->stop >= 0)
        close(control->stop);
    free(control);
}

enum cairn_status cairn_control_serve(const char *path, cairn_control_answer answer,
                                      void *arg, struct cairn_control **out,
                                      struct cairn_error *error) {
    struct cairn_control *control = calloc(1, sizeof *control);
    if (!control)
        return cairn_fail(error, CAIRN_NO_MEMORY, "control: no memory for a socket");
    control->answer = answer;
    control->arg = arg;
    control->stop = control->listener = -1;
    for (size_t i = 0; i < PLACES; i++)
        control->places[i].socket = -1;
    enum cairn_status status = control_address(path, &control->address, error);
    if (!status)
        status = make_socket(control, error);
    if (!status && (status = start_thread(control, error)) != CAIRN_OK)
        remove_socket(control);
    if (status)
        free_control(control);
    else
        *out = control;
    return status;
}

void cairn_control_close(struct cairn_control *control) {
    uint64_t one = 1;
    if (!control)
        return;
    remove_socket(control); /* first: who comes now is told that nobody is there */
    while (write(control->stop, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    pthread_join(control->thread, NULL);
    free_control(control);
}
