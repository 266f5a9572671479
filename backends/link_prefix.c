/* link_prefix.c -- every way to split every sampled link is a candidate; the candidates
 * are scored and the best is taken (link_prefix.h says what is better).
 *
 * The price: a sample of n links of s segments asks for n * s targets and compares
 * n * s candidates with each other; 256 links of ten segments take milliseconds. */
#include "link_prefix.h"

#include <stdlib.h>

/* Segments of a prefix or link that are looked at. */
#define SEGMENTS_MAX 32

/* A possible prefix and what speaks for it. */
struct candidate {
    struct cairn_slice text; /* borrowed from a tidied link; "" or "/": empty */
    size_t matches;          /* links that begin with it */
    size_t existing;         /* ... whose target is there */
};

struct candidates {
    struct candidate *items; /* owned */
    size_t count;
    size_t capacity;
};

/* One slash for many, none at the end but for the root. */
static enum cairn_status tidy(struct cairn_slice text, struct cairn_bytes *out,
                              struct cairn_error *error) {
    out->size = 0;
    if (!cairn_bytes_reserve(out, text.size + 1))
        return cairn_fail(error, CAIRN_NO_MEMORY,
                          "fs: no memory for a link of %zu bytes", text.size);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '/' || out->size == 0 || out->data[out->size - 1] != '/')
            out->data[out->size++] = text.data[i];
    }
    if (out->size > 1 && out->data[out->size - 1] == '/')
        out->size--;
    return CAIRN_OK;
}

/* What stands behind `prefix` in `text`, both tidy; false if it does not begin so or
 * nothing is left. */
static bool behind(struct cairn_slice text, struct cairn_slice prefix,
                   struct cairn_slice *rest) {
    bool rooted = text.size > 0 && text.data[0] == '/';
    size_t skip = prefix.size;
    if (prefix.size == 0) {
        if (rooted)
            return false;
    } else if (prefix.size > 1 || prefix.data[0] != '/') {
        if (text.size <= prefix.size || text.data[prefix.size] != '/')
            return false;
        skip++;
    }
    if (text.size <= skip || memcmp(text.data, prefix.data, prefix.size) != 0)
        return false;
    *rest = cairn_slice_sub(text, skip, text.size - skip);
    return true;
}

/* The last segment of a tidy path, rooted or not. */
static struct cairn_slice last_segment(struct cairn_slice path) {
    size_t from = path.size;
    while (from > 0 && path.data[from - 1] != '/')
        from--;
    return cairn_slice_sub(path, from, path.size - from);
}

/* True if the prefix is the directory, or the tail of its path. */
static bool names_directory(struct cairn_slice prefix, struct cairn_slice directory) {
    if (prefix.size <= 1 || prefix.data[0] == '/')
        return prefix.size > 1 && cairn_slice_equal(prefix, directory);
    if (directory.size <= prefix.size)
        return false;
    size_t from = directory.size - prefix.size;
    return directory.data[from - 1] == '/' &&
           cairn_slice_equal(cairn_slice_sub(directory, from, prefix.size), prefix);
}

static bool shares_name(struct cairn_slice prefix, struct cairn_slice directory) {
    struct cairn_slice name = last_segment(directory);
    return name.size > 0 && cairn_slice_equal(last_segment(prefix), name);
}

/* True if `a` is the better guess. */
static bool better(const struct candidate *a, const struct candidate *b,
                   struct cairn_slice directory) {
    bool named_a = names_directory(a->text, directory);
    bool named_b = names_directory(b->text, directory);
    if (named_a != named_b)
        return named_a;
    if (a->existing != b->existing)
        return a->existing > b->existing;
    if (a->matches != b->matches)
        return a->matches > b->matches;
    bool shares_a = shares_name(a->text, directory);
    bool shares_b = shares_name(b->text, directory);
    if (shares_a != shares_b)
        return shares_a;
    return a->text.size < b->text.size;
}

static enum cairn_status vote(struct candidates *all, struct cairn_slice prefix,
                              bool there, struct cairn_error *error) {
    size_t i = 0;
    while (i < all->count && !cairn_slice_equal(all->items[i].text, prefix))
        i++;
    if (i == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 64;
        struct candidate *items = realloc(all->items, capacity * sizeof *items);
        if (!items)
            return cairn_fail(error, CAIRN_NO_MEMORY,
                              "fs: no memory for %zu link prefixes", capacity);
        all->items = items;
        all->capacity = capacity;
    }
    if (i == all->count)
        all->items[all->count++] = (struct candidate){.text = prefix};
    all->items[i].matches++;
    all->items[i].existing += there;
    return CAIRN_OK;
}

static bool target_is_there(struct cairn_slice rest, link_target_exists *exists,
                            void *arg) {
    struct cairn_path path;
    return cairn_path_normalize(rest, &path, NULL) == CAIRN_OK && path.text.size > 0 &&
           exists(arg, path.text);
}

