/* find.c -- path resolution.
 *
 * The common case is one look-up: nothing is ever stored beneath a link, so an entry at
 * the full path is the answer. Only a miss looks at the ancestors, top down, for a link
 * or for a pack that carries the child. */
#include "find.h"

#include <sched.h>

#include "plan.h"

/* Ancestors that are fetched at once. */
enum { BLOCK = 8 };

/* How one round ended: a link means another round from its target. */
enum round { DONE, HOP };

struct finder plan_finder(struct plan *plan) {
    return (struct finder){plan->core, plan->context, NULL, plan};
}

/* Whether what was once seen may be relied on: the present of a store that nobody but
 * us changes, and that forgets nothing by itself. In a store that others change as
 * well, a plan may: the backend notices, and it is planned again (plan_commit). */
static bool may_know(const struct finder *finder, struct cairn_slice group) {
    unsigned capabilities = finder->core->capabilities;
    if (finder->snapshot || capabilities & CAIRN_IS_LOSSY)
        return false;
    if (!finder->plan)
        return !(capabilities & CAIRN_IS_SHARED);
    return finder->plan->trusts && !plan_changes(finder->plan, group);
}

static enum cairn_status bury(const struct finder *finder, enum cairn_status status,
                              struct cairn_view *view) {
    if (!status && core_expired(&view->entry, finder->context))
        view->entry.kind = CAIRN_TOMBSTONE;
    return status;
}

/* The entry at exactly this path. What has expired is a tombstone: it is not there, and
 * hides what the pack has under its name. */
static enum cairn_status look(const struct finder *finder, struct cairn_slice path,
                              unsigned want, struct cairn_view *view,
                              struct cairn_error *error) {
    struct core *core = finder->core;
    enum cairn_status status;
    if (!finder->plan || !plan_look(finder->plan, path, view, &status)) {
        view->release = NULL;
        status = core->backend->get(core->self, finder->context, finder->snapshot, path,
                                    want, view, error);
    }
    return bury(finder, status, view);
}

/* look() for several paths; with a plan one by one, as the plan must see each. */
static void look_many(const struct finder *finder, const struct cairn_slice *paths,
                      size_t count, struct cairn_view *views,
                      enum cairn_status *statuses, struct cairn_error *error) {
    struct core *core = finder->core;
    unsigned want = core->capabilities & CAIRN_CAN_PACK ? CAIRN_WANT_PAYLOAD : 0;
    if (finder->plan || count == 1 || !core->backend->get_many) {
        for (size_t i = 0; i < count; i++)
            statuses[i] = look(finder, paths[i], want, &views[i], error);
        return;
    }
    for (size_t i = 0; i < count; i++)
        views[i].release = NULL;
    core->backend->get_many(core->self, finder->context, finder->snapshot, paths, count,
                            want, views, statuses, NULL);
    bool told = false;
    for (size_t i = 0; i < count; i++) {
        if (!statuses[i] || statuses[i] == CAIRN_NOT_FOUND || told)
            statuses[i] = bury(finder, statuses[i], &views[i]);
        else /* once more, alone, for its message */
            told = (statuses[i] = look(finder, paths[i], want, &views[i], error));
    }
}

/* The child at `path` in its group's pack. */
static enum cairn_status look_in_pack(const struct finder *finder,
                                      struct cairn_slice pack, struct cairn_slice path,
                                      struct cairn_entry *out,
                                      struct cairn_error *error) {
    enum cairn_status status = cairn_pack_find(pack, cairn_path_name(path), out, error);
    if (status == CAIRN_CORRUPT)
        return cairn_fail_at(error, status,
                             "the pack makes no sense of the group above", path);
    if (!status && core_expired(out, finder->context))
        return CAIRN_NOT_FOUND;
    return status;
}

/* Continues at `target` (which lies in a view, and is not believed to be a path) with
 * `rest` behind it. */
static enum cairn_status hop(struct found *found, struct cairn_slice target,
                             struct cairn_slice rest, struct cairn_error *error) {
    struct cairn_path checked;
    enum cairn_status status = cairn_path_normalize(target, &checked, NULL);
    if (status || !cairn_slice_equal(checked.text, target))
        status = cairn_fail_at(error, CAIRN_CORRUPT,
                               "the target makes no sense of a link "
                               "on the way to",
                               found->path.text);
    else
        status = cairn_path_join(target, rest, &found->path, error);
    cairn_view_release(&found->view);
    return status;
}

static enum cairn_status absent(struct found *found, size_t existing,
                                struct cairn_error *error) {
    found->existing = existing;
    return cairn_fail_at(error, CAIRN_NOT_FOUND, "there is nothing at",
                         found->path.text);
}

/* The way down from the root, one ancestor after the other. */
struct descent {
    struct cairn_view group; /* the deepest group seen; its payload is its pack */
    size_t existing;         /* its path's size */
};

