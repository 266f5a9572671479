/* lua_codec.c -- `cairn.encode` and `cairn.decode`: entries as tables. */
#include "lua_store.h"

static const char *const kinds[] = {"link", "raw", "group", "tombstone", NULL};
static const char *const forms[] = {"plain", "zstd", "chunked", NULL};

/* Pushes entry[name], nil or of this type, raw. */
static int field(lua_State *L, int table, const char *name, int wanted) {
    int type = cairn_lua_field(L, table, name);
    if (type != LUA_TNIL && type != wanted)
        luaL_error(L, "entry.%s: %s expected, got %s", name, lua_typename(L, wanted),
                   lua_typename(L, type));
    return type;
}

static void integer(lua_State *L, int table, const char *name, int64_t *out) {
    if (field(L, table, name, LUA_TNUMBER) != LUA_TNIL) {
        int is_integer;
        *out = lua_tointegerx(L, -1, &is_integer);
        if (!is_integer)
            luaL_error(L, "entry.%s: integer expected, got %f", name,
                       (LUAI_UACNUMBER)lua_tonumber(L, -1));
    }
    lua_pop(L, 1);
}

static int choice(lua_State *L, int table, const char *name, const char *preset,
                  const char *const list[]) {
    field(L, table, name, LUA_TSTRING);
    const char *word = lua_isnil(L, -1) ? preset : lua_tostring(L, -1);
    for (int i = 0; word && list[i]; i++) {
        if (strcmp(word, list[i]) == 0) {
            lua_pop(L, 1);
            return i;
        }
    }
    return luaL_error(L, "entry.%s: '%s' is not a %s", name,
                      word ? word : luaL_typename(L, -1), name);
}

/* A misspelt field would be left out of what is encoded. */
static void check_fields(lua_State *L, int table) {
    static const char *const known[] = {"kind",     "payload", "children", "form",
                                        "size",     "created", "modified", "expires",
                                        "metadata", NULL};
    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "entry: names of fields are strings, not %s",
                       luaL_typename(L, -1));
        const char *const *name = known;
        while (*name && strcmp(*name, lua_tostring(L, -1)) != 0)
            name++;
        if (!*name)
            luaL_error(L, "entry: there is no field '%s'", lua_tostring(L, -1));
    }
}

static void to_entry(lua_State *L, int table, bool packed, struct cairn_entry *out);

/* entry.children: a pack, pushed as a string. */
static struct cairn_slice to_pack(lua_State *L, int children) {
    struct cairn_error error;
    size_t count = 0, at = 0;
    for (lua_pushnil(L); lua_next(L, children); lua_pop(L, 1))
        count++;
    struct cairn_pack_child *list = lua_newuserdatauv(L, count * sizeof *list + 1, 0);
    struct cairn_bytes *pack = cairn_lua_newbytes(L);
    lua_newtable(L); /* holds what the children point at */
    int anchors = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, children); lua_settop(L, anchors + 1)) {
        luaL_checkstack(L, 16, NULL);
        if (at == count)
            luaL_error(L, "entry.children: the table grew while it was read");
        if (lua_type(L, anchors + 1) != LUA_TSTRING || !lua_istable(L, anchors + 2))
            luaL_error(L, "entry.children: names to entries expected");
        list[at].name.data = lua_tolstring(L, anchors + 1, &list[at].name.size);
        to_entry(L, anchors + 2, true, &list[at].entry);
        for (int i = anchors + 1; i <= lua_gettop(L); i++) {
            lua_pushvalue(L, i);
            lua_rawseti(L, anchors, (lua_Integer)lua_rawlen(L, anchors) + 1);
        }
        at++;
    }
    if (cairn_pack_encode(list, at, pack, &error))
        luaL_error(L, "entry.children: %s", error.message);
    cairn_lua_push(L, cairn_bytes_slice(pack));
    struct cairn_slice bytes;
    bytes.data = lua_tolstring(L, -1, &bytes.size);
    return bytes;
}

/* Leaves on the stack what the entry points at. A pack holds values and links only, so
 * an entry in it has no children of its own. */
