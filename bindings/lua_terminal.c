/* lua_terminal.c -- `cairn.terminal`: whoever sits in front of the program.
 *
 * Line editing is libedit's. Its callback interface is used rather than readline():
 * there we do the waiting, so that Ctrl-C is an answer of poll() and not a jump out of
 * the middle of the library. Preloaded in the program only; one line at a time. */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <editline/readline.h>
#include <lauxlib.h>
#include <lua.h>

int luaopen_cairn_terminal(lua_State *L);

enum { HISTORY_LINES = 2000, DEFAULT_WIDTH = 80 };

/* What ends a word for libedit. Not '/', so that a path in a string is one word. */
static char word_breaks[] = " \t\n\"'()[]{},;=+*<>~&|#%^";

/* libedit calls back without an argument of ours. */
static struct {
    lua_State *L;      /* while a line is read */
    int completer;     /* reference to the Lua function */
    char **candidates; /* of the completion under way; rl_completion_matches frees
                          the strings, we the array */
    size_t next;
    char *line; /* what was read; NULL at the end of input */
    bool done;
} editor = {.completer = LUA_NOREF};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static void take_line(char *line) {
    editor.line = line;
    editor.done = true;
    /* Here and not later: libedit would prompt once more. */
    rl_callback_handler_remove();
}

/* -- Completion ------------------------------------------------------------------- */

static char *next_candidate(const char *text, int state) {
    (void)text;
    (void)state;
    return editor.candidates[editor.next] ? editor.candidates[editor.next++] : NULL;
}

/* Protected: arguments are the line, and where the word begins and ends in it; the
 * Lua function returns a sequence of what the word could become. */
static int ask_completer(lua_State *L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, editor.completer);
    lua_insert(L, 1);
    lua_call(L, 3, 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    size_t count = lua_rawlen(L, -1);
    editor.candidates = calloc(count + 1, sizeof *editor.candidates);
    for (size_t i = 0; editor.candidates && i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        editor.candidates[i] = strdup(luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
    return 0;
}

/* The byte at which a character of the line begins: libedit counts characters here,
 * bytes elsewhere. */
static lua_Integer byte_offset(const char *line, int characters) {
    mbstate_t state = {0};
    size_t left = strlen(line), at = 0;
    while (characters-- > 0 && at < left) {
        size_t width = mbrlen(line + at, left - at, &state);
        bool broken = width == 0 || width > left - at; /* or one of the two errors */
        at += broken ? 1 : width;
    }
    return (lua_Integer)at;
}

static char **complete(const char *text, int from, int to) {
    rl_attempted_completion_over = 1; /* never file names of its own accord */
    lua_State *L = editor.L;
    if (editor.completer == LUA_NOREF || !lua_checkstack(L, 8))
        return NULL;
    editor.candidates = NULL;
    editor.next = 0;
    lua_pushcfunction(L, ask_completer);
    lua_pushstring(L, rl_line_buffer);
    lua_pushinteger(L, byte_offset(rl_line_buffer, from));
    lua_pushinteger(L, byte_offset(rl_line_buffer, to));
    char **matches = NULL;
    if (lua_pcall(L, 3, 0, 0))
        lua_pop(L, 1); /* nothing to offer; a message would tear up the line */
    else if (editor.candidates)
        matches = rl_completion_matches(text, next_candidate);
    for (size_t i = editor.next; editor.candidates && editor.candidates[i]; i++)
        free(editor.candidates[i]);
    free(editor.candidates);
    return matches;
}

/* -- Reading a line --------------------------------------------------------------- */

static void start_editor(void) {
    static bool started;
    if (started)
        return;
    started = true;
    /* Letters are multi-byte or not by the locale; plain C would show UTF-8 as \303. */
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    rl_readline_name = "cairn";
    rl_catch_signals = 0;
    rl_initialize();
    using_history();
    stifle_history(HISTORY_LINES);
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = word_breaks;
    rl_basic_word_break_characters = word_breaks;
    rl_completion_append_character = '\0';
}

/* False when it was interrupted. */
static bool edit_line(const char *prompt) {
    interrupted = 0;
    struct sigaction action = {.sa_handler = note_interrupt}, before;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before);
    editor.done = false;
    editor.line = NULL;
    rl_callback_handler_install(prompt, take_line);
    while (!editor.done && !interrupted) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, -1) > 0)
            rl_callback_read_char();
        else if (errno != EINTR)
            take_line(NULL);
    }
    if (!editor.done)
        rl_callback_handler_remove();
    sigaction(SIGINT, &before, NULL);
    return editor.done;
}

/* read_line(prompt): the line; nil at the end of input; false after Ctrl-C. */
static int terminal_read_line(lua_State *L) {
    const char *prompt = luaL_checkstring(L, 1);
    start_editor();
    editor.L = L;
    bool complete_line = edit_line(prompt);
    if (!complete_line) {
        fputs("^C\n", stdout);
        lua_pushboolean(L, 0);
        return 1;
    }
    if (!editor.line) {
        lua_pushnil(L);
        return 1;
    }
    /* May raise for lack of memory and then leak the line: the program ends there. */
    lua_pushstring(L, editor.line);
    free(editor.line);
    return 1;
}

/* set_completer(function(line, from, to) -> sequence of strings) */
static int terminal_set_completer(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_unref(L, LUA_REGISTRYINDEX, editor.completer);
    lua_settop(L, 1);
    editor.completer = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* -- History ---------------------------------------------------------------------- */

static int terminal_add_history(lua_State *L) {
    const char *line = luaL_checkstring(L, 1);
    start_editor();
    add_history(line);
    return 0;
}

static int terminal_read_history(lua_State *L) {
    const char *file = luaL_checkstring(L, 1);
    start_editor();
    int error = read_history(file);
    errno = error;
    return luaL_fileresult(L, error == 0, file);
}

static int terminal_write_history(lua_State *L) {
    const char *file = luaL_checkstring(L, 1);
    start_editor();
    int error = write_history(file);
    errno = error;
    return luaL_fileresult(L, error == 0, file);
}

/* -- The screen ------------------------------------------------------------------- */

/* is_terminal(0 | 1 | 2) */
static int terminal_is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* width(): columns of the screen behind standard error. */
static int terminal_width(lua_State *L) {
    struct winsize size = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : DEFAULT_WIDTH);
    return 1;
}

static const luaL_Reg functions[] = {
    {"add_history", terminal_add_history},     {"is_terminal", terminal_is_terminal},
    {"read_history", terminal_read_history},   {"read_line", terminal_read_line},
    {"set_completer", terminal_set_completer}, {"width", terminal_width},
    {"write_history", terminal_write_history}, {NULL, NULL},
};

int luaopen_cairn_terminal(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
