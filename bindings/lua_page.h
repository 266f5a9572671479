/* lua_page.h -- listings whose items are fetched many at a time, while the worker that
 * wants them is suspended: one by one each would take as long as a page. */
#ifndef CAIRN_LUA_PAGE_H
#define CAIRN_LUA_PAGE_H

#include "lua_wait.h"

struct lua_page;

/* In the userdata that an iterator has; zeroed: closed. */
struct lua_listing {
    struct cairn_list *list; /* NULL once closed */
    struct lua_page *page;   /* NULL: none was ever fetched */
    bool is_away;            /* a page is being fetched: nobody else may use it */
    bool is_unwanted;        /* closed meanwhile */
};

/* Lets go of it; of one that is away, when that is over. */
void lua_listing_close(struct lua_listing *listing);
/* For the collector: nobody uses it any more. */
void lua_listing_free(struct lua_listing *listing);

/* Whether the next item is here already. */
bool lua_listing_has(const struct lua_listing *listing);
/* Fetches a page, then `k` (whose context is 0), which begins with lua_listing_back.
 * Where a worker can be suspended only. */
int lua_listing_fetch(lua_State *L, struct lua_listing *listing, lua_KFunction k);
/* False: it was closed meanwhile. */
bool lua_listing_back(struct lua_listing *listing);
/* As cairn_list_next; from the page, if there is one that has not ended. */
enum cairn_status lua_listing_next(struct lua_listing *listing,
                                   struct cairn_list_item *out,
                                   struct cairn_error *error);

#endif
