/* lua_transaction.c -- changes that depend on what is read: store:transaction.
 *
 * A collector with the store's own method names is handed to a Lua function, and passes
 * on what it is given to the engine, which copies. The function may wait: in a worker
 * the whole call is suspended with it. */
#include "lua_store.h"

#define TRANSACTION_TYPE "cairn.Transaction"
#define READING_TYPE "cairn.transaction.reading"

enum { RETRIES = 100 };

struct transaction_box {
    struct store_ref *ref;
    struct cairn_transaction *transaction; /* NULL once ended */
    struct cairn_view pinned;
    bool is_away;             /* one thread at a time, and it has another */
    enum cairn_status status; /* of the first change that was refused, */
    struct cairn_error error; /* after which nothing is committed */
};

static struct transaction_box *check_transaction(lua_State *L) {
    struct transaction_box *box = luaL_checkudata(L, 1, TRANSACTION_TYPE);
    luaL_argcheck(L, box->transaction, 1, "the transaction is over");
    luaL_argcheck(L, !box->is_away, 1, "the transaction is in use elsewhere");
    return box;
}

static int transaction_end(lua_State *L) {
    struct transaction_box *box = luaL_checkudata(L, 1, TRANSACTION_TYPE);
    cairn_view_release(&box->pinned);
    cairn_transaction_end(box->transaction);
    cairn_lua_release(box->ref);
    box->transaction = NULL;
    box->ref = NULL;
    return 0;
}

/* -- Reading ---------------------------------------------------------------------- */

struct reading {
    struct lua_job job;
    struct transaction_box *box; /* on the stack */
    struct cairn_slice path;
    struct cairn_view *view, own;
    enum cairn_status status;
    struct cairn_error error;
};

static int reading_gc(lua_State *L) {
    struct reading *reading = luaL_checkudata(L, 1, READING_TYPE);
    cairn_view_release(&reading->own);
    return 0;
}

static void run_read(struct lua_job *job) {
    struct reading *reading = (struct reading *)job;
    reading->status = cairn_transaction_read(reading->box->transaction, reading->path,
                                             reading->view, &reading->error);
}

static int push_read(lua_State *L, int status, lua_KContext context) {
    struct reading *reading = (struct reading *)context;
    (void)status;
    reading->box->is_away = false;
    if (reading->status)
        return cairn_lua_fail(L, reading->status, &reading->error);
    cairn_lua_push(L, reading->view->entry.payload); /* copies first: see store_box */
    cairn_view_release(reading->view);
    return 1;
}

static struct reading *push_reading(lua_State *L) {
    struct reading *reading = lua_newuserdatauv(L, sizeof *reading, 0);
    memset(reading, 0, sizeof *reading);
    luaL_setmetatable(L, READING_TYPE);
    reading->view = &reading->own;
    return reading;
}

static int transaction_read(lua_State *L) {
    struct reading room, *reading = &room;
    struct transaction_box *box = check_transaction(L);
    struct cairn_slice path = cairn_lua_path(L, 2, "path");
    bool is_away =
        lua_job_is_away(L, box->transaction != NULL && store_is_far(box->ref));
    room.view = &box->pinned;
    if (is_away)
        reading = push_reading(L);
    box = check_transaction(L);
    cairn_view_release(&box->pinned);
    box->is_away = is_away;
    reading->box = box;
    reading->path = path;
    reading->job.run = run_read;
    return lua_job_run(L, &reading->job, is_away, (lua_KContext)reading, push_read);
}

/* -- Changing --------------------------------------------------------------------- */

static int transaction_add(lua_State *L, enum cairn_operation_kind kind) {
    (void)check_transaction(L);
    struct lua_operation parsed;
    struct cairn_error error;
    cairn_lua_parse(L, kind, 2, &parsed);
    struct transaction_box *box = check_transaction(L);
    if (parsed.sync)
        luaL_error(L, "sync is an option of the transaction, not of one change in it");
    enum cairn_status status =
        cairn_transaction_add(box->transaction, &parsed.operation, &error);
    if (status) {
        if (!box->status) {
            box->status = status;
            box->error = error;
        }
        return cairn_lua_fail(L, status, &error);
    }
    lua_pushboolean(L, true);
    return 1;
}

static int transaction_write(lua_State *L) {
    return transaction_add(L, CAIRN_WRITE);
}

static int transaction_group(lua_State *L) {
    return transaction_add(L, CAIRN_MAKE_GROUP);
}

static int transaction_link(lua_State *L) {
    return transaction_add(L, CAIRN_MAKE_LINK);
}

static int transaction_pack(lua_State *L) {
    return transaction_add(L, CAIRN_MAKE_PACK);
}

static int transaction_delete(lua_State *L) {
    return transaction_add(L, CAIRN_DELETE);
}

/* -- Attempts --------------------------------------------------------------------- */

/* Stack: the store, the body, its options, a trial; of an attempt the transaction and
 * what the body returned. */
enum { BODY = 2, TRIAL = 4, TRANSACTION };

struct trial {
    struct lua_job job; /* the commit */
    struct transaction_box *box;
    int64_t retries; /* left */
    unsigned flags;
    bool commits; /* else the body gave up, or a change was refused */
    enum cairn_status status;
    struct cairn_error error;
};

