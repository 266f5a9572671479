/* workers_rows.c -- the busiest of many workers.
 *
 * Workers are visited while their stripe is locked, so what is kept is copied. It is a
 * heap with the least busy on top: of 200,000 workers no more than the busiest 10,000
 * are ever held, and most of the others are only looked at. */
#include "workers_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "lua_worker.h"

/* -- Order ------------------------------------------------------------------------- */

/* Below 0: `a` is the busier one. */
static int compare(const struct cairn_worker_facts *a,
                   const struct cairn_worker_facts *b) {
    if (a->queue != b->queue)
        return a->queue > b->queue ? -1 : 1;
    if (a->busy_ns != b->busy_ns)
        return a->busy_ns > b->busy_ns ? -1 : 1;
    return cairn_slice_compare(a->group, b->group);
}

static int compare_rows(const void *a, const void *b) {
    const struct workers_row *one = a, *other = b;
    return compare(&one->facts, &other->facts);
}

/* -- The heap ---------------------------------------------------------------------- */

static void swap(struct workers_row *a, struct workers_row *b) {
    struct workers_row held = *a;
    *a = *b;
    *b = held;
}

static void sift_up(struct workers_row *items, size_t i) {
    for (; i && compare_rows(&items[i], &items[(i - 1) / 2]) > 0; i = (i - 1) / 2)
        swap(&items[i], &items[(i - 1) / 2]);
}

static void sift_down(struct workers_row *items, size_t count) {
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count)
            return;
        if (child + 1 < count && compare_rows(&items[child + 1], &items[child]) > 0)
            child++;
        if (compare_rows(&items[child], &items[i]) <= 0)
            return;
        swap(&items[i], &items[child]);
        i = child;
    }
}

static bool grow(struct workers_rows *rows) {
    if (rows->count < rows->room)
        return true;
    size_t room = rows->room ? rows->room * 2 : 64;
    struct workers_row *items = realloc(rows->items, room * sizeof *items);
    if (!items)
        return false;
    rows->items = items;
    rows->room = room;
    return true;
}

/* -- Collecting -------------------------------------------------------------------- */

static bool copy(struct workers_row *row, const struct cairn_worker_facts *facts) {
    size_t size = facts->group.size, label_size = facts->label.size;
    *row = (struct workers_row){.facts = *facts, .text = malloc(size + label_size + 1)};
    if (!row->text)
        return false;
    memcpy(row->text, facts->group.data, size);
    if (label_size)
        memcpy(row->text + size, facts->label.data, label_size);
    row->facts.group.data = row->text;
    row->facts.label.data = row->text + size;
    return true;
}

bool workers_rows_add(struct workers_rows *rows,
                      const struct cairn_worker_facts *facts) {
    bool added = grow(rows) && copy(&rows->items[rows->count], facts);
    rows->count += added;
    rows->is_short |= !added;
    return added;
}

static void add_up(struct workers_rows *rows, const struct cairn_worker_facts *facts) {
    struct cairn_worker_facts *sums = &rows->sums;
    rows->total++;
    sums->queue += facts->queue;
    sums->requests += facts->requests;
    sums->failures += facts->failures;
    sums->busy_ns += facts->busy_ns;
    sums->memory_bytes += facts->memory_bytes;
}

/* In place of the least busy one, if it is busier. */
static void replace_least(struct workers_rows *rows,
                          const struct cairn_worker_facts *facts) {
    struct workers_row row;
    if (compare(facts, &rows->items[0].facts) >= 0)
        return;
    if (!copy(&row, facts)) {
        rows->is_short = true;
        return;
    }
    free(rows->items[0].text);
    rows->items[0] = row;
    sift_down(rows->items, rows->count);
}

static void take(void *arg, const struct cairn_worker_facts *facts) {
    struct workers_rows *rows = arg;
    add_up(rows, facts);
    if (rows->count == WORKERS_ROWS_MOST)
        replace_least(rows, facts);
    else if (workers_rows_add(rows, facts))
        sift_up(rows->items, rows->count - 1);
}

/* -- Versions ---------------------------------------------------------------------- */

/* Handlers are few, workers many: rows of one handler get its version in one go. */
static void note_version(void *arg, const char *name, const char *file,
                         const char *version, uint64_t reloads, const char *problem) {
    struct workers_rows *rows = arg;
    struct cairn_slice wanted = cairn_slice_of(name);
    (void)file, (void)reloads, (void)problem;
    for (size_t i = 0; i < rows->count; i++)
        if (cairn_slice_equal(rows->items[i].facts.label, wanted))
            snprintf(rows->items[i].version, sizeof rows->items[i].version, "%.12s",
                     version);
}

enum cairn_status workers_rows_collect(struct workers_ref *ref,
                                       struct cairn_slice prefix,
                                       struct workers_rows *rows,
                                       struct cairn_error *error) {
    cairn_workers_each(ref->workers, prefix, take, rows);
    if (rows->is_short)
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a list of workers");
    if (rows->count)
        qsort(rows->items, rows->count, sizeof *rows->items, compare_rows);
    handlers_each(ref->handlers, note_version, rows);
    return CAIRN_OK;
}

void workers_rows_free(struct workers_rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].text);
    free(rows->items);
    *rows = (struct workers_rows){0};
}