static struct cairn_slice behind(struct cairn_slice path, size_t at) {
    return at < path.size ? cairn_slice_sub(path, at + 1, path.size - at - 1)
                          : (struct cairn_slice){path.data + path.size, 0};
}

/* Judges what is at the path's first `end` bytes: a link ends the descent with a hop, a
 * group is stepped into, anything else ends it. `*going` says whether to go on. */
static enum cairn_status step(const struct finder *finder, struct descent *descent,
                              struct found *found, struct cairn_view *view,
                              enum cairn_status status, size_t end, enum round *round,
                              bool *going, struct cairn_error *error) {
    struct cairn_slice path = found->path.text;
    struct cairn_entry entry;
    *going = false;
    if (!status) {
        entry = view->entry;
    } else if (status == CAIRN_NOT_FOUND && descent->group.entry.payload.size) {
        status = look_in_pack(finder, descent->group.entry.payload,
                              cairn_slice_sub(path, 0, end), &entry, error);
    }
    if (status == CAIRN_NOT_FOUND || (!status && entry.kind == CAIRN_TOMBSTONE))
        return absent(found, descent->existing, error);
    if (status)
        return status;

    if (entry.kind == CAIRN_LINK) {
        *round = HOP;
        return hop(found, entry.payload, behind(path, end), error);
    }
    if (entry.kind == CAIRN_RAW) {
        found->beneath_value = true;
        return absent(found, descent->existing, error);
    }
    cairn_view_release(&descent->group);
    descent->group = *view;
    view->release = NULL;
    descent->existing = end;
    *going = true;
    return CAIRN_OK;
}

/* All ancestors are groups: the child is in the last one's pack, or nowhere. */
static enum cairn_status at_bottom(const struct finder *finder, struct descent *descent,
                                   uint64_t epoch, unsigned flags, struct found *found,
                                   enum round *round, struct cairn_error *error) {
    struct cairn_slice path = found->path.text;
    struct cairn_slice parent = cairn_path_parent(path);
    struct cairn_entry *group = &descent->group.entry;
    if (group->payload.size == 0) {
        if (may_know(finder, parent))
            known_add(&finder->core->known, core_hash(finder->core, parent), epoch);
        return absent(found, descent->existing, error);
    }

    struct cairn_entry child;
    enum cairn_status status =
        look_in_pack(finder, group->payload, path, &child, error);
    if (status == CAIRN_NOT_FOUND)
        return absent(found, descent->existing, error);
    if (status)
        return status;
    if (child.kind == CAIRN_LINK && (flags & FIND_FOLLOW)) {
        *round = HOP;
        return hop(found, child.payload, (struct cairn_slice){"", 0}, error);
    }
    child.created_ms = group->created_ms;
    child.modified_ms = group->modified_ms;
    found->view = descent->group;
    found->view.entry = child;
    found->packed = true;
    descent->group.release = NULL;
    return CAIRN_OK;
}

/* Nothing at the full path: look at the ancestors, from the top. */
static enum cairn_status descend(const struct finder *finder, uint64_t epoch,
                                 unsigned flags, struct found *found, enum round *round,
                                 struct cairn_error *error) {
    struct cairn_slice path = found->path.text;
    size_t depth = cairn_path_parent(path).size;
    struct descent descent = {.group = {.entry = {.kind = CAIRN_GROUP}}};
    enum cairn_status status = CAIRN_OK;
    bool going = true;

    for (size_t at = 0; going && !status && at < depth;) {
        struct cairn_slice paths[BLOCK], segment;
        struct cairn_view views[BLOCK];
        enum cairn_status statuses[BLOCK];
        size_t count = 0;
        while (count < BLOCK && at < depth && cairn_path_next(path, &at, &segment))
            paths[count++] = cairn_slice_sub(path, 0, at);
        look_many(finder, paths, count, views, statuses, error);
        for (size_t i = 0; i < count; i++) {
            if (going && !status)
                status = step(finder, &descent, found, &views[i], statuses[i],
                              paths[i].size, round, &going, error);
            if (!statuses[i])
                cairn_view_release(&views[i]);
        }
    }
    if (going && !status)
        status = at_bottom(finder, &descent, epoch, flags, found, round, error);
    cairn_view_release(&descent.group);
    return status;
}

