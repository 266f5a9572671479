/* store.c -- opening and closing: one core for each open place, handles on it. */
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h> /* inlined: it is on the way of every read */

#include "core.h"
#include "value.h"

/* The cores of this process that can be shared. Held while one is opened or closed, so
 * that two threads never open one place twice. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct core *open_cores;

uint64_t core_hash(const struct core *core, struct cairn_slice path) {
    return XXH3_64bits_withSeed(path.data, path.size, core->seed);
}

void core_removal_begin(struct core *core) {
    pthread_rwlock_rdlock(&core->gate);
    atomic_fetch_add(&core->removing, 1);
    atomic_fetch_add(&core->epoch, 1);
}

void core_removal_end(struct core *core) {
    atomic_fetch_add(&core->epoch, 1);
    atomic_fetch_sub(&core->removing, 1);
    pthread_rwlock_unlock(&core->gate);
}

/* "name=value" lines, to compare what two opens asked for. */
static bool write_settings(struct cairn_bytes *out,
                           const struct cairn_setting *settings, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!cairn_bytes_append(out, settings[i].name) ||
            !cairn_bytes_append(out, cairn_slice_of("=")) ||
            !cairn_bytes_append(out, settings[i].value) ||
            !cairn_bytes_append(out, cairn_slice_of("\n")))
            return false;
    return true;
}

static char *make_url(const struct cairn_backend *backend,
                      struct cairn_slice location) {
    size_t scheme = strlen(backend->name);
    char *url = malloc(scheme + 1 + location.size + 1);
    if (!url)
        return NULL;
    memcpy(url, backend->name, scheme);
    url[scheme] = ':';
    if (location.size)
        memcpy(url + scheme + 1, location.data, location.size);
    url[scheme + 1 + location.size] = '\0';
    return url;
}

/* Frees a core whose backend is closed or was never opened. */
static void core_free(struct core *core) {
    stripes_destroy(&core->stripes);
    pthread_rwlock_destroy(&core->gate);
    cairn_bytes_free(&core->identity);
    cairn_bytes_free(&core->settings);
    free(core->url);
    free(core);
}

static struct core *core_new(const struct cairn_backend *backend,
                             struct cairn_slice location,
                             const struct cairn_setting *settings, size_t count) {
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->backend = backend;
    core->handles = 1;
    stripes_init(&core->stripes);
    pthread_rwlock_init(&core->gate, NULL);
    core->url = make_url(backend, location);
    if (!core->url || !write_settings(&core->settings, settings, count) ||
        getrandom(&core->seed, sizeof core->seed, 0) != sizeof core->seed) {
        core_free(core);
        return NULL;
    }
    return core;
}

static enum cairn_status start(struct core *core, struct cairn_slice location,
                               const struct cairn_setting *settings, size_t count,
                               struct cairn_error *error) {
    const struct cairn_backend *backend = core->backend;
    enum cairn_status status =
        backend->open(location, settings, count, &core->self, error);
    if (status)
        return status;
    core->capabilities = backend->capabilities_of ? backend->capabilities_of(core->self)
                                                  : backend->capabilities;
    if (backend->chunk_bytes && core->capabilities & CAIRN_CAN_PERSIST)
        status = value_sweep(core, error);
    if (status)
        backend->close(core->self);
    return status;
}

static struct core *open_core_named(const struct cairn_backend *backend,
                                    struct cairn_slice identity) {
    if (identity.size == 0) /* never shared */
        return NULL;
    for (struct core *core = open_cores; core; core = core->next)
        if (core->backend == backend &&
            cairn_slice_equal(cairn_bytes_slice(&core->identity), identity))
            return core;
    return NULL;
}

/* A second handle on what is open: only with the same settings, or with none. */
static enum cairn_status join(struct core *open, const struct core *asked,
                              struct cairn_error *error) {
    if (asked->settings.size && !cairn_slice_equal(cairn_bytes_slice(&asked->settings),
                                                   cairn_bytes_slice(&open->settings)))
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "%s: is open already, with other options", asked->url);
    open->handles++;
    return CAIRN_OK;
}

/* Called with open_lock held. Takes `*core` over: it may become another. */
static enum cairn_status open_or_join(struct core **core, struct cairn_slice location,
                                      const struct cairn_setting *settings,
                                      size_t count, struct cairn_error *error) {
    const struct cairn_backend *backend = (*core)->backend;
    enum cairn_status status =
        cairn_options_check(backend->name, backend->options, settings, count, error);
    if (status)
        return status;
    if (backend->identify) {
        status = backend->identify(location, &(*core)->identity, error);
        if (status)
            return status;
        struct core *open =
            open_core_named(backend, cairn_bytes_slice(&(*core)->identity));
        if (open) {
            status = join(open, *core, error);
            if (!status) {
                core_free(*core);
                *core = open;
            }
            return status;
        }
    }
    status = start(*core, location, settings, count, error);
    if (!status) {
        (*core)->next = open_cores;
        open_cores = *core;
    }
    return status;
}

enum cairn_status cairn_store_open(const struct cairn_backend *backend,
                                   struct cairn_slice location,
                                   const struct cairn_setting *settings, size_t count,
                                   struct cairn_store **out,
                                   struct cairn_error *error) {
    struct cairn_store *store = calloc(1, sizeof *store);
    struct core *core = store ? core_new(backend, location, settings, count) : NULL;
    if (!core) {
        free(store);
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory to open a store");
    }
    pthread_mutex_lock(&open_lock);
    enum cairn_status status = open_or_join(&core, location, settings, count, error);
    pthread_mutex_unlock(&open_lock);
    if (status) {
        core_free(core);
        free(store);
        return status;
    }
    store->core = core;
    *out = store;
    return CAIRN_OK;
}

static void core_release(struct core *core) {
    pthread_mutex_lock(&open_lock);
    if (--core->handles == 0) {
        struct core **at = &open_cores;
        while (*at != core)
            at = &(*at)->next;
        *at = core->next;
        core->backend->close(core->self);
        core_free(core);
    }
    pthread_mutex_unlock(&open_lock);
}

void cairn_store_close(struct cairn_store *store) {
    if (!store)
        return;
    if (store->snapshot)
        store->core->backend->snapshot_release(store->core->self, store->snapshot);
    core_release(store->core);
    free(store);
}

enum cairn_status cairn_store_snapshot(struct cairn_store *store,
                                       struct cairn_store **out,
                                       struct cairn_error *error) {
    struct core *core = store->core;
    if (!core->backend->snapshot)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "%s: has no snapshots", core->url);
    if (store->snapshot)
        return cairn_fail(error, CAIRN_UNSUPPORTED, "a snapshot of a snapshot");
    struct cairn_store *frozen = calloc(1, sizeof *frozen);
    if (!frozen)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a snapshot");
    enum cairn_status status =
        core->backend->snapshot(core->self, &frozen->snapshot, error);
    if (status) {
        free(frozen);
        return status;
    }
    pthread_mutex_lock(&open_lock);
    core->handles++;
    pthread_mutex_unlock(&open_lock);
    frozen->core = core;
    *out = frozen;
    return CAIRN_OK;
}

const char *cairn_store_url(const struct cairn_store *store) {
    return store->core->url;
}

enum cairn_scope cairn_store_scope(const struct cairn_store *store) {
    return store->core->backend->scope;
}

unsigned cairn_store_capabilities(const struct cairn_store *store) {
    return store->core->capabilities;
}