static void to_entry(lua_State *L, int table, bool packed, struct cairn_entry *out) {
    int64_t size = -1;
    check_fields(L, table);
    *out = (struct cairn_entry){
        .kind = (enum cairn_kind)(choice(L, table, "kind", "", kinds) + 1),
        .form = (enum cairn_form)choice(L, table, "form", "plain", forms),
    };
    integer(L, table, "created", &out->created_ms);
    integer(L, table, "modified", &out->modified_ms);
    integer(L, table, "expires", &out->expires_ms);
    integer(L, table, "size", &size);
    if (field(L, table, "payload", LUA_TSTRING) == LUA_TSTRING)
        out->payload.data = lua_tolstring(L, -1, &out->payload.size);
    if (field(L, table, "children", LUA_TTABLE) == LUA_TTABLE) {
        if (packed)
            luaL_error(L, "entry.children: what is packed has no children");
        out->payload = to_pack(L, lua_gettop(L));
    }
    if (field(L, table, "metadata", LUA_TTABLE) == LUA_TTABLE)
        out->metadata = cairn_lua_to_metadata(L, lua_gettop(L));
    out->size = size >= 0 ? (uint64_t)size : out->payload.size;
}

int cairn_lua_encode(lua_State *L) {
    struct cairn_entry entry;
    struct cairn_error error;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    to_entry(L, 1, false, &entry);
    struct cairn_bytes *bytes = cairn_lua_newbytes(L);
    enum cairn_status status = cairn_entry_encode(&entry, bytes, &error);
    if (status)
        return cairn_lua_fail(L, status, &error);
    cairn_lua_push(L, cairn_bytes_slice(bytes));
    return 1;
}

static enum cairn_status push_entry(lua_State *L, struct cairn_slice bytes,
                                    struct cairn_error *error);

/* Pushes a table of a group's inline children. */
static enum cairn_status push_pack(lua_State *L, struct cairn_slice pack,
                                   struct cairn_error *error) {
    struct cairn_pack_walk walk;
    struct cairn_pack_child child;
    enum cairn_status status = cairn_pack_open(pack, &walk, error);
    lua_newtable(L);
    while (!status && !(status = cairn_pack_next(&walk, &child, error))) {
        struct cairn_bytes *bytes = cairn_lua_newbytes(L);
        status = cairn_entry_encode(&child.entry, bytes, error);
        cairn_lua_push(L, child.name);
        if (!status)
            status = push_entry(L, cairn_bytes_slice(bytes), error);
        if (status)
            break;
        lua_rawset(L, -4);
        lua_pop(L, 1);
    }
    return status == CAIRN_NOT_FOUND ? CAIRN_OK : status;
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
    if (value == 0)
        return;
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static enum cairn_status push_entry(lua_State *L, struct cairn_slice bytes,
                                    struct cairn_error *error) {
    struct cairn_entry entry;
    enum cairn_status status = cairn_entry_decode(bytes, &entry, error);
    if (status)
        return status;
    lua_createtable(L, 0, 8);
    lua_pushstring(L, kinds[entry.kind - 1]);
    lua_setfield(L, -2, "kind");
    if (entry.kind == CAIRN_RAW) {
        lua_pushstring(L, forms[entry.form]);
        lua_setfield(L, -2, "form");
    }
    lua_pushinteger(L, (lua_Integer)entry.size);
    lua_setfield(L, -2, "size");
    set_integer(L, "created", entry.created_ms);
    set_integer(L, "modified", entry.modified_ms);
    set_integer(L, "expires", entry.expires_ms);
    cairn_lua_push(L, entry.payload);
    lua_setfield(L, -2, "payload");
    if (entry.kind == CAIRN_GROUP && entry.payload.size) {
        if ((status = push_pack(L, entry.payload, error)))
            return status;
        lua_setfield(L, -2, "children");
    }
    if (entry.metadata.size) {
        if ((status = cairn_lua_push_metadata(L, entry.metadata, error)))
            return status;
        lua_setfield(L, -2, "metadata");
    }
    return CAIRN_OK;
}

int cairn_lua_decode(lua_State *L) {
    struct cairn_error error;
    struct cairn_slice bytes = cairn_lua_bytes(L, 1, "bytes");
    enum cairn_status status = push_entry(L, bytes, &error);
    return status ? cairn_lua_fail(L, status, &error) : 1;
}
