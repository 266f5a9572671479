/* fs_prefix.c -- what HyperBEAM put in front of the targets in a store of its.
 *
 * Done once, when a store that cairn did not make is opened without link_prefix: the
 * first links from the top down are the sample from which link_prefix.c concludes.
 * Looks at no more than ENTRIES_MAX entries, however large the store is. */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRIES_MAX 8192

struct survey {
    const struct fs *fs;
    struct cairn_bytes links[LINK_SAMPLE_MAX]; /* texts, owned */
    bool doubtful[LINK_SAMPLE_MAX];            /* look as ours, but dangle */
    size_t link_count;
    bool has_ours;  /* links that are surely ours */
    size_t entries; /* looked at */

    /* Directories to look at, a ring would be too small: what was looked at stays. */
    struct cairn_bytes *groups; /* paths, owned */
    size_t group_count, group_capacity;
    bool no_memory;
};

static void remember(struct survey *survey, struct cairn_bytes *into,
                     struct cairn_slice bytes) {
    *into = (struct cairn_bytes){0};
    if (!cairn_bytes_append(into, bytes))
        survey->no_memory = true;
}

static void add_group(struct survey *survey, struct cairn_slice path) {
    if (survey->group_count == survey->group_capacity) {
        size_t capacity = survey->group_capacity ? survey->group_capacity * 2 : 64;
        void *groups = realloc(survey->groups, capacity * sizeof *survey->groups);
        if (!groups) {
            survey->no_memory = true;
            return;
        }
        survey->groups = groups;
        survey->group_capacity = capacity;
    }
    remember(survey, &survey->groups[survey->group_count++], path);
}

static bool is_there(const struct fs *fs, struct cairn_slice path) {
    int fd = fs_open(fs, path, O_PATH | O_NOFOLLOW);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A link that looks as ours and leads somewhere is ours, and then so are the others
 * that look so. If none of them leads anywhere, it may be a prefix that begins with a
 * dot. */
static void add_link(struct survey *survey, struct cairn_slice path,
                     struct cairn_slice text) {
    struct cairn_path target;
    bool doubtful = fs_link_is_ours(path, text) && fs_link_follow(path, text, &target);
    if (doubtful && is_there(survey->fs, target.text)) {
        survey->has_ours = true;
        return;
    }
    survey->doubtful[survey->link_count] = doubtful;
    remember(survey, &survey->links[survey->link_count++], text);
}

static void look_at(struct survey *survey, int dir, struct cairn_slice group,
                    const char *name) {
    struct cairn_path path;
    char text[PATH_MAX];
    if (cairn_path_join(group, cairn_slice_of(name), &path, NULL) ||
        fs_check_path(path.text, NULL))
        return;
    ssize_t size = readlinkat(dir, name, text, sizeof text);
    if (size > 0 && size < PATH_MAX)
        add_link(survey, path.text, (struct cairn_slice){text, (size_t)size});
}

static void look_into(struct survey *survey, struct cairn_slice group) {
    int fd = fs_open(survey->fs, group, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return; /* gone meanwhile, or not ours to see: the sample is smaller */
    }
    struct dirent *item;
    while (survey->link_count < LINK_SAMPLE_MAX && survey->entries < ENTRIES_MAX &&
           !survey->no_memory && (item = readdir(dir))) {
        const char *name = item->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        survey->entries++;
        if (item->d_type == DT_LNK || item->d_type == DT_UNKNOWN)
            look_at(survey, fd, group, name);
        struct cairn_path path;
        if ((item->d_type == DT_DIR || item->d_type == DT_UNKNOWN) &&
            !cairn_path_join(group, cairn_slice_of(name), &path, NULL) &&
            !fs_check_path(path.text, NULL))
            add_group(survey, path.text);
    }
    closedir(dir);
}

static bool target_is_there(void *arg, struct cairn_slice path) {
    return is_there(arg, path);
}

static enum cairn_status conclude(struct fs *fs, const struct survey *survey,
                                  struct cairn_error *error) {
    struct cairn_slice texts[LINK_SAMPLE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < survey->link_count; i++)
        if (!survey->doubtful[i] || !survey->has_ours)
            texts[count++] = cairn_bytes_slice(&survey->links[i]);
    return link_prefixes_guess(cairn_slice_of(fs->real), texts, count, target_is_there,
                               fs, &fs->found, error);
}

enum cairn_status fs_prefix_find(struct fs *fs, struct cairn_error *error) {
    struct survey *survey = calloc(1, sizeof *survey);
    if (!survey)
        return cairn_fail(error, CAIRN_NO_MEMORY, "fs: no memory to open %s",
                          fs->location);
    survey->fs = fs;
    look_into(survey, (struct cairn_slice){"", 0});
    for (size_t i = 0; i < survey->group_count; i++) {
        /* The array may move while it is walked. */
        struct cairn_path group;
        struct cairn_slice path = cairn_bytes_slice(&survey->groups[i]);
        if (!cairn_path_join((struct cairn_slice){"", 0}, path, &group, NULL))
            look_into(survey, group.text);
    }

    enum cairn_status status =
        survey->no_memory ? cairn_fail(error, CAIRN_NO_MEMORY,
                                       "fs: no memory to open %s", fs->location)
                          : conclude(fs, survey, error);
    for (size_t i = 0; i < survey->link_count; i++)
        cairn_bytes_free(&survey->links[i]);
    for (size_t i = 0; i < survey->group_count; i++)
        cairn_bytes_free(&survey->groups[i]);
    free(survey->groups);
    free(survey);
    return status;
}
