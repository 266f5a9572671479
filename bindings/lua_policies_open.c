/* lua_policies_open.c -- `cairn.policies(options)`: which host is meant. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua_policies.h"

static const char default_key; /* of the registry: cairn.default_policies */

enum {
    STEPS = 100000,
    MEMORY = 1 << 20,
    WALL_MS = 50,
    MEMORY_MIN = 128 << 10,
    MEMORY_MAX = 1 << 30,
    WALL_MAX = 60000,
    ORIGIN_ROOM = 300
};

void cairn_lua_keep_default_policies(lua_State *L) {
    lua_getfield(L, -1, "default_policies");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &default_key);
}

/* -- Options ----------------------------------------------------------------------- */

/* Pushes the table with which nothing said is filled up, and copies who says `use` in
 * it; false leaves a failure of three values. */
static bool push_defaults(lua_State *L, char origin[ORIGIN_ROOM]) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &default_key) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        lua_newtable(L);
        return true;
    }
    int top = lua_gettop(L);
    lua_call(L, 0, 3);
    if (lua_type(L, top) != LUA_TTABLE)
        return false;
    if (lua_type(L, top + 2) == LUA_TSTRING)
        snprintf(origin, ORIGIN_ROOM, "%s", lua_tostring(L, top + 2));
    lua_settop(L, top);
    return true;
}

/* The options as a table at 1; a directory alone is one. False: failed. */
static bool normalize(lua_State *L, char origin[ORIGIN_ROOM]) {
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_createtable(L, 0, 1);
        lua_pushvalue(L, 1);
        lua_setfield(L, 2, "directory");
        lua_replace(L, 1);
        return true;
    }
    if (lua_isnil(L, 1)) {
        lua_settop(L, 0);
        return push_defaults(L, origin);
    }
    cairn_lua_table(L, 1, "options");
    return true;
}

/* Two fields may come from the defaults: pushes the value at `name`. */
static int push_option(lua_State *L, int defaults, const char *name) {
    int type = cairn_lua_field(L, 1, name);
    if (type != LUA_TNIL || !defaults)
        return type;
    lua_pop(L, 1);
    return cairn_lua_field(L, defaults, name);
}

static char *copy_text(lua_State *L, const char *text) {
    char *copy = strdup(text);
    if (!copy)
        luaL_error(L, "not enough memory");
    return copy;
}

/* Absolute, so that it is the same one after a change of directory. */
static bool set_directory(lua_State *L, struct policy_settings *settings, int defaults,
                          struct cairn_error *error) {
    char path[PATH_MAX], here[PATH_MAX] = "";
    int type = push_option(L, defaults, "directory");
    if (type == LUA_TNIL)
        return true;
    if (type != LUA_TSTRING || lua_rawlen(L, -1) == 0)
        luaL_argerror(L, 1, "options.directory: the name of a directory expected");
    const char *given = lua_tostring(L, -1);
    bool relative = given[0] != '/';
    if (relative && !getcwd(here, sizeof here))
        here[0] = '\0';
    int size = snprintf(path, sizeof path, "%s%s%s", here, relative ? "/" : "", given);
    if (size >= (int)sizeof path || strlen(given) != lua_rawlen(L, -1)) {
        cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                   "options.directory: it cannot be a directory's name");
        return false;
    }
    while (size > 1 && path[size - 1] == '/')
        path[--size] = '\0';
    settings->directory = copy_text(L, path);
    return true;
}

static void set_one_use(lua_State *L, struct policy_settings *settings) {
    struct cairn_slice question = {"", 0}, name = {"", 0};
    if (lua_type(L, -2) == LUA_TSTRING)
        question.data = lua_tolstring(L, -2, &question.size);
    policy_to_slice(L, &name);
    enum policy_question which = policy_question_named(question);
    if (which == POLICY_QUESTIONS)
        luaL_argerror(L, 1,
                      "options.use: its fields are cache_control, chain, eviction");
    if (!policy_name_valid(name))
        luaL_argerror(L, 1,
                      lua_pushfstring(L,
                                      "options.use.%s: the name of a policy expected",
                                      question.data));
    settings->use[which] = copy_text(L, name.data);
}

