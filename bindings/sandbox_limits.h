/* sandbox_limits.h -- what the files of the sandbox share: its counters, and how
 * functions charge for what they do.
 *
 * Every C function that a script can reach either takes a bounded time, or calls
 * sandbox_charge before each piece of work. A breach is noted once; from then on every
 * charge raises, and so does every Lua instruction. */
#ifndef CAIRN_SANDBOX_LIMITS_H
#define CAIRN_SANDBOX_LIMITS_H

#include <lauxlib.h>

#include "sandbox.h"
#include "sandbox_pool.h"

enum sandbox_breach {
    BREACH_NONE,
    BREACH_STEPS,
    BREACH_MEMORY,
    BREACH_TIME,
    BREACH_STUCK, /* time, too: in one instruction that would go on and on */
};

/* The coroutines under way, the innermost first: each on the C stack of its resumer. */
struct sandbox_running {
    lua_State *L;
    struct sandbox_running *resumer;
    bool is_apart; /* others lie between it and its resumer, which nobody here knows */
};

/* Why all coroutines of a turn are being left, or were: see sandbox_turn.h. */
enum sandbox_leaves {
    LEAVES_NOT,
    LEAVES_TO_WAIT,
    LEAVES_FOR_OTHERS, /* its slice is used */
    LEAVES_TO_COLLECT, /* its memory is: as far as is known */
    LEAVES_FOR_GOOD,   /* a breach */
};

struct sandbox_slice {
    bool is_open;    /* a turn is under way, which can be left */
    bool is_used;    /* ... and should be, when that is possible */
    bool is_crowded; /* ... for its memory */
    bool is_in_hook; /* which leaves it by itself */
    enum sandbox_leaves leaves;
    int64_t length_ns; /* 0: any */
    int64_t end_ns;    /* 0: nobody has looked at the clock yet */
    size_t crowded_at; /* held */
    int interval;      /* of the hook while instructions take long; 0: as usual */
    int64_t seen_ns;   /* when the clock was looked at last in this turn; 0: not yet */
    int failure;       /* of what was called: LUA_ERRRUN, ...; or LUA_OK */
};

/* Blocks that are moved, compared or searched in more time than some instructions take
 * make the hook come more often. */
#define LARGE_BYTES ((size_t)8 << 10)
#define HUGE_BYTES ((size_t)32 << 10)

/* A request that did not fit. Lua collects and asks for the same again. */
struct sandbox_refused {
    const void *block;
    size_t had, wants;
};

/* When a vector grew to be huge. */
struct sandbox_growth {
    uint64_t progress; /* of the call */
    int64_t cpu_ns;    /* of the thread */
    size_t bytes;
};

struct sandbox {
    lua_State *L;
    struct sandbox_limits limits;
    bool is_trusted; /* see sandbox_turn.h */

    /* Memory. */
    size_t held;
    size_t large, huge; /* blocks of such sizes among it; huge ones are large, too. Not
                           known of a trusted state, which always has some */
    struct sandbox_refused refused;
    struct sandbox_pool pool;

    /* The call under way, or the last one. */
    bool limited;         /* false: our own code runs, only memory is bounded */
    size_t bound_bytes;   /* what the call may have */
    size_t ceiling, most; /* what may be held; what is granted after a breach */
    struct sandbox_slice slice;
    uint64_t used, unseen; /* steps; those since the clock was looked at */
    uint64_t squeezed;     /* of them, what it cost that memory was short */
    uint64_t progress;     /* looks of the hook, and charges */
    struct sandbox_growth growth;
    int64_t deadline_ns; /* 0: from the first look at the clock */
    enum sandbox_breach breach;
    uintptr_t serial;           /* coroutines belong to the call that made them */
    const char *stack;          /* where the C stack was when it began */
    struct sandbox_running own; /* the end of the chain: L, or who has its turn */
    struct sandbox_running *running;
    const char *chunk; /* the source of what was called, if lines are wanted */
    int line;          /* the last that returned in it */
    char where[LUA_IDSIZE + 16]; /* "chunk:line" of a breach or an error; or empty */
};

static inline struct sandbox *sandbox_of(lua_State *L) {
    void *sandbox;
    lua_getallocf(L, &sandbox);
    return sandbox;
}

/* In the extra space of a coroutine: the serial of the call that made it; in a trusted
 * state one of these, or anything else. */
#define SANDBOX_MARK_LEFT UINTPTR_MAX /* a request is in it */
/* It died of a breach. Closing it would run without the hook, which Lua does not give
 * back to who raised an error in it. */
#define SANDBOX_MARK_ENDED (UINTPTR_MAX - 1)

