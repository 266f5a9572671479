/* lua_base64.c -- `cairn.base64`: bytes that must pass through JSON (RFC 4648, 4).
 *
 * The C library has both directions, for keys in the domain name system. Preloaded in
 * the program only. */
#include <sys/types.h>

#include <netinet/in.h>
#include <resolv.h>

#include <lauxlib.h>
#include <lua.h>

int luaopen_cairn_base64(lua_State *L);

/* The library counts in int. */
enum { MOST_BYTES = 1 << 30 };

/* encode(bytes) */
static int base64_encode(lua_State *L) {
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, size <= MOST_BYTES, 1, "over 1 GiB");
    size_t room = (size + 2) / 3 * 4 + 1; /* the library ends it with a zero */
    luaL_Buffer out;
    char *text = luaL_buffinitsize(L, &out, room);
    int length = b64_ntop((const unsigned char *)bytes, size, text, room);
    luaL_pushresultsize(&out, (size_t)length);
    return 1;
}

/* decode(text): the bytes; nil if it is not base64. */
static int base64_decode(lua_State *L) {
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, size <= MOST_BYTES, 1, "over 1 GiB");
    size_t room = size / 4 * 3 + 3;
    luaL_Buffer out;
    char *bytes = luaL_buffinitsize(L, &out, room);
    int length = b64_pton(text, (unsigned char *)bytes, room);
    luaL_pushresultsize(&out, length < 0 ? 0 : (size_t)length);
    if (length < 0)
        lua_pushnil(L);
    return 1;
}

static const luaL_Reg functions[] = {
    {"decode", base64_decode},
    {"encode", base64_encode},
    {NULL, NULL},
};

int luaopen_cairn_base64(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
