/* fs_links.c -- between the target of a link and the text of a symbolic link.
 *
 * What cairn writes at `p/q/r` for the target `x/y` is `../../x/y`: up to the store's
 * root, then down. It survives a move of the store, and other programs can follow it.
 * At the root itself it is `./x/y`, so that ours always begin with a dot. With
 * link_style=prefixed it is `<link_prefix>/x/y`, as HyperBEAM writes it. A link that
 * came with a pack has one segment `.` more, `./../../x/y` (see fs_pack.c).
 *
 * A text is read as the first of these that it can be:
 *  1. `.//x`, `..//x`: ours; the second slash is put in where a known prefix begins
 * with a dot as well, because HyperBEAM never writes two.
 *  2. link_prefix and what is behind it.
 *  3. absolute: the store's own directory, as opened or as it really is, and what is
 *     behind it.
 *  4. in a store that cairn did not make: a prefix that its links have in common
 *     (link_prefix.h, fs_prefix.c) and what is behind it.
 *  5. relative: followed from the link's own directory, if that stays inside. In a
 * store that cairn did not make only what looks as ours, or leads to something: else it
 *     is some HyperBEAM's, and which part is its prefix cannot be told.
 * Anything else is corrupt, by name: it is never followed, and never guessed. */
#include "fs.h"

#include <fcntl.h>
#include <unistd.h>

static size_t depth_of(struct cairn_slice path) {
    size_t depth = 0;
    for (size_t i = 0; i < path.size; i++)
        depth += path.data[i] == '/';
    return depth;
}

enum cairn_status fs_link_text(const struct fs *fs, struct cairn_slice path,
                               struct cairn_slice target, char *text,
                               struct cairn_error *error) {
    size_t depth = depth_of(path);
    size_t size = fs->prefixed ? strlen(fs->prefix) : 3 * depth + 3;
    if (size + target.size + 2 > PATH_MAX)
        return cairn_fail_at(error, CAIRN_NAME_TOO_LONG,
                             "fs: the link's target is too long from here", path);
    char *end = text;
    if (fs->prefixed) {
        end = stpcpy(stpcpy(end, fs->prefix), "/");
    } else {
        end = stpcpy(stpcpy(end, depth ? ".." : "."), fs->dotted ? "//" : "/");
        for (size_t i = 1; i < depth; i++)
            end = stpcpy(end, "../");
    }
    if (target.size)
        memcpy(end, target.data, target.size);
    end[target.size] = '\0';
    return CAIRN_OK;
}

static bool is(struct cairn_slice segment, const char *text) {
    return cairn_slice_equal(segment, cairn_slice_of(text));
}

bool fs_link_is_ours(struct cairn_slice path, struct cairn_slice text) {
    size_t at = 0, seen = 0, depth = depth_of(path);
    struct cairn_slice segment;
    if (text.size == 0 || text.data[0] != '.')
        return false;
    while (cairn_path_next(text, &at, &segment)) {
        bool dot = is(segment, "."), up = is(segment, "..");
        if (seen < (depth ? depth : 1) ? !(depth ? up : dot) : dot || up)
            return false;
        seen++;
    }
    return seen >= depth;
}

/* Only we write a doubled slash behind the first dots. */
static bool is_surely_ours(struct cairn_slice text) {
    return (text.size >= 3 && memcmp(text.data, ".//", 3) == 0) ||
           (text.size >= 4 && memcmp(text.data, "..//", 4) == 0);
}

bool fs_link_follow(struct cairn_slice path, struct cairn_slice text,
                    struct cairn_path *out) {
    struct cairn_slice base = cairn_path_parent(path), segment;
    if (base.size)
        memcpy(out->room, base.data, base.size);
    out->text = (struct cairn_slice){out->room, base.size};

    size_t at = 0;
    while (cairn_path_next(text, &at, &segment)) {
        if (is(segment, "."))
            continue;
        if (is(segment, "..")) {
            if (out->text.size == 0)
                return false;
            out->text = cairn_path_parent(out->text);
        } else if (cairn_path_join(out->text, segment, out, NULL)) {
            return false;
        }
    }
    return true;
}

/* Whether `text` begins with `prefix` and ends there or goes on with '/'. */
static bool strip(struct cairn_slice text, const char *prefix,
                  struct cairn_slice *rest) {
    size_t size = strlen(prefix);
    if (text.size < size || memcmp(text.data, prefix, size) != 0)
        return false;
    *rest = cairn_slice_sub(text, size, text.size - size);
    return rest->size == 0 || rest->data[0] == '/';
}

static bool strip_known(const struct fs *fs, struct cairn_slice text,
                        struct cairn_slice *rest) {
    if (fs->prefix && strip(text, fs->prefix, rest))
        return true;
    return text.size && text.data[0] == '/' &&
           (strip(text, fs->location, rest) || strip(text, fs->real, rest));
}

static bool is_there(const struct fs *fs, struct cairn_slice path) {
    int fd = fs_open(fs, path, O_PATH | O_NOFOLLOW);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* From the top of the store: `rest` was behind a prefix. */
static bool from_root(struct cairn_slice rest, struct cairn_path *out) {
    return fs_link_follow((struct cairn_slice){"", 0}, rest, out);
}

static bool map(const struct fs *fs, struct cairn_slice path, struct cairn_slice text,
                struct cairn_path *out) {
    bool relative = text.size > 0 && text.data[0] != '/';
    struct cairn_slice rest;
    if (is_surely_ours(text))
        return fs_link_follow(path, text, out);
    if (strip_known(fs, text, &rest))
        return from_root(rest, out);
    if (link_prefixes_map(&fs->found, text, out, NULL) == CAIRN_OK)
        return true;
    if (!relative || !fs_link_follow(path, text, out))
        return false;
    return fs->made_by_cairn || fs_link_is_ours(path, text) || is_there(fs, out->text);
}

enum cairn_status fs_link_target(const struct fs *fs, struct cairn_slice path,
                                 struct cairn_slice text, struct cairn_path *out,
                                 struct cairn_error *error) {
    if (map(fs, path, text, out) && fs_check_path(out->text, NULL) == CAIRN_OK)
        return CAIRN_OK;
    return cairn_fail(
        error, CAIRN_CORRUPT,
        "fs: the link '%.*s' to '%.*s' does not lead into the store (if "
        "HyperBEAM wrote it, the option link_prefix says what to take off)",
        path.size > 150 ? 150 : (int)path.size, path.data,
        text.size > 150 ? 150 : (int)text.size, text.data);
}