static void set_use(lua_State *L, struct policy_settings *settings, int defaults) {
    int type = push_option(L, defaults, "use");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_argerror(L, 1, "options.use: a table expected");
    if (type == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
            set_one_use(L, settings);
    for (int question = 0; question < POLICY_QUESTIONS; question++)
        if (!settings->use[question])
            settings->use[question] = copy_text(L, policy_question_names[question]);
}

static int64_t bounded(lua_State *L, const char *name, int64_t preset, int64_t least,
                       int64_t most) {
    int64_t value = preset;
    cairn_lua_integer(L, 1, name, &value);
    if (value < least || value > most)
        luaL_argerror(L, 1,
                      lua_pushfstring(L, "options.%s: must be from %I to %I", name,
                                      (LUAI_UACINT)least, (LUAI_UACINT)most));
    return value;
}

static void set_limits(lua_State *L, struct sandbox_limits *limits) {
    limits->steps = (uint64_t)bounded(L, "steps", STEPS, 100, INT64_C(1) << 53);
    limits->memory_bytes = (size_t)bounded(L, "memory", MEMORY, MEMORY_MIN, MEMORY_MAX);
    limits->wall_ms = bounded(L, "wall", WALL_MS, 1, WALL_MAX);
}

/* The function `log` goes into the box at `index`. */
static void set_log(lua_State *L, int index) {
    if (cairn_lua_field(L, 1, "log") != LUA_TNIL)
        luaL_argcheck(L, lua_isfunction(L, -1), 1, "options.log: a function expected");
    lua_setiuservalue(L, index, 1);
}

static bool read_settings(lua_State *L, struct policies_box *box, int defaults,
                          struct cairn_error *error) {
    struct policy_settings *settings = &box->settings;
    settings->watch = settings->remember = true;
    cairn_lua_boolean(L, 1, "watch", &settings->watch);
    cairn_lua_boolean(L, 1, "remember", &settings->remember);
    set_limits(L, &settings->limits);
    set_use(L, settings, defaults);
    cairn_lua_field(L, 1, "clock");
    settings->clock = cairn_lua_toclock(L, -1, "options.clock");
    return set_directory(L, settings, defaults, error);
}

/* What a configuration says is not in sight of whoever reads the message. */
static int fail_to_open(lua_State *L, enum cairn_status status, int defaults,
                        const char *origin, const struct cairn_error *error) {
    struct cairn_error whole;
    bool of_use = strncmp(error->message, "use.", 4) == 0;
    bool by_default = !defaults || cairn_lua_field(L, 1, "use") == LUA_TNIL;
    if (!of_use || !*origin || !by_default)
        return cairn_lua_fail(L, status, error);
    cairn_fail(&whole, status, "%s: %s", origin, error->message);
    return cairn_lua_fail(L, status, &whole);
}

int cairn_lua_policies(lua_State *L) {
    static const char *const known[] = {"directory", "use",  "watch",    "steps",
                                        "memory",    "wall", "remember", "clock",
                                        "log",       NULL};
    struct cairn_error error;
    char origin[ORIGIN_ROOM] = "";
    int defaults = 0;
    if (!normalize(L, origin))
        return 3;
    cairn_lua_options(L, 1, known);
    bool whole = cairn_lua_field(L, 1, "directory") != LUA_TNIL;
    lua_pop(L, 1);
    if (!whole) {
        if (!push_defaults(L, origin))
            return 3;
        defaults = lua_gettop(L);
    }
    struct policies_box *box = cairn_lua_newpolicies(L);
    int index = lua_gettop(L);
    set_log(L, index);
    if (!read_settings(L, box, defaults, &error))
        return cairn_lua_fail(L, CAIRN_INVALID_ARGUMENT, &error);
    enum cairn_status status = policy_host_open(&box->settings, &box->host, &error);
    if (status)
        return fail_to_open(L, status, defaults, origin, &error);
    lua_settop(L, index);
    return 1;
}
