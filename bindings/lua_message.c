/* lua_message.c -- messages from Lua: ids, verification, forms, hashpaths.
 *
 * Each call makes one arena, in which everything lies until the result is pushed; the
 * strings are Lua's own, kept by the arguments. */
#include <string.h>

#include "cairn/http_form.h"
#include "cairn/id.h"
#include "lua_value.h"

/* -- Arguments -------------------------------------------------------------------- */

struct id_options {
    enum cairn_ids ids;
    bool committed;
    struct cairn_slice algorithm; /* NULL: not said */
};

static enum cairn_ids to_ids(lua_State *L, int index) {
    struct cairn_slice word = {"safe", 4};
    cairn_lua_string(L, index, "ids", &word);
    bool reference = cairn_slice_equal(word, cairn_slice_of("reference"));
    if (!reference && !cairn_slice_equal(word, cairn_slice_of("safe")))
        luaL_argerror(L, index, "options.ids: 'safe' or 'reference' expected");
    lua_pop(L, 1);
    return reference ? CAIRN_IDS_REFERENCE : CAIRN_IDS_SAFE;
}

static struct id_options to_options(lua_State *L, int index, bool hashpath) {
    static const char *const known[] = {"committed", "ids", NULL};
    static const char *const more[] = {"algorithm", "committed", "ids", NULL};
    struct id_options options = {.ids = CAIRN_IDS_SAFE};
    if (!cairn_lua_options(L, index, hashpath ? more : known))
        return options;
    options.ids = to_ids(L, index);
    cairn_lua_boolean(L, index, "committed", &options.committed);
    if (hashpath)
        cairn_lua_string(L, index, "algorithm", &options.algorithm);
    return options;
}

/* The message at `index` in stored form. What is no value raises; what cannot be
 * stored is a failure. */
static enum cairn_status to_stored_form(lua_State *L, int index, const char *name,
                                        struct cairn_arena *arena,
                                        struct cairn_value *out,
                                        struct cairn_error *error) {
    cairn_lua_table(L, index, name);
    struct cairn_value value = cairn_lua_to_value(L, index, name, arena);
    return cairn_message_store(&value, arena, out, error);
}

static enum cairn_status id_of(const struct cairn_value *stored,
                               const struct id_options *options, struct cairn_id *out,
                               struct cairn_error *error) {
    return options->committed ? cairn_id_of_committed(stored, options->ids, out, error)
                              : cairn_id_of_message(stored, options->ids, out, error);
}

static int push_id(lua_State *L, const struct cairn_id *id) {
    cairn_lua_push(L, cairn_id_slice(id));
    return 1;
}

/* -- Ids -------------------------------------------------------------------------- */

static int id(lua_State *L) {
    struct cairn_error error;
    struct cairn_id made;
    struct cairn_value stored;
    enum cairn_status status;
    lua_settop(L, 2);
    struct id_options options = to_options(L, 2, false);
    if (lua_type(L, 1) == LUA_TSTRING) {
        status = cairn_id_of_bytes(cairn_lua_bytes(L, 1, "value"), &made, &error);
    } else {
        struct cairn_arena *arena = cairn_lua_newarena(L);
        status = to_stored_form(L, 1, "value", arena, &stored, &error);
        if (!status)
            status = id_of(&stored, &options, &made, &error);
        cairn_lua_freearena(L, 3);
    }
    return status ? cairn_lua_fail(L, status, &error) : push_id(L, &made);
}

static int id_base(lua_State *L) {
    struct cairn_error error;
    struct cairn_value stored;
    lua_settop(L, 2);
    struct id_options options = to_options(L, 2, false);
    struct cairn_bytes *base = cairn_lua_newbytes(L);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    enum cairn_status status = to_stored_form(L, 1, "message", arena, &stored, &error);
    if (!status)
        status = cairn_id_base(&stored, options.ids, base, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(base));
    return 1;
}

/* True if the message goes by this id: its own, that of its commitments, or of one. */
static enum cairn_status check_id(const struct cairn_value *stored,
                                  const struct id_options *options,
                                  struct cairn_slice wanted,
                                  struct cairn_error *error) {
    struct cairn_id own, together;
    enum cairn_status status = cairn_id_of_message(stored, options->ids, &own, error);
    if (!status)
        status = cairn_id_of_committed(stored, options->ids, &together, error);
    if (status || cairn_slice_equal(cairn_id_slice(&own), wanted) ||
        cairn_slice_equal(cairn_id_slice(&together), wanted))
        return status;
    const struct cairn_value *commitments =
        cairn_message_find(stored, cairn_slice_of("commitments"));
    if (commitments && commitments->type == CAIRN_VALUE_MESSAGE &&
        cairn_message_find(commitments, wanted))
        return CAIRN_OK;
    return cairn_fail_at(error, CAIRN_UNVERIFIED, "the message does not have this id",
                         wanted);
}

