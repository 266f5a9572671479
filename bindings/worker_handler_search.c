/* worker_handler_search.c -- where the module of a name lies, as `require` has it. */
#include <fcntl.h>
#include <unistd.h>

#include "worker_handler_inner.h"

static bool is_file(const char *name) {
    size_t size = strlen(name);
    return strchr(name, '/') || (size > 4 && strcmp(name + size - 4, ".lua") == 0);
}

/* Appends the template with the name in it, and a terminator; `require` does the same.
 */
static bool expand(struct cairn_bytes *out, struct cairn_slice template,
                   const char *name) {
    for (size_t i = 0; i < template.size; i++) {
        struct cairn_slice piece = {template.data + i, 1};
        size_t from = out->size;
        bool is_name = template.data[i] == '?';
        if (!cairn_bytes_append(out, is_name ? cairn_slice_of(name) : piece))
            return false;
        for (size_t at = from; is_name && at < out->size; at++)
            if (out->data[at] == '.')
                out->data[at] = '/';
    }
    return cairn_bytes_append(out, (struct cairn_slice){"", 1});
}

struct search {
    struct handlers *handlers;
    const char *name;
    struct cairn_bytes file;   /* the one that is there; terminated */
    struct cairn_bytes looked; /* ": no file 'x', no file 'y'" */
};

/* CAIRN_NOT_FOUND without a message: not this one. */
static enum cairn_status look_there(struct search *search) {
    const char *file = search->file.data;
    if (faccessat(search->handlers->origin, file, R_OK, 0) == 0)
        return CAIRN_OK;
    const char *before = search->looked.size ? ", no file '" : ": no file '";
    bool noted = cairn_bytes_append(&search->looked, cairn_slice_of(before)) &&
                 cairn_bytes_append(&search->looked, cairn_slice_of(file)) &&
                 cairn_bytes_append(&search->looked, cairn_slice_of("'"));
    return noted ? CAIRN_NOT_FOUND : CAIRN_NO_MEMORY;
}

static enum cairn_status search_path(struct search *search, const char *path) {
    enum cairn_status status = CAIRN_NOT_FOUND;
    while (status == CAIRN_NOT_FOUND && *path) {
        size_t size = strcspn(path, ";");
        search->file.size = 0;
        if (size &&
            !expand(&search->file, cairn_slice_sub(cairn_slice_of(path), 0, size),
                    search->name))
            return CAIRN_NO_MEMORY;
        if (size)
            status = look_there(search);
        path += size + (path[size] == ';');
    }
    return status;
}

/* One that is there but cannot be read is found: reading says why it cannot. */
static enum cairn_status search_file(struct search *search) {
    struct cairn_slice name = {search->name, strlen(search->name) + 1};
    if (!cairn_bytes_append(&search->file, name))
        return CAIRN_NO_MEMORY;
    bool is_there = faccessat(search->handlers->origin, name.data, F_OK, 0) == 0;
    return is_there ? CAIRN_OK : look_there(search);
}

enum cairn_status handler_locate(struct handlers *handlers, const char *name,
                                 char **file, struct cairn_error *error) {
    struct search search = {.handlers = handlers, .name = name};
    enum cairn_status status = is_file(name)
                                   ? search_file(&search)
                                   : search_path(&search, handlers->options.path);
    if (status == CAIRN_NOT_FOUND)
        cairn_fail(error, status, "handler '%s' is not there%.*s", name,
                   (int)search.looked.size,
                   search.looked.data ? search.looked.data : "");
    else if (status)
        cairn_fail(error, status, "handler '%s': no memory to look for it", name);
    cairn_bytes_free(&search.looked);
    *file = search.file.data;
    if (status) {
        cairn_bytes_free(&search.file);
        *file = NULL;
    }
    return status;
}

char *handler_directory(const struct handlers *handlers, const char *file) {
    const char *slash = strrchr(file, '/');
    size_t size = slash ? (size_t)(slash - file) : 0;
    struct cairn_bytes path = {0};
    bool room = true;
    if (slash == file)
        size = 1; /* the root */
    if (file[0] != '/')
        room = cairn_bytes_append(&path, cairn_slice_of(handlers->origin_path));
    if (file[0] != '/' && size)
        room = room && cairn_bytes_append(&path, cairn_slice_of("/"));
    room = room && cairn_bytes_append(&path, (struct cairn_slice){file, size}) &&
           cairn_bytes_append(&path, (struct cairn_slice){"", 1});
    if (!room)
        cairn_bytes_free(&path);
    return path.data;
}
