/* policy_lint.c -- the compiled function is dumped and its instructions are looked at.
 *
 * A global is a field of the upvalue _ENV. The compiler reads one with GETTABUP and
 * writes one with SETTABUP; where a function has more constants than these can name, it
 * fetches _ENV (GETUPVAL) and the name (LOADK) first. So each instruction that touches
 * _ENV says which global is meant, and nothing that a script does at run time can add
 * one: whoever takes _ENV as a value is refused. The format is that of Lua 5.4 and is
 * checked by its header. */
#include "policy_lint.h"

#include <lauxlib.h>
#include <stdlib.h>

/* -- Reading the dump -------------------------------------------------------------- */

/* What is left; `ok` is false once it ended too early. */
struct dump {
    struct cairn_slice rest;
    bool ok;
};

static struct cairn_slice take(struct dump *dump, size_t size) {
    if (!dump->ok || size > dump->rest.size) {
        dump->ok = false;
        return (struct cairn_slice){"", 0};
    }
    struct cairn_slice taken = cairn_slice_sub(dump->rest, 0, size);
    dump->rest = cairn_slice_sub(dump->rest, size, dump->rest.size - size);
    return taken;
}

static unsigned take_byte(struct dump *dump) {
    struct cairn_slice byte = take(dump, 1);
    return byte.size ? (unsigned char)*byte.data : 0;
}

/* Seven bits a byte, the highest first; the last has bit 7 set. */
static size_t take_size(struct dump *dump) {
    size_t size = 0;
    unsigned byte = 0;
    while (dump->ok && !(byte & 0x80)) {
        byte = take_byte(dump);
        if (size > SIZE_MAX >> 8)
            dump->ok = false;
        size = size << 7 | (byte & 0x7f);
    }
    return dump->ok ? size : 0;
}

static struct cairn_slice take_string(struct dump *dump) {
    size_t size = take_size(dump);
    return take(dump, size ? size - 1 : 0);
}

/* A count of things that take at least a byte each. */
static size_t take_count(struct dump *dump) {
    size_t count = take_size(dump);
    if (count > dump->rest.size)
        dump->ok = false;
    return dump->ok ? count : 0;
}

/* "\x1bLua", version, format, six bytes, sizes of an instruction, an integer and a
 * number, one of each. */
