/* control_place.c -- where control sockets lie, and whether to trust what is there.
 *
 * That nobody serves a socket shows only when one connects: a process that was killed
 * leaves its file behind. Whoever makes or removes one holds a lock on the directory
 * meanwhile (flock on the directory itself, which leaves no file of its own). */
#include "control_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_STEP_MS = 5 };

int64_t control_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum cairn_status control_address(const char *path, struct sockaddr_un *out,
                                  struct cairn_error *error) {
    size_t size = strlen(path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "control: the path of a socket must not be empty");
    if (size >= sizeof out->sun_path)
        return cairn_fail(
            error, CAIRN_INVALID_ARGUMENT,
            "control: the path of a socket has %zu bytes, at most %zu are "
            "possible: %s",
            size, sizeof out->sun_path - 1, path);
    memcpy(out->sun_path, path, size + 1);
    return CAIRN_OK;
}

/* -- The directory ----------------------------------------------------------------- */

/* The part before the last slash. */
static void directory_of(const struct sockaddr_un *address,
                         char out[sizeof address->sun_path]) {
    const char *slash = strrchr(address->sun_path, '/');
    size_t size = slash ? (size_t)(slash - address->sun_path) : 0;
    if (!slash)
        out[size++] = '.';
    else if (size == 0)
        out[size++] = '/';
    else
        memcpy(out, address->sun_path, size);
    out[size] = '\0';
}

static enum cairn_status check_directory(const char *directory, int opened,
                                         struct cairn_error *error) {
    struct stat found;
    if (fstat(opened, &found))
        return cairn_fail(error, CAIRN_IO, "control: cannot look at %s: %s", directory,
                          strerror(errno));
    if (found.st_uid != geteuid())
        return cairn_fail(error, CAIRN_UNAUTHORIZED,
                          "control: the directory %s belongs to user %u, not to %u",
                          directory, (unsigned)found.st_uid, (unsigned)geteuid());
    if (found.st_mode & (S_IWGRP | S_IWOTH))
        return cairn_fail(error, CAIRN_UNAUTHORIZED,
                          "control: others may write to the directory %s (mode %03o)",
                          directory, (unsigned)found.st_mode & 0777);
    return CAIRN_OK;
}

static enum cairn_status open_directory(const char *directory, bool make, int *out,
                                        struct cairn_error *error) {
    if (make && mkdir(directory, S_IRWXU) && errno != EEXIST)
        return cairn_fail(error, CAIRN_IO, "control: cannot make the directory %s: %s",
                          directory, strerror(errno));
    int opened = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (opened < 0)
        return cairn_fail(error, errno == ENOENT ? CAIRN_NOT_FOUND : CAIRN_IO,
                          "control: cannot open the directory %s: %s", directory,
                          strerror(errno));
    enum cairn_status status = check_directory(directory, opened, error);
    if (status)
        close(opened);
    else
        *out = opened;
    return status;
}

enum cairn_status control_lock(const char *path, bool make, int *lock,
                               struct cairn_error *error) {
    struct sockaddr_un address;
    char directory[sizeof address.sun_path];
    enum cairn_status status = control_address(path, &address, error);
    if (!status) {
        directory_of(&address, directory);
        status = open_directory(directory, make, lock, error);
    }
    if (status)
        return status;
    /* Others can read some directories, and could hold the lock for ever. */
    int64_t until_ms = control_now_ms() + CAIRN_CONTROL_PATIENCE_MS;
    while (flock(*lock, LOCK_EX | LOCK_NB)) {
        if ((errno == EWOULDBLOCK || errno == EINTR) && control_now_ms() < until_ms) {
            nanosleep(&(struct timespec){0, LOCK_STEP_MS * 1000000}, NULL);
            continue;
        }
        status = cairn_fail(error, errno == EWOULDBLOCK ? CAIRN_TIMEOUT : CAIRN_IO,
                            "control: cannot lock the directory %s: %s", directory,
                            strerror(errno));
        close(*lock);
        return status;
    }
    return CAIRN_OK;
}

void control_unlock(int lock) {
    close(lock);
}

/* -- Sockets ----------------------------------------------------------------------- */

bool control_is_served(const struct sockaddr_un *address) {
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return true; /* not known: nothing is taken away */
    bool refused = connect(probe, (const void *)address, sizeof *address) &&
                   (errno == ECONNREFUSED || errno == ENOENT);
    close(probe);
    return !refused;
}

bool control_is_trusted(int connection) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size))
        return false;
    return peer.uid == geteuid() || peer.uid == 0;
}

bool cairn_control_discard(const char *path) {
    struct sockaddr_un address;
    struct stat found;
    int lock;
    if (control_address(path, &address, NULL) || control_lock(path, false, &lock, NULL))
        return false;
    bool removed = lstat(path, &found) == 0 && S_ISSOCK(found.st_mode) &&
                   !control_is_served(&address) && unlink(path) == 0;
    control_unlock(lock);
    return removed;
}

/* -- Where programs look ----------------------------------------------------------- */

static bool is_mine(const char *directory) {
    struct stat found;
    return directory[0] == '/' && stat(directory, &found) == 0 &&
           S_ISDIR(found.st_mode) && found.st_uid == geteuid();
}

unsigned cairn_control_directories(char out[2][CAIRN_CONTROL_PATH]) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    unsigned count = 0;
    if (runtime && is_mine(runtime)) {
        int size = snprintf(out[0], CAIRN_CONTROL_PATH, "%s/cairn", runtime);
        count = size < CAIRN_CONTROL_PATH;
    }
    snprintf(out[count++], CAIRN_CONTROL_PATH, "/tmp/cairn-%u", (unsigned)geteuid());
    return count;
}
