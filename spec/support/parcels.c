/* parcels.c -- a Lua module of parcels made from what is gone then, too deep, too
 * large, or shared by threads; for parcel_spec.lua. */
#include <stdlib.h>
#include <string.h>

#include "cairn/parcel.h"
#include "module.h"

int luaopen_parcels(lua_State *L);

static bool lies_within(const struct cairn_parcel *parcel, const void *data,
                        size_t size) {
    const char *block = (const char *)parcel, *from = data;
    return size == 0 || (from >= block && from + size <= block + parcel->size_bytes);
}

static bool is_whole(const struct cairn_parcel *parcel,
                     const struct cairn_value *value) {
    bool whole = true;
    if (value->type == CAIRN_VALUE_BYTES || value->type == CAIRN_VALUE_ATOM)
        return lies_within(parcel, value->as.bytes.data, value->as.bytes.size);
    if (value->type == CAIRN_VALUE_LIST)
        for (size_t i = 0; i < value->count; i++)
            whole &= lies_within(parcel, &value->as.items[i], sizeof *value) &&
                     is_whole(parcel, &value->as.items[i]);
    if (value->type == CAIRN_VALUE_MESSAGE)
        for (size_t i = 0; i < value->count; i++) {
            const struct cairn_pair *field = &value->as.fields[i];
            whole &= lies_within(parcel, field, sizeof *field) &&
                     lies_within(parcel, field->key.data, field->key.size) &&
                     is_whole(parcel, &field->value);
        }
    return whole;
}

static int push_parcel(lua_State *L, struct cairn_parcel *parcel) {
    struct cairn_bytes text = {0};
    struct cairn_error error;
    bool whole = is_whole(parcel, &parcel->value);
    lua_Integer size = (lua_Integer)parcel->size_bytes;
    enum cairn_status status = cairn_value_to_json(&parcel->value, 0, &text, &error);
    cairn_parcel_release(parcel);
    if (status)
        return push_outcome(L, status, &error);
    lua_pushlstring(L, text.data, text.size);
    cairn_bytes_free(&text);
    lua_pushinteger(L, size);
    lua_pushboolean(L, whole);
    return 3;
}

/* copy(json): the copy as JSON, when what it was made of is gone; its size; whether
 * all of it lies in its block. */
static int spec_copy(lua_State *L) {
    struct cairn_arena arena;
    struct cairn_value value;
    struct cairn_parcel *parcel = NULL;
    struct cairn_error error;
    size_t size;
    const char *json = luaL_checklstring(L, 1, &size);
    struct cairn_bytes text = {0}; /* values may share the text: it goes, too */
    if (!cairn_bytes_append(&text, (struct cairn_slice){json, size}))
        return luaL_error(L, "no memory");
    cairn_arena_init(&arena);
    enum cairn_status status =
        cairn_value_from_json(cairn_bytes_slice(&text), &arena, &value, &error);
    if (!status)
        status = cairn_parcel_new(&value, &parcel, &error);
    if (text.data)
        memset(text.data, 'x', text.size);
    cairn_bytes_free(&text);
    cairn_arena_free(&arena);
    return status ? push_outcome(L, status, &error) : push_parcel(L, parcel);
}

/* nested(levels): a list in a list in ... */
static int spec_nested(lua_State *L) {
    size_t levels = (size_t)luaL_checkinteger(L, 1);
    struct cairn_value values[100] = {{0}};
    struct cairn_parcel *parcel = NULL;
    struct cairn_error error;
    luaL_argcheck(L, levels <= 100, 1, "too many");
    for (size_t i = 0; i < levels; i++) {
        values[i].type = CAIRN_VALUE_LIST;
        values[i].count = i + 1 < levels;
        values[i].as.items = &values[i + 1];
    }
    enum cairn_status status = cairn_parcel_new(&values[0], &parcel, &error);
    cairn_parcel_release(parcel);
    return push_outcome(L, status, &error);
}

/* large(count, size): a list of so many values that share their bytes. */
static int spec_large(lua_State *L) {
    size_t count = (size_t)luaL_checkinteger(L, 1);
    size_t size = (size_t)luaL_checkinteger(L, 2);
    char *bytes = calloc(1, size + 1);
    struct cairn_value *items = calloc(count, sizeof *items);
    struct cairn_value list = {.type = CAIRN_VALUE_LIST, .count = count};
    struct cairn_parcel *parcel = NULL;
    struct cairn_error error;
    enum cairn_status status = CAIRN_OK;
    list.as.items = items;
    for (size_t i = 0; bytes && items && i < count; i++)
        items[i].as.bytes = (struct cairn_slice){bytes, size};
    if (bytes && items)
        status = cairn_parcel_new(&list, &parcel, &error);
    cairn_parcel_release(parcel);
    free(bytes);
    free(items);
    return push_outcome(L, status, &error);
}

/* doubled(levels): a list of two that are the same list of two that are ... */
static int spec_doubled(lua_State *L) {
    size_t levels = (size_t)luaL_checkinteger(L, 1);
    struct cairn_value values[100][2] = {{{0}}};
    struct cairn_parcel *parcel = NULL;
    struct cairn_error error;
    luaL_argcheck(L, levels > 0 && levels < 100, 1, "so many");
    for (size_t i = 0; i < levels; i++)
        for (size_t j = 0; j < 2; j++) {
            values[i][j] = (struct cairn_value){.type = CAIRN_VALUE_LIST, .count = 2};
            values[i][j].as.items = values[i + 1];
        }
    enum cairn_status status = cairn_parcel_new(&values[0][0], &parcel, &error);
    cairn_parcel_release(parcel);
    return push_outcome(L, status, &error);
}

static void *hold(void *argument) {
    struct cairn_parcel *parcel = argument;
    for (int i = 0; i < 10000; i++)
        cairn_parcel_release(cairn_parcel_retain(parcel));
    cairn_parcel_release(parcel);
    return NULL;
}

/* share(threads): each holds it and lets go of it many times; true if nobody else does
 * in the end. */
static int spec_share(lua_State *L) {
    struct cairn_value value = {.type = CAIRN_VALUE_INTEGER, .as.integer = 7};
    struct cairn_parcel *parcel;
    pthread_t threads[16];
    long count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count <= 16, 1, "too many");
    if (cairn_parcel_new(&value, &parcel, NULL))
        return luaL_error(L, "no memory");
    for (long i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, hold, cairn_parcel_retain(parcel));
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    lua_pushboolean(L, atomic_load(&parcel->users) == 1 && !cairn_parcel_retain(NULL));
    cairn_parcel_release(parcel);
    return 1;
}

static const luaL_Reg functions[] = {
    {"copy", spec_copy},     {"doubled", spec_doubled}, {"large", spec_large},
    {"nested", spec_nested}, {"share", spec_share},     {NULL, NULL},
};

int luaopen_parcels(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