static inline uintptr_t *sandbox_mark(lua_State *co) {
    return lua_getextraspace(co);
}

/* The allocator and the hook of the state. */
void *sandbox_allocate(void *sandbox, void *block, size_t had, size_t wants);
void sandbox_hook(lua_State *L, lua_Debug *event);
/* Hooks a thread, to count so many instructions from now. */
int sandbox_interval(const struct sandbox *sandbox, const lua_State *L);
void sandbox_watch(lua_State *L);

int64_t sandbox_clock_ns(void);
/* When a call that begins now is late. */
int64_t sandbox_deadline_ns(const struct sandbox *sandbox);

/* Adds to the steps of the call and raises if that is too much, or if something else
 * was too much before. */
void sandbox_charge(lua_State *L, uint64_t steps);
/* For bytes that are read or copied. */
static inline void sandbox_charge_bytes(lua_State *L, size_t bytes) {
    sandbox_charge(L, 1 + bytes / 16);
}

/* Raises if so many bytes can not be had whatever is collected: asked before a large
 * block is made, when it can still be said in which line. */
void sandbox_need(lua_State *L, size_t bytes);

/* Raises if a limit was breached: what catches errors calls it first. */
void sandbox_check(lua_State *L);
/* Where the script is, for messages. */
void sandbox_locate(struct sandbox *sandbox);
void sandbox_place_of(struct sandbox *sandbox, lua_State *L, int function);
/* A message handler that keeps that. */
int sandbox_keep_place(lua_State *L);
/* What to say of a breach; of an error, which is at the top of the stack. */
enum cairn_status sandbox_breached(const struct sandbox *sandbox,
                                   struct cairn_error *error);
enum cairn_status sandbox_failed(const struct sandbox *sandbox, lua_State *L, int code,
                                 struct cairn_error *error);

/* Leaves the request if it can be left: true only within the hook, which must return.
 */
bool sandbox_leave(lua_State *L, enum sandbox_leaves why);
/* Looks whether the slice is used; called by the hook, leaves it then: as above. */
void sandbox_look_at_slice(struct sandbox *sandbox);
void sandbox_end_slice(lua_State *L);
/* The allocator has seen more than slice.crowded_at; a huge block. */
void sandbox_crowd(struct sandbox *sandbox);
void sandbox_slow_down(struct sandbox *sandbox);

/* Text that grows: within the limits, and in the hands of Lua. It takes the slot of the
 * stack that was the next free one at its beginning. */
struct sandbox_text {
    lua_State *L;
    int slot;
    char *data;
    size_t size, capacity;
    char first[512];
};

void sandbox_text_begin(lua_State *L, struct sandbox_text *text);
/* Room for `size` more bytes: whoever fills it adds to the size. */
char *sandbox_text_room(struct sandbox_text *text, size_t size);
void sandbox_text_add(struct sandbox_text *text, const char *data, size_t size);
/* Pushes it as a string. */
void sandbox_text_end(struct sandbox_text *text);

struct sandbox *sandbox_make(const struct sandbox_limits *limits, lua_CFunction open);

/* The environment of scripts becomes the global table. */
void sandbox_open(lua_State *L);
/* The standard libraries, with what charges in them. */
void sandbox_open_trusted(lua_State *L);

/* Each pushes a table of functions. */
void sandbox_push_coroutine(lua_State *L);
void sandbox_push_string(lua_State *L);
void sandbox_push_table(lua_State *L);
void sandbox_push_utf8(lua_State *L);

/* Pushes a table that reads from the one at the top of the stack, which it replaces,
 * and cannot be written. `name` is what messages call it; NULL: the globals. */
void sandbox_protect_table(lua_State *L, const char *name);
/* If the table at `index` is such a one, replaces it by the one it reads from. */
bool sandbox_unprotect_table(lua_State *L, int index);

/* Functions of the libraries that have a file of their own. */
int sandbox_next(lua_State *L);
int sandbox_pairs(lua_State *L);
int sandbox_tostring(lua_State *L);
/* Pushes what tostring says of the value at `index`: never an address. */
const char *sandbox_totext(lua_State *L, int index, size_t *size);
int sandbox_string_find(lua_State *L);
int sandbox_string_format(lua_State *L);
int sandbox_string_gmatch(lua_State *L);
int sandbox_string_gsub(lua_State *L);
int sandbox_string_match(lua_State *L);
int sandbox_string_pack(lua_State *L);
int sandbox_string_packsize(lua_State *L);
int sandbox_string_unpack(lua_State *L);
int sandbox_table_sort(lua_State *L);
void sandbox_set_arithmetic(lua_State *L); /* into the metatable at the top */

#endif
