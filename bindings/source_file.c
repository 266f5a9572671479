/* source_file.c -- reads what may be replaced, cut or no file at all meanwhile. */
#include "source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <time.h>
#include <unistd.h>

enum { READ_STEP = 16 << 10 };

void source_hash(struct cairn_slice text, char out[SOURCE_HASH_ROOM]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(text.data ? text.data : "", text.size, hash, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[64] = '\0';
}

/* -- Reading ----------------------------------------------------------------------- */

static enum cairn_status read_all(int file, const char *name, size_t most,
                                  struct cairn_bytes *out, struct cairn_error *error) {
    size_t before = out->size;
    while (out->size - before <= most) {
        if (!cairn_bytes_reserve(out, READ_STEP))
            return cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory to read it", name);
        ssize_t got = read(file, out->data + out->size, READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cairn_fail(error, CAIRN_IO, "%s: cannot read it: %s", name,
                              strerror(errno));
        if (got == 0)
            return CAIRN_OK;
        out->size += (size_t)got;
    }
    return cairn_fail(error, CAIRN_LIMIT, "%s:1: it has over %zu bytes", name, most);
}

static enum cairn_status cannot_open(int directory, const char *name,
                                     struct cairn_error *error) {
    struct stat info;
    int code = errno;
    bool dangles = code == ENOENT &&
                   fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISLNK(info.st_mode);
    if (dangles)
        return cairn_fail(error, CAIRN_IO, "%s: it is a link to what is not there",
                          name);
    return cairn_fail(error, code == ENOENT ? CAIRN_NOT_FOUND : CAIRN_IO,
                      "%s: cannot open it: %s", name, strerror(code));
}

static enum cairn_status look(int file, const char *name, struct stat *status,
                              struct cairn_error *error) {
    if (fstat(file, status) < 0)
        return cairn_fail(error, CAIRN_IO, "%s: cannot look at it: %s", name,
                          strerror(errno));
    if (!S_ISREG(status->st_mode))
        return cairn_fail(error, CAIRN_IO, "%s: it is not a regular file", name);
    return CAIRN_OK;
}

/* Opening must not wait: a pipe would, for a writer. */
enum cairn_status source_read(int directory, const char *name, int flags, size_t most,
                              struct cairn_bytes *out, struct stat *status,
                              struct cairn_error *error) {
    struct stat own;
    int file =
        openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
    if (file < 0)
        return cannot_open(directory, name, error);
    enum cairn_status result = look(file, name, status ? status : &own, error);
    if (!result)
        result = read_all(file, name, most, out, error);
    close(file);
    return result;
}

/* -- Looking ----------------------------------------------------------------------- */

/* File times advance in ticks: one that changed a moment ago may change again and look
 * the same. */
struct source_look source_look_of(const struct stat *status) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (struct source_look){*status, now.tv_sec - status->st_ctim.tv_sec > 1};
}

bool source_looks_same(const struct source_look *look, const struct stat *now) {
    const struct stat *seen = &look->status;
    return look->settled && seen->st_ino == now->st_ino &&
           seen->st_dev == now->st_dev && seen->st_size == now->st_size &&
           seen->st_mtim.tv_sec == now->st_mtim.tv_sec &&
           seen->st_mtim.tv_nsec == now->st_mtim.tv_nsec &&
           seen->st_ctim.tv_sec == now->st_ctim.tv_sec &&
           seen->st_ctim.tv_nsec == now->st_ctim.tv_nsec;
}