static int verify(lua_State *L) {
    struct cairn_error error;
    struct cairn_value stored;
    struct cairn_slice wanted = {NULL, 0};
    lua_settop(L, 3);
    if (!lua_isnil(L, 2))
        wanted = cairn_lua_bytes(L, 2, "id");
    struct id_options options = to_options(L, 3, false);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    enum cairn_status status = to_stored_form(L, 1, "message", arena, &stored, &error);
    if (!status)
        status = cairn_message_verify(&stored, options.ids, &error);
    if (!status && wanted.data)
        status = check_id(&stored, &options, wanted, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    lua_pushboolean(L, true);
    return 1;
}

/* -- Forms ------------------------------------------------------------------------ */

/* The value, which lies in the arena at `arena`, or why there is none. */
static int push_value(lua_State *L, enum cairn_status status, int arena,
                      const struct cairn_value *value,
                      const struct cairn_error *error) {
    int results = 1;
    if (status)
        results = cairn_lua_fail(L, status, error);
    else
        cairn_lua_push_value(L, value);
    cairn_lua_freearena(L, arena);
    return results;
}

static int to_stored(lua_State *L) {
    struct cairn_error error;
    struct cairn_value stored;
    lua_settop(L, 1);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    enum cairn_status status = to_stored_form(L, 1, "message", arena, &stored, &error);
    return push_value(L, status, 2, &stored, &error);
}

static int from_stored(lua_State *L) {
    struct cairn_error error;
    struct cairn_value stored, typed;
    lua_settop(L, 1);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    enum cairn_status status = to_stored_form(L, 1, "stored", arena, &stored, &error);
    if (!status)
        status = cairn_message_type(&stored, arena, &typed, &error);
    return push_value(L, status, 2, &typed, &error);
}

static void push_form(lua_State *L, const struct cairn_http_form *form) {
    lua_createtable(L, 0, 2);
    lua_createtable(L, 0, (int)form->count);
    for (size_t i = 0; i < form->count; i++) {
        cairn_lua_push(L, form->fields[i].name);
        cairn_lua_push(L, form->fields[i].value);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "fields");
    if (form->has_body) {
        cairn_lua_push(L, form->body);
        lua_setfield(L, -2, "body");
    }
}

static int to_http(lua_State *L) {
    struct cairn_error error;
    struct cairn_value stored;
    struct cairn_http_form form;
    lua_settop(L, 2);
    struct id_options options = to_options(L, 2, false);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    enum cairn_status status = to_stored_form(L, 1, "message", arena, &stored, &error);
    if (!status)
        status = cairn_http_encode(&stored, options.ids, arena, &form, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    push_form(L, &form);
    return 1;
}

/* The fields in the table on top of the stack, in any order. */
static void to_fields(lua_State *L, struct cairn_arena *arena,
                      struct cairn_http_form *out) {
    int table = lua_gettop(L);
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    struct cairn_http_field *fields =
        cairn_arena_take(arena, count * sizeof *fields + 1);
    if (!fields)
        luaL_error(L, "not enough memory");
    out->fields = fields;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, 1, "form.fields: names and values are strings");
        struct cairn_http_field *field = &fields[out->count++];
        field->name.data = lua_tolstring(L, -2, &field->name.size);
        field->value.data = lua_tolstring(L, -1, &field->value.size);
    }
}

static int from_http(lua_State *L) {
    static const char *const known[] = {"body", "fields", NULL};
    struct cairn_error error;
    struct cairn_http_form form = {0};
    struct cairn_value stored, typed;
    lua_settop(L, 1);
    cairn_lua_table(L, 1, "form");
    cairn_lua_options(L, 1, known);
    struct cairn_arena *arena = cairn_lua_newarena(L);
    form.has_body = cairn_lua_string(L, 1, "body", &form.body);
    if (cairn_lua_field(L, 1, "fields") == LUA_TTABLE)
        to_fields(L, arena, &form);
    else if (!lua_isnil(L, -1))
        luaL_argerror(L, 1, "form.fields: table expected");
    enum cairn_status status = cairn_http_decode(&form, arena, &stored, &error);
    if (!status)
        status = cairn_message_type(&stored, arena, &typed, &error);
    return push_value(L, status, 2, &typed, &error);
}

/* -- Hashpaths -------------------------------------------------------------------- */

/* A hashpath on its way, request by request. */
struct history {
    lua_State *L;
    struct id_options options;
    enum cairn_hashpath_algorithm algorithm;
    struct cairn_arena *arena;
    struct cairn_path path, next;
    struct cairn_error error;
};

/* An id, or an id and one part more: stands for itself. */
static bool is_hashpath(struct cairn_slice text) {
    if (cairn_is_id(text))
        return true;
    return text.size > CAIRN_ID_SIZE + 1 && text.data[CAIRN_ID_SIZE] == '/' &&
           text.size <= CAIRN_PATH_MAX &&
           cairn_is_id(cairn_slice_sub(text, 0, CAIRN_ID_SIZE)) &&
           !memchr(text.data + CAIRN_ID_SIZE + 1, '/', text.size - CAIRN_ID_SIZE - 1);
}

