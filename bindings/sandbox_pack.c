/* sandbox_pack.c -- string.pack, packsize and unpack (reference manual, section
 * 6.4.2). */
#include <limits.h>
#include <stddef.h>

#include "sandbox_limits.h"

struct aligned {
    char first;
    union {
        LUAI_MAXALIGN;
    } most;
};

enum {
    INTEGER_MAX = 16,
    INTEGER_SIZE = sizeof(lua_Integer),
    MACHINE_ALIGN = offsetof(struct aligned, most),
};

enum kind {
    PACK_SIGNED,
    PACK_UNSIGNED,
    PACK_FLOAT,
    PACK_DOUBLE,
    PACK_CHARS,   /* so many bytes */
    PACK_STRING,  /* its length, in so many bytes, then the string */
    PACK_ZSTRING, /* up to a zero */
    PACK_PADDING,
    PACK_ALIGN, /* only the padding in front of the next option */
    PACK_NOTHING,
};

struct format {
    lua_State *L;
    const char *at; /* ends with a NUL */
    bool is_little;
    size_t most_align;
};

struct item {
    enum kind kind;
    size_t size;    /* of what is stored, or of the length of a string */
    size_t padding; /* in front of it */
};

static bool machine_is_little(void) {
    const int one = 1;
    return *(const char *)&one == 1;
}

/* -- Formats ---------------------------------------------------------------------- */

static bool has_number(const struct format *format) {
    return *format->at >= '0' && *format->at <= '9';
}

/* A number so large that another digit might not fit ends there. */
static size_t read_number(struct format *format, size_t missing) {
    if (!has_number(format))
        return missing;
    size_t number = 0;
    while (has_number(format) && number <= (INT_MAX - 9) / 10)
        number = number * 10 + (size_t)(*format->at++ - '0');
    return number;
}

static size_t read_integer_size(struct format *format, size_t missing) {
    size_t size = read_number(format, missing);
    if (size < 1 || size > INTEGER_MAX)
        luaL_error(format->L, "integral size (%d) out of limits [1,%d]", (int)size,
                   INTEGER_MAX);
    return size;
}

static struct item item(enum kind kind, size_t size) {
    return (struct item){kind, size, 0};
}

/* Options that say how the others are to be read. */
static struct item read_setting(struct format *format, char option) {
    switch (option) {
    case '<':
        format->is_little = true;
        break;
    case '>':
        format->is_little = false;
        break;
    case '=':
        format->is_little = machine_is_little();
        break;
    case '!':
        format->most_align = read_integer_size(format, MACHINE_ALIGN);
        break;
    case ' ':
        break;
    default:
        luaL_error(format->L, "invalid format option '%c'", option);
    }
    return item(PACK_NOTHING, 0);
}

static struct item read_chars(struct format *format) {
    if (!has_number(format))
        luaL_error(format->L, "missing size for format option 'c'");
    return item(PACK_CHARS, read_number(format, 0));
}

static struct item read_option(struct format *format) {
    char option = *format->at++;
    switch (option) {
    case 'b':
        return item(PACK_SIGNED, sizeof(char));
    case 'B':
        return item(PACK_UNSIGNED, sizeof(char));
    case 'h':
        return item(PACK_SIGNED, sizeof(short));
    case 'H':
        return item(PACK_UNSIGNED, sizeof(short));
    case 'l':
        return item(PACK_SIGNED, sizeof(long));
    case 'L':
        return item(PACK_UNSIGNED, sizeof(long));
    case 'j':
        return item(PACK_SIGNED, sizeof(lua_Integer));
    case 'J':
        return item(PACK_UNSIGNED, sizeof(lua_Integer));
    case 'T':
        return item(PACK_UNSIGNED, sizeof(size_t));
    case 'i':
        return item(PACK_SIGNED, read_integer_size(format, sizeof(int)));
    case 'I':
        return item(PACK_UNSIGNED, read_integer_size(format, sizeof(int)));
    case 'f':
        return item(PACK_FLOAT, sizeof(float));
    case 'd':
    case 'n':
        return item(PACK_DOUBLE, sizeof(double));
    case 's':
        return item(PACK_STRING, read_integer_size(format, sizeof(size_t)));
    case 'z':
        return item(PACK_ZSTRING, 0);
    case 'x':
        return item(PACK_PADDING, 1);
    case 'X':
        return item(PACK_ALIGN, 0);
    case 'c':
        return read_chars(format);
    default:
        return read_setting(format, option);
    }
}

/* The next option, where `before` bytes precede it. */
static struct item next_item(struct format *format, size_t before) {
    struct item found = read_option(format);
    size_t align = found.size;
    if (found.kind == PACK_ALIGN) {
        struct item next = *format->at ? read_option(format) : found;
        align = next.size;
        luaL_argcheck(format->L, next.kind != PACK_CHARS && align > 0, 1,
                      "invalid next option for option 'X'");
    }
    if (align <= 1 || found.kind == PACK_CHARS)
        return found;
    if (align > format->most_align)
        align = format->most_align;
    luaL_argcheck(format->L, (align & (align - 1)) == 0, 1,
                  "format asks for alignment not power of 2");
    found.padding = (align - (before & (align - 1))) & (align - 1);
    return found;
}

