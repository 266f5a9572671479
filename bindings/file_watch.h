/* file_watch.h -- tells when something in some directories may have changed.
 *
 * By inotify, on the directories and on the ones that they lie in (or would lie in):
 * they may not be there yet, or be replaced as a whole. Who watches looks at all files
 * when it is told, and also when file_watch_patience has passed: not everything is told
 * (a link's target lies elsewhere), and inotify may not work at all, as its limits are
 * few and shared by all programs of a user.
 *
 * Threads: one has it. */
#ifndef CAIRN_FILE_WATCH_H
#define CAIRN_FILE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct file_watch {
    int inotify;  /* to be polled for input; -1: nothing is told */
    bool *around; /* by watch descriptor: it is on one that directories lie in */
    size_t around_room;
};

#define FILE_WATCH_NONE                                                                \
    { .inotify = -1 }

enum { FILE_WATCH_LOOK_MS = 2000, FILE_WATCH_POLL_MS = 200 };

/* What was told. */
struct file_news {
    bool any;
    bool moved; /* what is watched may be another thing now: begin anew */
};

/* Watches these, absolute, and nothing else any more. Anew each time: watches are on
 * directories and not on names. False: inotify does not work. */
bool file_watch_begin(struct file_watch *watch, const char *const *directories,
                      size_t count);
void file_watch_end(struct file_watch *watch);

/* Adds to the news what has been told by now; never waits. */
void file_watch_read(struct file_watch *watch, struct file_news *news);
/* Who saves a file may touch it more than once: waits for a little quiet. */
void file_watch_settle(struct file_watch *watch, struct file_news *news);

/* How long to wait to be told, in ms. */
int file_watch_patience(const struct file_watch *watch);

#endif