/* One round: judges what a look at `path` itself has answered. */
static enum cairn_status judge(const struct finder *finder, uint64_t epoch,
                               unsigned flags, enum cairn_status looked,
                               struct found *found, enum round *round,
                               struct cairn_error *error) {
    struct core *core = finder->core;
    struct cairn_slice path = found->path.text, parent = cairn_path_parent(path);
    *round = DONE;
    if (!looked) {
        if (found->view.entry.kind == CAIRN_TOMBSTONE) {
            found->leftover = true;
            cairn_view_release(&found->view);
            return absent(found, parent.size, error);
        }
        if (found->view.entry.kind != CAIRN_LINK || !(flags & FIND_FOLLOW))
            return CAIRN_OK;
        *round = HOP;
        return hop(found, found->view.entry.payload, (struct cairn_slice){"", 0},
                   error);
    }
    found->view.release = NULL;
    if (looked != CAIRN_NOT_FOUND)
        return looked;
    if (parent.size == 0)
        return absent(found, 0, error);

    if (may_know(finder, parent)) {
        uint64_t hash = core_hash(core, parent);
        if (finder->plan)
            plan_touch(finder->plan, hash, false);
        if (known_has(&core->known, hash, epoch))
            return absent(found, parent.size, error);
    }
    return descend(finder, epoch, flags, found, round, error);
}

static enum cairn_status look_here(const struct finder *finder, unsigned want,
                                   struct found *found, struct cairn_error *error) {
    if (found->path.text.size)
        return look(finder, found->path.text, want, &found->view, error);
    found->view = (struct cairn_view){.entry = {.kind = CAIRN_GROUP}};
    return CAIRN_OK;
}

/* Round after round, until no link is left; the first look is done already. */
static enum cairn_status follow(const struct finder *finder, struct cairn_slice path,
                                uint64_t epoch, unsigned flags, unsigned want,
                                enum cairn_status looked, struct found *found,
                                struct cairn_error *error) {
    found->path.text = path;
    found->packed = found->leftover = found->beneath_value = false;
    found->existing = 0;
    for (int hops = 0; hops <= CAIRN_LINK_HOPS; hops++) {
        enum round round;
        if (hops > 0) {
            epoch = core_epoch(finder->core);
            looked = look_here(finder, want, found, error);
        }
        enum cairn_status status =
            judge(finder, epoch, flags, looked, found, &round, error);
        if (status == CAIRN_INVALID_PATH && hops > 0) /* a cycle that grows */
            break;
        if (status == CAIRN_NOT_FOUND && hops > 0)
            return cairn_fail_at(error, status, "there is nothing behind the links at",
                                 path);
        if (status || round == DONE)
            return status;
    }
    cairn_view_release(&found->view);
    return cairn_fail_at(error, CAIRN_LINK_LOOP, "a cycle of links, or over 64 of them",
                         path);
}

enum cairn_status find_entry(const struct finder *finder, struct cairn_slice path,
                             unsigned flags, unsigned want, struct found *found,
                             struct cairn_error *error) {
    uint64_t epoch = core_epoch(finder->core);
    found->path.text = path;
    enum cairn_status looked = look_here(finder, want, found, error);
    return follow(finder, path, epoch, flags, want, looked, found, error);
}

enum cairn_status find_stable(const struct finder *finder, struct cairn_slice path,
                              unsigned flags, unsigned want, struct found *found,
                              struct cairn_error *error) {
    struct core *core = finder->core;
    for (int attempt = 0; attempt < 32; attempt++) {
        uint64_t epoch = core_epoch(core);
        enum cairn_status status = find_entry(finder, path, flags, want, found, error);
        if (finder->snapshot || core_undisturbed(core, epoch))
            return status;
        cairn_view_release(&found->view);
        sched_yield();
    }
    pthread_rwlock_wrlock(&core->gate);
    enum cairn_status status = find_entry(finder, path, flags, want, found, error);
    pthread_rwlock_unlock(&core->gate);
    return status;
}

enum cairn_status find_on(const struct finder *finder, struct cairn_slice path,
                          unsigned flags, unsigned want, uint64_t epoch,
                          enum cairn_status looked, struct found *found,
                          struct cairn_error *error) {
    looked = bury(finder, looked, &found->view);
    enum cairn_status status =
        follow(finder, path, epoch, flags, want, looked, found, error);
    if (finder->snapshot || core_undisturbed(finder->core, epoch))
        return status;
    cairn_view_release(&found->view);
    return find_stable(finder, path, flags, want, found, error);
}

enum cairn_status find_in_pack(const struct finder *finder, struct cairn_slice path,
                               bool *out, struct cairn_error *error) {
    struct cairn_slice parent = cairn_path_parent(path);
    struct cairn_view view;
    struct cairn_entry child;
    *out = false;
    if (parent.size == 0 || !(finder->core->capabilities & CAIRN_CAN_PACK))
        return CAIRN_OK;
    enum cairn_status status = look(finder, parent, CAIRN_WANT_PAYLOAD, &view, error);
    if (status)
        return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
    if (view.entry.kind == CAIRN_GROUP && view.entry.payload.size) {
        status = look_in_pack(finder, view.entry.payload, path, &child, error);
        *out = status == CAIRN_OK;
    }
    cairn_view_release(&view);
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}