static struct format begin(lua_State *L) {
    return (struct format){L, luaL_checkstring(L, 1), machine_is_little(), 1};
}

/* -- Packing ---------------------------------------------------------------------- */

struct packing {
    struct format format;
    struct sandbox_text text;
    int argument;
};

static void add_zeros(struct packing *packing, size_t count) {
    memset(sandbox_text_room(&packing->text, count), 0, count);
    packing->text.size += count;
}

static void add_integer(struct packing *packing, lua_Unsigned value, bool is_negative,
                        size_t size) {
    char *room = sandbox_text_room(&packing->text, size);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = is_negative ? 0xff : 0;
        if (i < INTEGER_SIZE)
            byte = (unsigned char)(value >> (8 * i));
        room[packing->format.is_little ? i : size - 1 - i] = (char)byte;
    }
    packing->text.size += size;
}

static void pack_integer(struct packing *packing, struct item item) {
    lua_State *L = packing->format.L;
    lua_Integer value = luaL_checkinteger(L, packing->argument);
    if (item.size < INTEGER_SIZE && item.kind == PACK_SIGNED) {
        lua_Integer limit = (lua_Integer)1 << (item.size * 8 - 1);
        luaL_argcheck(L, -limit <= value && value < limit, packing->argument,
                      "integer overflow");
    } else if (item.size < INTEGER_SIZE) {
        luaL_argcheck(L, (lua_Unsigned)value < (lua_Unsigned)1 << (item.size * 8),
                      packing->argument, "unsigned overflow");
    }
    add_integer(packing, (lua_Unsigned)value, item.kind == PACK_SIGNED && value < 0,
                item.size);
}

/* The bytes of a float, in the order that is asked for. */
static void copy_float(char *to, const char *from, size_t size, bool is_little) {
    bool turned = is_little != machine_is_little();
    for (size_t i = 0; i < size; i++)
        to[i] = from[turned ? size - 1 - i : i];
}

static void pack_float(struct packing *packing, struct item item) {
    double wide = (double)luaL_checknumber(packing->format.L, packing->argument);
    float narrow = (float)wide;
    const char *bytes =
        item.kind == PACK_FLOAT ? (const char *)&narrow : (const char *)&wide;
    copy_float(sandbox_text_room(&packing->text, item.size), bytes, item.size,
               packing->format.is_little);
    packing->text.size += item.size;
}

static void pack_string(struct packing *packing, struct item item) {
    lua_State *L = packing->format.L;
    size_t size;
    const char *data = luaL_checklstring(L, packing->argument, &size);
    switch (item.kind) {
    case PACK_CHARS:
        luaL_argcheck(L, size <= item.size, packing->argument,
                      "string longer than given size");
        sandbox_text_add(&packing->text, data, size);
        add_zeros(packing, item.size - size);
        break;
    case PACK_STRING:
        luaL_argcheck(L, item.size >= sizeof size || size >> (item.size * 8) == 0,
                      packing->argument, "string length does not fit in given size");
        add_integer(packing, size, false, item.size);
        sandbox_text_add(&packing->text, data, size);
        break;
    default:
        sandbox_charge_bytes(L, size);
        luaL_argcheck(L, !memchr(data, '\0', size), packing->argument,
                      "string contains zeros");
        sandbox_text_add(&packing->text, data, size + 1);
    }
}

static void pack_item(struct packing *packing, struct item item) {
    add_zeros(packing, item.padding);
    switch (item.kind) {
    case PACK_SIGNED:
    case PACK_UNSIGNED:
        packing->argument++;
        pack_integer(packing, item);
        break;
    case PACK_FLOAT:
    case PACK_DOUBLE:
        packing->argument++;
        pack_float(packing, item);
        break;
    case PACK_CHARS:
    case PACK_STRING:
    case PACK_ZSTRING:
        packing->argument++;
        pack_string(packing, item);
        break;
    case PACK_PADDING:
        add_zeros(packing, 1);
        break;
    case PACK_ALIGN:
    case PACK_NOTHING:
        break;
    }
}

/* The text takes a slot above the arguments: nil is what a missing one is. */
int sandbox_string_pack(lua_State *L) {
    struct packing packing = {.format = begin(L), .argument = 1};
    sandbox_charge(L, 1);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    sandbox_text_begin(L, &packing.text);
    lua_pushnil(L);
    lua_insert(L, packing.text.slot++);
    while (*packing.format.at) {
        sandbox_charge(L, 1);
        pack_item(&packing, next_item(&packing.format, packing.text.size));
    }
    sandbox_text_end(&packing.text);
    return 1;
}

int sandbox_string_packsize(lua_State *L) {
    struct format format = begin(L);
    size_t total = 0;
    while (*format.at) {
        sandbox_charge(L, 1);
        struct item item = next_item(&format, total);
        luaL_argcheck(L, item.kind != PACK_STRING && item.kind != PACK_ZSTRING, 1,
                      "variable-length format");
        luaL_argcheck(L, item.size + item.padding <= (size_t)PTRDIFF_MAX - total, 1,
                      "format result too large");
        total += item.size + item.padding;
    }
    lua_pushinteger(L, (lua_Integer)total);
    return 1;
}