/* Votes for every prefix `text` can have, from the relative empty one on. */
static enum cairn_status vote_for_splits(struct candidates *all,
                                         struct cairn_slice text,
                                         link_target_exists *exists, void *arg,
                                         struct cairn_error *error) {
    size_t from = 0;
    for (int segments = 0; segments < SEGMENTS_MAX; segments++) {
        struct cairn_slice prefix = cairn_slice_sub(text, 0, from);
        if (segments == 0 && text.size > 0 && text.data[0] == '/')
            prefix.size = from = 1;
        struct cairn_slice rest;
        if (!behind(text, prefix, &rest))
            break;
        bool everything = prefix.size == 1 && prefix.data[0] == '/';
        enum cairn_status status = CAIRN_OK;
        if (!everything)
            status = vote(all, prefix, target_is_there(rest, exists, arg), error);
        if (status)
            return status;
        size_t start = (size_t)(rest.data - text.data);
        const char *slash = memchr(rest.data, '/', rest.size);
        if (!slash)
            break;
        from = start + (size_t)(slash - rest.data);
    }
    return CAIRN_OK;
}

/* The best candidate for the links that no prefix explains yet; NULL when nothing
 * speaks for any. */
static enum cairn_status elect(struct cairn_slice directory,
                               const struct cairn_bytes *links, size_t count,
                               link_target_exists *exists, void *arg,
                               const struct link_prefixes *known,
                               struct candidates *all, const struct candidate **best,
                               struct cairn_error *error) {
    *best = NULL;
    all->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct cairn_slice link = cairn_bytes_slice(&links[i]);
        struct cairn_slice rest;
        bool explained = false;
        for (size_t k = 0; k < known->count && !explained; k++)
            explained = behind(link, cairn_bytes_slice(&known->texts[k]), &rest);
        if (explained)
            continue;
        enum cairn_status status = vote_for_splits(all, link, exists, arg, error);
        if (status)
            return status;
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct candidate *item = &all->items[i];
        if (item->existing == 0 && !shares_name(item->text, directory))
            continue;
        if (!*best || better(item, *best, directory))
            *best = item;
    }
    return CAIRN_OK;
}

enum cairn_status link_prefixes_add(struct link_prefixes *prefixes,
                                    struct cairn_slice prefix,
                                    struct cairn_error *error) {
    if (prefixes->count == LINK_PREFIX_MAX)
        return cairn_fail(error, CAIRN_LIMIT, "fs: more than %d link prefixes",
                          LINK_PREFIX_MAX);
    enum cairn_status status = tidy(prefix, &prefixes->texts[prefixes->count], error);
    if (!status)
        prefixes->count++;
    return status;
}

static enum cairn_status guess_tidied(struct cairn_slice directory,
                                      const struct cairn_bytes *links, size_t count,
                                      link_target_exists *exists, void *arg,
                                      struct link_prefixes *out,
                                      struct cairn_error *error) {
    struct candidates all = {0};
    enum cairn_status status = CAIRN_OK;
    while (!status && out->count < LINK_PREFIX_MAX) {
        const struct candidate *best;
        status = elect(directory, links, count, exists, arg, out, &all, &best, error);
        if (status || !best)
            break;
        status = link_prefixes_add(out, best->text, error);
    }
    free(all.items);
    return status;
}

enum cairn_status link_prefixes_guess(struct cairn_slice directory,
                                      const struct cairn_slice *texts, size_t count,
                                      link_target_exists *exists, void *arg,
                                      struct link_prefixes *out,
                                      struct cairn_error *error) {
    struct cairn_bytes links[LINK_SAMPLE_MAX] = {{0}};
    struct cairn_bytes home = {0};
    if (count > LINK_SAMPLE_MAX)
        count = LINK_SAMPLE_MAX;
    enum cairn_status status = tidy(directory, &home, error);
    for (size_t i = 0; i < count && !status; i++)
        status = tidy(texts[i], &links[i], error);
    if (!status)
        status = guess_tidied(cairn_bytes_slice(&home), links, count, exists, arg, out,
                              error);
    for (size_t i = 0; i < count; i++)
        cairn_bytes_free(&links[i]);
    cairn_bytes_free(&home);
    return status;
}

/* Of several prefixes that fit, the longest: the others are folders around it. */
static bool strip(const struct link_prefixes *prefixes, struct cairn_slice text,
                  struct cairn_slice *rest) {
    bool found = false;
    for (size_t i = 0; i < prefixes->count; i++) {
        struct cairn_slice tail;
        if (!behind(text, cairn_bytes_slice(&prefixes->texts[i]), &tail))
            continue;
        if (!found || tail.size < rest->size)
            *rest = tail;
        found = true;
    }
    return found;
}

enum cairn_status link_prefixes_map(const struct link_prefixes *prefixes,
                                    struct cairn_slice text, struct cairn_path *out,
                                    struct cairn_error *error) {
    struct cairn_bytes tidied = {0};
    struct cairn_slice rest;
    enum cairn_status status = tidy(text, &tidied, error);
    if (!status && !strip(prefixes, cairn_bytes_slice(&tidied), &rest))
        status = cairn_fail_at(error, CAIRN_NOT_FOUND,
                               "link text begins with no known prefix", text);
    /* The tidied bytes go away: what was found in them must not point there. */
    if (!status)
        status = cairn_path_normalize(rest, out, error);
    if (!status && out->text.data != out->room) {
        memcpy(out->room, out->text.data, out->text.size);
        out->text.data = out->room;
    }
    cairn_bytes_free(&tidied);
    return status;
}

void link_prefixes_free(struct link_prefixes *prefixes) {
    for (size_t i = 0; i < LINK_PREFIX_MAX; i++)
        cairn_bytes_free(&prefixes->texts[i]);
    prefixes->count = 0;
}