static bool take_header(struct dump *dump) {
    static const char expected[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08";
    struct cairn_slice header = take(dump, sizeof expected - 1);
    take(dump, 16);
    take_byte(dump); /* upvalues of the chunk */
    return dump->ok && memcmp(header.data, expected, header.size) == 0;
}

/* -- Functions --------------------------------------------------------------------- */

enum {
    CONSTANT_STRING = 4,
    CONSTANT_LONG = 0x14,
    CONSTANT_INTEGER = 3,
    CONSTANT_FLOAT = 0x13
};

/* Instructions that matter. */
enum {
    LOADK = 3,
    LOADKX = 4,
    GETUPVAL = 9,
    SETUPVAL = 10,
    GETTABUP = 11,
    GETTABLE = 12,
    GETFIELD = 14,
    SETTABUP = 15
};

/* One instruction: opcode 7 bits, A 8, k 1, B 8, C 8; or Bx 17 from A on. */
static unsigned opcode(uint32_t code) {
    return code & 0x7f;
}
static unsigned part_a(uint32_t code) {
    return code >> 7 & 0xff;
}
static unsigned part_b(uint32_t code) {
    return code >> 16 & 0xff;
}
static unsigned part_c(uint32_t code) {
    return code >> 24;
}
static unsigned part_bx(uint32_t code) {
    return code >> 15;
}

/* What is known of a function when its instructions are looked at. */
struct function {
    const struct function *outer;
    struct cairn_slice code;       /* four bytes each */
    struct cairn_slice *constants; /* owned; data is NULL for those that are no text */
    size_t constants_count;
    struct cairn_slice upvalues; /* three bytes each: in the stack?, index, kind */
    struct cairn_slice lines;    /* a signed byte for each instruction */
    struct dump far_lines;       /* pairs, for those with -128 */
    size_t defined_at;
};

struct lint {
    struct sandbox *sandbox;
    const char *name;
    struct cairn_error *error;
};

static bool is_env(const struct function *function, unsigned upvalue) {
    if (!function->outer)
        return upvalue == 0; /* a chunk has no other */
    if (upvalue >= function->upvalues.size / 3)
        return false;
    const unsigned char *entry =
        (const unsigned char *)function->upvalues.data + 3 * upvalue;
    return !entry[0] && is_env(function->outer, entry[1]);
}

/* The string constant of that number; false if it is none. */
static bool constant_at(const struct function *function, size_t number,
                        struct cairn_slice *out) {
    if (number >= function->constants_count || !function->constants[number].data)
        return false;
    *out = function->constants[number];
    return true;
}

static uint32_t code_at(const struct function *function, size_t at) {
    uint32_t code = 0;
    if (at < function->code.size / 4)
        memcpy(&code, function->code.data + 4 * at, sizeof code);
    return code;
}

static int line_of(const struct function *function, size_t at) {
    struct dump far_lines = function->far_lines;
    size_t line = function->defined_at;
    for (size_t i = 0; i <= at && i < function->lines.size; i++) {
        signed char step = (signed char)function->lines.data[i];
        if (step == -128) {
            take_size(&far_lines);
            line = take_size(&far_lines);
        } else {
            line += (size_t)(ptrdiff_t)step;
        }
    }
    return (int)line;
}

/* -- What is there ----------------------------------------------------------------- */

struct question {
    const char *global, *field; /* field may be NULL */
    bool there;
};

/* Arguments: the question, the chunk. */
static int look(lua_State *L) {
    struct question *question = lua_touserdata(L, 1);
    lua_getupvalue(L, 2, 1);
    int type = lua_getfield(L, -1, question->global);
    if (type == LUA_TTABLE && question->field)
        type = lua_getfield(L, -1, question->field);
    question->there = type != LUA_TNIL;
    return 0;
}

static bool is_there(struct lint *lint, const char *global, const char *field) {
    struct question question = {global, field, false};
    if (sandbox_protect(lint->sandbox, look, &question, 0, NULL))
        return false;
    return question.there;
}

/* -- Judging ----------------------------------------------------------------------- */

enum { NAME_ROOM = 64 };

/* As a C string; names that do not fit are no globals of ours. */
static const char *to_name(struct cairn_slice text, char room[NAME_ROOM]) {
    size_t size = text.size < NAME_ROOM ? text.size : NAME_ROOM - 1;
    memcpy(room, text.data, size);
    room[size] = '\0';
    return room;
}

static enum cairn_status complain(struct lint *lint, const struct function *function,
                                  size_t at, const char *what, const char *name) {
    return cairn_fail(lint->error, CAIRN_POLICY_ERROR, "%s:%d: %s '%s'", lint->name,
                      line_of(function, at), what, name);
}

/* The global, and the field of it that the next instruction reads from `target`. */
static enum cairn_status judge_read(struct lint *lint, const struct function *function,
                                    size_t at, struct cairn_slice global, uint32_t next,
                                    unsigned target) {
    char room[NAME_ROOM], field_room[NAME_ROOM];
    struct cairn_slice field;
    const char *name = to_name(global, room);
    if (!is_there(lint, name, NULL))
        return complain(lint, function, at, "there is no global", name);
    if (opcode(next) != GETFIELD || part_b(next) != target ||
        !constant_at(function, part_c(next), &field))
        return CAIRN_OK;
    const char *field_name = to_name(field, field_room);
    if (is_there(lint, name, field_name))
        return CAIRN_OK;
    return cairn_fail(lint->error, CAIRN_POLICY_ERROR, "%s:%d: there is no '%s.%s'",
                      lint->name, line_of(function, at), name, field_name);
}

static enum cairn_status judge_write(struct lint *lint, const struct function *function,
                                     size_t at, struct cairn_slice global) {
    char room[NAME_ROOM];
    return complain(lint, function, at, "it assigns to the global",
                    to_name(global, room));
}

/* _ENV was fetched: for a global by name, or as a value. */
static enum cairn_status judge_fetch(struct lint *lint, const struct function *function,
                                     size_t at) {
    uint32_t code = code_at(function, at), load = code_at(function, at + 1);
    uint32_t use = code_at(function, at + 2);
    size_t constant = part_bx(load);
    if (opcode(load) == LOADKX) {
        constant = use >> 7;
        use = code_at(function, at + 3);
    }
    struct cairn_slice global;
    bool by_name = (opcode(load) == LOADK || opcode(load) == LOADKX) &&
                   constant_at(function, constant, &global);
    if (!by_name)
        return complain(lint, function, at, "it uses as a value", "_ENV");
    if (opcode(use) == GETTABLE && part_b(use) == part_a(code) &&
        part_c(use) == part_a(load))
        return judge_read(lint, function, at, global, 0, 0);
    return judge_write(lint, function, at, global);
}

static enum cairn_status judge(struct lint *lint, const struct function *function,
                               size_t at) {
    uint32_t code = code_at(function, at);
    struct cairn_slice name;
    switch (opcode(code)) {
    case GETTABUP:
        if (is_env(function, part_b(code)) &&
            constant_at(function, part_c(code), &name))
            return judge_read(lint, function, at, name, code_at(function, at + 1),
                              part_a(code));
        break;
    case SETTABUP:
        if (is_env(function, part_a(code)) &&
            constant_at(function, part_b(code), &name))
            return judge_write(lint, function, at, name);
        break;
    case GETUPVAL:
        if (is_env(function, part_b(code)))
            return judge_fetch(lint, function, at);
        break;
    case SETUPVAL:
        if (is_env(function, part_b(code)))
            return complain(lint, function, at, "it replaces", "_ENV");
        break;
    default:
        break;
    }
    return CAIRN_OK;
}

/* -- Walking ----------------------------------------------------------------------- */

static void take_constants(struct dump *dump, struct function *function) {
    size_t count = take_count(dump);
    function->constants = count ? calloc(count, sizeof *function->constants) : NULL;
    if (count && !function->constants)
        dump->ok = false;
    for (size_t i = 0; i < count && dump->ok; i++) {
        unsigned kind = take_byte(dump);
        if (kind == CONSTANT_STRING || kind == CONSTANT_LONG)
            function->constants[i] = take_string(dump);
        else if (kind == CONSTANT_INTEGER || kind == CONSTANT_FLOAT)
            take(dump, 8);
    }
    function->constants_count = dump->ok ? count : 0;
}

static void take_code(struct dump *dump, struct function *function) {
    take_string(dump); /* source */
    function->defined_at = take_size(dump);
    take_size(dump);
    take(dump, 3);
    function->code = take(dump, 4 * take_count(dump));
    take_constants(dump, function);
    function->upvalues = take(dump, 3 * take_count(dump));
}

static void take_debug(struct dump *dump, struct function *function) {
    function->lines = take(dump, take_count(dump));
    size_t count = take_count(dump);
    function->far_lines = *dump;
    for (size_t i = 0; i < 2 * count && dump->ok; i++)
        take_size(dump);
    count = take_count(dump); /* local variables */
    for (size_t i = 0; i < count && dump->ok; i++) {
        take_string(dump);
        take_size(dump);
        take_size(dump);
    }
    count = take_count(dump); /* names of upvalues */
    for (size_t i = 0; i < count && dump->ok; i++)
        take_string(dump);
}

static enum cairn_status judge_all(struct lint *lint, const struct function *function) {
    enum cairn_status status = CAIRN_OK;
    for (size_t i = 0; i < function->code.size / 4 && !status; i++)
        status = judge(lint, function, i);
    return status;
}

/* Once something is found, the rest is only read over. */
static enum cairn_status walk(struct lint *lint, struct dump *dump,
                              const struct function *outer, bool found) {
    struct function function = {.outer = outer};
    enum cairn_status status = CAIRN_OK;
    take_code(dump, &function);
    size_t inner = take_count(dump);
    for (size_t i = 0; i < inner && dump->ok; i++) {
        enum cairn_status one = walk(lint, dump, &function, found || status);
        status = status ? status : one;
    }
    take_debug(dump, &function);
    if (!found && !status && dump->ok)
        status = judge_all(lint, &function);
    free(function.constants);
    return status;
}

static int append(lua_State *L, const void *bytes, size_t size, void *out) {
    (void)L;
    return !cairn_bytes_append(out, (struct cairn_slice){bytes, size});
}

enum cairn_status policy_lint(struct sandbox *sandbox, const char *name,
                              struct cairn_error *error) {
    struct cairn_bytes bytes = {0};
    struct cairn_error own;
    struct lint lint = {sandbox, name, error ? error : &own};
    enum cairn_status status = CAIRN_OK;
    if (lua_dump(sandbox_state(sandbox), append, &bytes, 0))
        status =
            cairn_fail(error, CAIRN_NO_MEMORY, "%s: no memory to look at it", name);
    struct dump dump = {cairn_bytes_slice(&bytes), true};
    if (!status && !take_header(&dump))
        status = cairn_fail(error, CAIRN_UNSUPPORTED,
                            "%s: this Lua compiles to something unknown", name);
    if (!status)
        status = walk(&lint, &dump, NULL, false);
    if (!status && !dump.ok)
        status = cairn_fail(error, CAIRN_CORRUPT,
                            "%s: its compiled form makes no sense", name);
    cairn_bytes_free(&bytes);
    return status;
}