/* -- Unpacking -------------------------------------------------------------------- */

struct unpacking {
    struct format format;
    struct cairn_slice data;
    size_t at;
};

static void need(struct unpacking *unpacking, size_t size) {
    luaL_argcheck(unpacking->format.L, size <= unpacking->data.size - unpacking->at, 2,
                  "data string too short");
}

/* Bytes beyond those of a Lua integer must only repeat its sign. */
static lua_Integer read_integer(struct unpacking *unpacking, size_t size,
                                bool is_signed) {
    const char *from = unpacking->data.data + unpacking->at;
    lua_Unsigned value = 0;
    for (size_t i = size; i-- > 0;) {
        unsigned char byte =
            (unsigned char)from[unpacking->format.is_little ? i : size - 1 - i];
        if (i < INTEGER_SIZE)
            value = value << 8 | byte;
    }
    if (size < INTEGER_SIZE && is_signed) {
        lua_Unsigned sign = (lua_Unsigned)1 << (size * 8 - 1);
        value = (value ^ sign) - sign;
    }
    unsigned char beyond = is_signed && (lua_Integer)value < 0 ? 0xff : 0;
    for (size_t i = INTEGER_SIZE; i < size; i++)
        if ((unsigned char)from[unpacking->format.is_little ? i : size - 1 - i] !=
            beyond)
            luaL_error(unpacking->format.L,
                       "%d-byte integer does not fit into Lua Integer", (int)size);
    return (lua_Integer)value;
}

static void unpack_float(struct unpacking *unpacking, struct item item) {
    const char *from = unpacking->data.data + unpacking->at;
    double wide;
    float narrow;
    char *to = item.kind == PACK_FLOAT ? (char *)&narrow : (char *)&wide;
    copy_float(to, from, item.size, unpacking->format.is_little);
    lua_pushnumber(unpacking->format.L,
                   item.kind == PACK_FLOAT ? (lua_Number)narrow : (lua_Number)wide);
}

static void push_bytes(struct unpacking *unpacking, size_t size) {
    need(unpacking, size);
    sandbox_charge_bytes(unpacking->format.L, size);
    lua_pushlstring(unpacking->format.L, unpacking->data.data + unpacking->at, size);
    unpacking->at += size;
}

static void unpack_zstring(struct unpacking *unpacking) {
    const char *from = unpacking->data.data + unpacking->at;
    size_t rest = unpacking->data.size - unpacking->at;
    sandbox_charge_bytes(unpacking->format.L, rest);
    const char *end = memchr(from, '\0', rest);
    luaL_argcheck(unpacking->format.L, end, 2, "unfinished string for format 'z'");
    push_bytes(unpacking, (size_t)(end - from));
    unpacking->at++;
}

/* Returns how many values were pushed. */
static int unpack_item(struct unpacking *unpacking, struct item item) {
    size_t size;
    switch (item.kind) {
    case PACK_SIGNED:
    case PACK_UNSIGNED:
        lua_pushinteger(unpacking->format.L,
                        read_integer(unpacking, item.size, item.kind == PACK_SIGNED));
        unpacking->at += item.size;
        return 1;
    case PACK_FLOAT:
    case PACK_DOUBLE:
        unpack_float(unpacking, item);
        unpacking->at += item.size;
        return 1;
    case PACK_CHARS:
        push_bytes(unpacking, item.size);
        return 1;
    case PACK_STRING:
        size = (size_t)read_integer(unpacking, item.size, false);
        unpacking->at += item.size;
        push_bytes(unpacking, size);
        return 1;
    case PACK_ZSTRING:
        unpack_zstring(unpacking);
        return 1;
    default:
        unpacking->at += item.size;
        return 0;
    }
}

static size_t check_start(lua_State *L, size_t size) {
    lua_Integer at = luaL_optinteger(L, 3, 1);
    if (at < 0)
        at = at < -(lua_Integer)size ? 1 : (lua_Integer)size + at + 1;
    size_t start = at > 0 ? (size_t)at - 1 : 0;
    luaL_argcheck(L, start <= size, 3, "initial position out of string");
    return start;
}

int sandbox_string_unpack(lua_State *L) {
    struct unpacking unpacking = {.format = begin(L)};
    unpacking.data.data = luaL_checklstring(L, 2, &unpacking.data.size);
    unpacking.at = check_start(L, unpacking.data.size);
    int count = 0;
    while (*unpacking.format.at) {
        sandbox_charge(L, 1);
        struct item item = next_item(&unpacking.format, unpacking.at);
        need(&unpacking, item.padding);
        unpacking.at += item.padding;
        need(&unpacking, item.size);
        luaL_checkstack(L, 4, "too many results");
        count += unpack_item(&unpacking, item);
    }
    lua_pushinteger(L, (lua_Integer)unpacking.at + 1);
    return count + 1;
}