/* Pushes a transaction that has begun; NULL: pushes the failure instead. */
static struct transaction_box *begin(lua_State *L) {
    struct transaction_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    struct cairn_error error;
    *box = (struct transaction_box){0};
    luaL_setmetatable(L, TRANSACTION_TYPE);
    struct store_ref *ref = cairn_lua_checkstore(L, 1);
    enum cairn_status status =
        cairn_transaction_begin(ref->store, NULL, &box->transaction, &error);
    if (status) {
        lua_pop(L, 1);
        cairn_lua_fail(L, status, &error);
        return NULL;
    }
    box->ref = ref;
    cairn_lua_retain(ref);
    return box;
}

/* The body has returned. A change that was refused is final, also with `conflict`: it
 * would be refused again. */
static void judge(lua_State *L, struct trial *trial) {
    struct transaction_box *box = trial->box;
    int results = lua_gettop(L) - TRANSACTION;
    bool gave_up =
        results >= 2 && lua_isnil(L, TRANSACTION + 1) && !lua_isnil(L, TRANSACTION + 2);
    if (!box->transaction)
        luaL_error(L, "the transaction was collected while its function ran");
    if (box->is_away)
        luaL_error(L, "the transaction is in use elsewhere");
    trial->status = gave_up ? CAIRN_OK : box->status;
    trial->error = box->error;
    trial->commits = !gave_up && !trial->status;
}

static void run_commit(struct lua_job *job) {
    struct trial *trial = (struct trial *)job;
    trial->status =
        cairn_transaction_commit(trial->box->transaction, trial->flags, &trial->error);
}

/* Leaves the answer on the stack above the trial. False: what was read has changed
 * since. */
static bool end_attempt(lua_State *L, struct trial *trial) {
    trial->box->is_away = false;
    lua_pushcfunction(L, transaction_end);
    lua_pushvalue(L, TRANSACTION);
    lua_call(L, 1, 0);
    lua_remove(L, TRANSACTION);
    if (trial->status) {
        lua_settop(L, TRIAL);
        cairn_lua_fail(L, trial->status, &trial->error);
        return !trial->commits || trial->status != CAIRN_CONFLICT ||
               trial->retries-- == 0;
    }
    if (lua_gettop(L) == TRIAL)
        lua_pushboolean(L, true);
    return true;
}

enum step { BEGIN, RAN, COMMITTED };

/* One attempt after the other, from a step on. */
static int go_on(lua_State *L, int status, lua_KContext step) {
    struct trial *trial = lua_touserdata(L, TRIAL);
    (void)status;
    for (;; step = BEGIN) {
        if (step == BEGIN) {
            lua_settop(L, TRIAL);
            if (!(trial->box = begin(L)))
                return lua_gettop(L) - TRIAL;
            lua_pushvalue(L, BODY);
            lua_pushvalue(L, TRANSACTION);
            lua_callk(L, 1, LUA_MULTRET, RAN, go_on);
        }
        if (step != COMMITTED) {
            judge(L, trial);
            bool is_slow =
                trial->flags & CAIRN_STORE_SYNC || store_is_far(trial->box->ref);
            if (trial->commits && lua_job_is_away(L, is_slow)) {
                trial->box->is_away = true;
                return lua_job_run(L, &trial->job, true, COMMITTED, go_on);
            }
            if (trial->commits)
                run_commit(&trial->job);
        }
        if (end_attempt(L, trial))
            return lua_gettop(L) - TRIAL;
    }
}

int cairn_lua_transaction(lua_State *L) {
    static const char *const known[] = {"sync", "retries", NULL};
    bool sync = false;
    int64_t retries = RETRIES;
    (void)cairn_lua_checkstore(L, 1);
    cairn_lua_function(L, BODY, "body");
    lua_settop(L, 3);
    if (cairn_lua_options(L, 3, known)) {
        cairn_lua_boolean(L, 3, "sync", &sync);
        cairn_lua_integer(L, 3, "retries", &retries);
    }
    luaL_argcheck(L, retries >= 0, 3, "options.retries: must not be negative");
    struct trial *trial = lua_newuserdatauv(L, sizeof *trial, 0);
    memset(trial, 0, sizeof *trial);
    trial->job.run = run_commit;
    trial->retries = retries;
    trial->flags = sync ? CAIRN_STORE_SYNC : 0;
    return go_on(L, LUA_OK, BEGIN);
}

/* -- The class -------------------------------------------------------------------- */

static const luaL_Reg transaction_methods[] = {
    {"delete", transaction_delete},
    {"group", transaction_group},
    {"link", transaction_link},
    {"pack", transaction_pack},
    {"read", transaction_read},
    {"write", transaction_write},
    {NULL, NULL},
};

static const luaL_Reg transaction_metamethods[] = {
    {"__gc", transaction_end},
    {NULL, NULL},
};

void cairn_lua_init_transaction(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg reading_metamethods[] = {{"__gc", reading_gc}, {NULL, NULL}};
    cairn_lua_class(L, READING_TYPE, none, reading_metamethods);
    cairn_lua_class(L, TRANSACTION_TYPE, transaction_methods, transaction_metamethods);
}
