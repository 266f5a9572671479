/* worker_handler.h -- the modules that workers run: found, checked, watched.
 *
 * A handler is a Lua file that returns a table with a function `handle`, and may have
 * `init`, `migrate`, `shutdown`. Its source is kept here, once for all loops; each loop
 * compiles it for itself when it first needs a version. A file that changed is
 * compiled, run and looked at in a state of its own before it becomes the version that
 * is used: one that is broken, or gone, leaves the last good one. Nobody needs to be
 * told: a worker asks for the version before each request.
 *
 * Threads: any function may be called from any thread; handlers_close when no handler
 * is used any more. */
#ifndef CAIRN_WORKER_HANDLER_H
#define CAIRN_WORKER_HANDLER_H

#include <lua.h>
#include <stdatomic.h>

#include "cairn/cairn.h"

struct handlers;
struct handler; /* one module; counted */

/* One version of it; counted. */
struct handler_version {
    atomic_uint users;
    uint64_t serial; /* grows with each version of any handler */
    char hash[65];   /* SHA-256 of the source, in hex */
    char *file;      /* as messages name it */
    struct cairn_bytes source;
};

enum { HANDLER_SOURCE_MAX = 4 << 20 };

/* What happens to handlers, for the log: "loaded", "refused", "missing", "restored". */
typedef void (*handlers_report)(void *arg, const char *event, const char *name,
                                const char *version, const char *message);

struct handlers_options {
    const char *path, *cpath; /* package.path and cpath where modules are looked for */
    bool watch;               /* by inotify, with polling where that does not work */
    void (*prepare)(void *arg, lua_State *L); /* what a state in which they are tried
                                                 has besides the standard libraries */
    handlers_report report; /* may be NULL; called from the watching thread, too */
    void *arg;
};

enum cairn_status handlers_open(const struct handlers_options *options,
                                struct handlers **out, struct cairn_error *error);
void handlers_close(struct handlers *handlers); /* NULL is fine */

/* The handler of a module name ("jobs.counter", looked up as `require` would) or of a
 * file (it ends in ".lua" or has a slash). CAIRN_NOT_FOUND, naming where it was looked
 * for; CAIRN_INVALID_ARGUMENT with "file:line: reason" for one that is broken.
 * Retained. */
enum cairn_status handlers_find(struct handlers *handlers, struct cairn_slice name,
                                struct handler **out, struct cairn_error *error);
struct handler *handler_retain(struct handler *handler);
void handler_release(struct handler *handler); /* NULL is fine */
struct cairn_slice handler_name(const struct handler *handler);

/* The serial of the version in use: one atomic read, to be asked before each request.
 */
uint64_t handler_serial(const struct handler *handler);
/* That version, retained. */
struct handler_version *handler_current(struct handler *handler);
void handler_version_release(struct handler_version *version);

/* Looks at all files now. CAIRN_INVALID_ARGUMENT or CAIRN_NOT_FOUND for the first that
 * could not be taken. */
enum cairn_status handlers_reload(struct handlers *handlers, struct cairn_error *error);

/* All of them, with what is wrong with the file as it is now (NULL: nothing). */
void handlers_each(struct handlers *handlers,
                   void (*visit)(void *arg, const char *name, const char *file,
                                 const char *version, uint64_t reloads,
                                 const char *problem),
                   void *arg);

/* Compiles a version in a state and pushes the table that it returns, checked for its
 * shape. For loops, too: unprotected errors cannot happen. CAIRN_INVALID_ARGUMENT with
 * "file:line: reason". */
enum cairn_status handler_load(lua_State *L, const struct handler_version *version,
                               const char *name, struct cairn_error *error);

#endif