static void set_path(struct cairn_path *path, struct cairn_slice text) {
    memcpy(path->room, text.data, text.size);
    path->text = (struct cairn_slice){path->room, text.size};
}

static enum cairn_status choose_algorithm(struct history *h,
                                          const struct cairn_value *base) {
    struct cairn_slice name = h->options.algorithm;
    const struct cairn_value *own =
        base ? cairn_message_find(base, cairn_slice_of("hashpath-alg")) : NULL;
    if (!name.data && own && own->type == CAIRN_VALUE_BYTES)
        name = own->as.bytes;
    if (!name.data)
        name = cairn_slice_of("sha-256-chain");
    return cairn_hashpath_algorithm_of(name, &h->algorithm, &h->error);
}

static enum cairn_status begin(struct history *h, int index) {
    struct cairn_id made;
    struct cairn_value stored;
    enum cairn_status status;
    if (lua_type(h->L, index) == LUA_TSTRING) {
        struct cairn_slice text = cairn_lua_bytes(h->L, index, "base");
        if ((status = choose_algorithm(h, NULL)))
            return status;
        if (is_hashpath(text)) {
            set_path(&h->path, text);
            return CAIRN_OK;
        }
        status = cairn_id_of_bytes(text, &made, &h->error);
    } else {
        status = to_stored_form(h->L, index, "base", h->arena, &stored, &h->error);
        if (!status)
            status = choose_algorithm(h, &stored);
        if (!status)
            status = id_of(&stored, &h->options, &made, &h->error);
    }
    if (!status)
        set_path(&h->path, cairn_id_slice(&made));
    return status;
}

/* What stands for the request on top of the stack. A string is the path of a request
 * that has nothing else. */
static enum cairn_status request_part(struct history *h, struct cairn_id *room,
                                      struct cairn_slice *out) {
    struct cairn_value stored;
    struct cairn_pair path = {cairn_slice_of("path"), {.type = CAIRN_VALUE_BYTES}};
    enum cairn_status status = CAIRN_OK;
    if (lua_type(h->L, -1) == LUA_TSTRING) {
        path.value.as.bytes.data = lua_tolstring(h->L, -1, &path.value.as.bytes.size);
        stored = (struct cairn_value){
            .type = CAIRN_VALUE_MESSAGE, .count = 1, .as.fields = &path};
    } else {
        status = to_stored_form(h->L, lua_gettop(h->L), "requests", h->arena, &stored,
                                &h->error);
    }
    return status
               ? status
               : cairn_hashpath_request(&stored, h->options.ids, room, out, &h->error);
}

static enum cairn_status apply(struct history *h, int requests) {
    size_t count = lua_isnoneornil(h->L, requests) ? 0 : lua_rawlen(h->L, requests);
    for (size_t i = 1; i <= count; i++) {
        struct cairn_id room;
        struct cairn_slice part;
        lua_rawgeti(h->L, requests, (lua_Integer)i);
        enum cairn_status status = request_part(h, &room, &part);
        if (!status)
            status = cairn_hashpath_push(h->algorithm, h->path.text, part, &h->next,
                                         &h->error);
        if (status)
            return status;
        set_path(&h->path, h->next.text);
        lua_pop(h->L, 1);
    }
    return CAIRN_OK;
}

/* Base, requests and options begin at `first`. */
static enum cairn_status compute(lua_State *L, int first, struct history *h) {
    h->L = L;
    h->options = to_options(L, first + 2, true);
    if (!lua_isnil(L, first + 1))
        cairn_lua_table(L, first + 1, "requests");
    h->arena = cairn_lua_newarena(L);
    enum cairn_status status = begin(h, first);
    return status ? status : apply(h, first + 1);
}

static int hashpath(lua_State *L) {
    struct history h;
    lua_settop(L, 3);
    enum cairn_status status = compute(L, 1, &h);
    if (status)
        return cairn_lua_fail(L, status, &h.error);
    cairn_lua_push(L, h.path.text);
    return 1;
}

static int verify_hashpath(lua_State *L) {
    struct history h;
    lua_settop(L, 4);
    struct cairn_slice claimed = cairn_lua_bytes(L, 1, "hashpath");
    enum cairn_status status = compute(L, 2, &h);
    if (status)
        return cairn_lua_fail(L, status, &h.error);
    lua_pushboolean(L, cairn_slice_equal(claimed, h.path.text));
    return 1;
}

static const luaL_Reg functions[] = {
    {"from_http", from_http},
    {"from_stored", from_stored},
    {"hashpath", hashpath},
    {"id", id},
    {"id_base", id_base},
    {"to_http", to_http},
    {"to_stored", to_stored},
    {"verify", verify},
    {"verify_hashpath", verify_hashpath},
    {NULL, NULL},
};

void cairn_lua_init_message(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
