/* lua_page.c -- listings whose items are fetched many at a time. */
#include "lua_page.h"

#include <stdlib.h>

/* A page ends with the first item that makes it larger than this. */
enum { PAGE_ITEMS = 256, PAGE_BYTES = 64 << 10 };

/* Its name, and behind it its value. */
struct page_item {
    size_t begin, name_size, value_size;
    enum cairn_kind kind;
};

struct lua_page {
    struct page_item items[PAGE_ITEMS];
    size_t count, at;
    struct cairn_bytes text;
    enum cairn_status status; /* why it is the last page; CAIRN_OK: it is not */
    struct cairn_error error;
};

struct fetching {
    struct lua_job job;
    struct cairn_list *list;
    struct lua_page *page;
};

void lua_listing_free(struct lua_listing *listing) {
    cairn_list_close(listing->list);
    if (listing->page)
        cairn_bytes_free(&listing->page->text);
    free(listing->page);
    *listing = (struct lua_listing){.list = NULL};
}

void lua_listing_close(struct lua_listing *listing) {
    if (listing->is_away)
        listing->is_unwanted = true;
    else
        lua_listing_free(listing);
}

/* -- Fetching ---------------------------------------------------------------------- */

static enum cairn_status add(struct lua_page *page, const struct cairn_list_item *item,
                             struct cairn_error *error) {
    struct page_item *kept = &page->items[page->count];
    *kept = (struct page_item){.begin = page->text.size,
                               .name_size = item->name.size,
                               .value_size = item->value.size,
                               .kind = item->kind};
    if (!cairn_bytes_append(&page->text, item->name) ||
        !cairn_bytes_append(&page->text, item->value))
        return cairn_fail(error, CAIRN_NO_MEMORY, "no memory for a page of a listing");
    page->count++;
    return CAIRN_OK;
}

static void run_fetch(struct lua_job *job) {
    struct fetching *fetching = (struct fetching *)job;
    struct lua_page *page = fetching->page;
    enum cairn_status status = CAIRN_OK;
    while (!status && page->count < PAGE_ITEMS && page->text.size < PAGE_BYTES) {
        struct cairn_list_item item = {.kind = CAIRN_RAW};
        status = cairn_list_next(fetching->list, &item, &page->error);
        if (!status)
            status = add(page, &item, &page->error);
    }
    page->status = status;
}

/* A page that has been read, or a first one. */
static struct lua_page *empty_page(struct lua_listing *listing) {
    if (!listing->page)
        listing->page = calloc(1, sizeof *listing->page);
    if (listing->page) {
        listing->page->count = listing->page->at = 0;
        listing->page->text.size = 0;
    }
    return listing->page;
}

int lua_listing_fetch(lua_State *L, struct lua_listing *listing, lua_KFunction k) {
    struct fetching *fetching = lua_newuserdatauv(L, sizeof *fetching, 0);
    memset(fetching, 0, sizeof *fetching);
    if (!listing->list || listing->is_away) /* by a finalizer, or by a coroutine */
        return luaL_error(L, "the listing is %s",
                          listing->list ? "being read elsewhere" : "closed");
    fetching->job.run = run_fetch;
    fetching->list = listing->list;
    fetching->page = empty_page(listing);
    if (!fetching->page)
        return luaL_error(L, "not enough memory");
    listing->is_away = true;
    return lua_job_run(L, &fetching->job, true, 0, k);
}

bool lua_listing_back(struct lua_listing *listing) {
    listing->is_away = false;
    if (listing->is_unwanted)
        lua_listing_free(listing);
    return listing->list != NULL;
}

/* -- Reading ----------------------------------------------------------------------- */

bool lua_listing_has(const struct lua_listing *listing) {
    const struct lua_page *page = listing->page;
    return page && !listing->is_away && (page->at < page->count || page->status);
}

static struct cairn_list_item item_at(const struct lua_page *page, size_t i) {
    const struct page_item *kept = &page->items[i];
    const char *name = page->text.data + kept->begin;
    return (struct cairn_list_item){
        .name = {name, kept->name_size},
        .kind = kept->kind,
        .value = {name + kept->name_size, kept->value_size}};
}

enum cairn_status lua_listing_next(struct lua_listing *listing,
                                   struct cairn_list_item *out,
                                   struct cairn_error *error) {
    struct lua_page *page = listing->page;
    if (listing->is_away)
        return cairn_fail(error, CAIRN_CONFLICT, "the listing is being read elsewhere");
    if (!lua_listing_has(listing))
        return cairn_list_next(listing->list, out, error);
    if (page->at < page->count) {
        *out = item_at(page, page->at++);
        return CAIRN_OK;
    }
    *error = page->error;
    return page->status;
}
