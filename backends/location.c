/* location.c -- the one name of a directory. */
#include "location.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cairn/path.h"

enum cairn_status location_identify(struct cairn_slice location,
                                    struct cairn_bytes *out,
                                    struct cairn_error *error) {
    char text[PATH_MAX], real[PATH_MAX];
    if (location.size == 0)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a directory must stand behind the ':' of a store's URL");
    if (location.size >= sizeof text - 2 || memchr(location.data, 0, location.size))
        return cairn_fail_at(error, CAIRN_INVALID_ARGUMENT, "not a directory's name",
                             location);
    memcpy(text, location.data, location.size);
    text[location.size] = '\0';

    /* Cut segments off the end until what is left exists. */
    size_t size = location.size;
    while (!realpath(size ? text : ".", real)) {
        if (size == 0)
            return cairn_fail_at(error, CAIRN_IO, "there is no working directory for",
                                 location);
        while (size && text[size - 1] == '/')
            size--;
        while (size && text[size - 1] != '/')
            size--;
        text[size] = '\0';
    }
    /* The rest, without empty segments and dots; what does not exist has no links. */
    size_t at = 0;
    struct cairn_slice rest = cairn_slice_sub(location, size, location.size - size);
    struct cairn_slice segment, name = cairn_slice_of(strcmp(real, "/") ? real : "");
    bool room = cairn_bytes_append(out, name);
    while (room && cairn_path_next(rest, &at, &segment)) {
        if (cairn_slice_equal(segment, cairn_slice_of(".")))
            continue;
        room = cairn_bytes_append(out, cairn_slice_of("/")) &&
               cairn_bytes_append(out, segment);
    }
    if (room && out->size == 0)
        room = cairn_bytes_append(out, cairn_slice_of("/"));
    return room
               ? CAIRN_OK
               : cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a directory's name");
}

bool location_make(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool failed = mkdir(path, 0777) < 0 && errno != EEXIST && errno != EROFS;
        *slash = '/';
        if (failed)
            return false;
    }
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}
