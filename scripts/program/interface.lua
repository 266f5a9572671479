--- What the program understands: every command, operand and option, once.
---
--- The parser, the help, the usage lines read this table; a spec holds the man page and
--- the bash completion against it.

---@class cairn.program.Option
---@field name string  long, without dashes; also its field in the parsed options
---@field short? string one letter
---@field value? string what stands for the value in help; nil: a switch
---@field many? boolean may be given more than once; the values become a sequence
---@field meaning string

---@class cairn.program.Command
---@field name string
---@field title string set here: "get", "policy show"
---@field operands string as in the usage line; "..." at its end: any number
---@field least integer operands that must be there
---@field summary string
---@field details string
---@field options cairn.program.Option[]
---@field module string under cairn.program.commands
---@field script? boolean everything after the first operand belongs to a script
---@field commands? cairn.program.Command[] of a group: `cairn policy show`

local for_caches = require "cairn.program.interface_caches"

local interface = {}

---@type cairn.program.Option[]
interface.global_options = {
  { name = "store", value = "URL", meaning = "the store, e.g. rocksdb:./data, fs:/srv/x" },
  { name = "policies", value = "DIR", meaning = "the user's policies, over the shipped ones" },
  { name = "json", meaning = "results and errors as JSON, one object a line" },
  { name = "quiet", short = "q", meaning = "no progress, no notes; errors are still said" },
  { name = "help", short = "h", meaning = "this help, or that of the command" },
  { name = "version", meaning = "the version" },
}

interface.stores = [[
Which store: --store URL; else the environment variable CAIRN_STORE; else `store` in
cairn.conf.lua (in the current directory, or in ~/.config/cairn); else an embedded RocksDB
in ./cairn-data, made by the first command that writes.
Which policies: the shipped ones, and over them those in --policies DIR; else CAIRN_POLICIES;
else `policies` in cairn.conf.lua; else ~/.config/cairn/policies.]]

interface.exits = [[
Exit status: 0 done, 1 failed (the reason is on standard error, its code at the end),
2 wrong usage.]]

---@type cairn.program.Command[]
interface.commands = {
  {
    name = "run", operands = "SCRIPT [ARGUMENT...]", least = 1, script = true,
    summary = "run a Lua script", module = "script", options = {},
    details = [[
Runs a Lua 5.4 script as lua5.4 would: `arg`, `...`, `require`, os.exit and the exit
status are the same, an error prints where it was and exits 1. `require "cairn"` is
built in; cairn.open() opens the store this program was told to use. SCRIPT `-` is
standard input. A script may begin with

    #!/usr/bin/env -S cairn run]],
  },
  {
    name = "shell", operands = "", least = 0,
    summary = "try things out, line by line", module = "shell", options = {},
    details = [[
Reads Lua, runs it, prints what it gives: an expression is enough, `= EXPRESSION` works
too. `store` is the open store and `cairn` the module. On a terminal: TAB completes
names, methods behind `store:` and paths inside their strings; a statement may take
several lines; Ctrl-C abandons a line or interrupts what runs, Ctrl-D leaves. Lines are
remembered in $XDG_STATE_HOME/cairn/history (~/.local/state/cairn/history). Without a
terminal it stops at the first error and exits 1.]],
  },
  {
    name = "get", operands = "PATH", least = 1,
    summary = "print a value", module = "values",
    options = {
      { name = "output", short = "o", value = "FILE",
        meaning = "write it there; - is standard output" },
      { name = "offset", value = "N", meaning = "begin at byte N (the first is 0)" },
      { name = "size", value = "N", meaning = "at most N bytes" },
    },
    details = [[
Writes the bytes at PATH as they are, links followed. A large value is never held whole,
and where the backend has snapshots it is read from one. With --json: one object with
path, size and value.]],
  },
  {
    name = "put", operands = "PATH [VALUE]", least = 1,
    summary = "write a value", module = "values",
    options = {
      { name = "file", short = "f", value = "FILE",
        meaning = "take the value from FILE; - is standard input" },
      { name = "if-absent", meaning = "fail with conflict if something is there" },
      { name = "expires", value = "WHEN", meaning = "+SECONDS, or a time as 2030-01-31T12:00:00Z" },
      { name = "meta", value = "NAME=TEXT", many = true,
        meaning = "a field of metadata; may be repeated" },
      { name = "compress", meaning = "keep it compressed (holds the value in memory)" },
      { name = "sync", meaning = "return when it is on stable storage" },
    },
    details = [[
Writes VALUE, or FILE, or else standard input to PATH and makes the groups above it. At a
link it replaces the link, never what the link points to. A value that is streamed
appears when it is complete.]],
  },
  {
    name = "ls", operands = "[PATH]", least = 0,
    summary = "list a group", module = "views",
    options = {
      { name = "long", short = "l", meaning = "with type, size and time" },
    },
    details = [[
Names in byte order, one a line; without PATH those of the root. A value is listed as
itself. With --json one object a line: name, type, with --long what stat tells.]],
  },
  {
    name = "tree", operands = "[PATH]", least = 0,
    summary = "draw a group with all beneath it", module = "views",
    options = {
      { name = "depth", value = "N", meaning = "descend at most N levels" },
    },
    details = [[
Links are drawn as `name -> target` and not followed. With --json one object a line: path,
type, depth, target.]],
  },
  {
    name = "stat", operands = "PATH", least = 1,
    summary = "tell what is at a path", module = "views", options = {},
    details = [[
Type, size, link target, times, metadata, and which store answered. A link at the end
is described, not followed.]],
  },
  {
    name = "ln", operands = "EXISTING NEW", least = 2,
    summary = "make a link", module = "changes", options = {},
    details = [[
Makes NEW a link to EXISTING, which need not be there yet. What is at NEW already is
kept: then it exits 1 with conflict, unless that is the very same link.]],
  },
  {
    name = "mkgroup", operands = "PATH...", least = 1,
    summary = "make a group", module = "changes", options = {},
    details = "Makes each PATH a group, and the groups above it. Fine if it is there.",
  },
  {
    name = "rm", operands = "PATH...", least = 1,
    summary = "remove entries", module = "changes",
    options = {
      { name = "recursive", short = "r", meaning = "a group with everything beneath it" },
    },
    details = "Removes values, links (never what they point to) and groups.",
  },
  {
    name = "import", operands = "SOURCE", least = 1,
    summary = "copy everything from elsewhere", module = "copies",
    options = {
      { name = "link-prefix", value = "PREFIX",
        meaning = "HyperBEAM: what to take off the front of link targets" },
    },
    details = [[
SOURCE is a directory that HyperBEAM wrote (RocksDB or files), the URL of another
store, or a file that `cairn export` made (- is standard input). Entries that are there
already are replaced; what SOURCE lacks stays.]],
  },
  {
    name = "export", operands = "[PATH]", least = 0,
    summary = "write entries as JSON lines", module = "copies",
    options = {
      { name = "output", short = "o", value = "FILE",
        meaning = "write there; - is standard output" },
    },
    details = [[
One JSON object a line, groups before what they hold:

    {"path":"a","type":"composite"}
    {"path":"a/b","type":"simple","value":"text"}
    {"path":"a/c","type":"simple","value":{"base64":"AP8="},
     "metadata":{"n":1},"expires":1900000000000}
    {"path":"d","type":"link","target":"a/b"}

(each on one line). Bytes that are not UTF-8 are {"base64":...}, in values, paths, targets
and metadata alike; so are values that hold a NUL. `expires` is in ms since 1970. In
metadata a number without fraction is an integer; {"float":"1.0"} and
{"integer":"9007199254740993"} are those that JSON would blur; metadata with a name that is
not UTF-8 is a list of [name, value]. A value over 1 MiB comes in pieces, one a line, each
but the last with "more":true. Links are not
followed. `cairn import` reads it into any store; times of creation are not carried.]],
  },
  {
    name = "workers", operands = "[PREFIX]", least = 0,
    summary = "what the workers of running programs do", module = "workers",
    options = {
      { name = "pid", value = "N", meaning = "of that process only" },
      { name = "socket", value = "FILE", meaning = "of the process that answers there" },
      { name = "lines", short = "n", value = "N", meaning = "the N busiest" },
      { name = "handlers", meaning = "the handlers they run, and what is wrong with them" },
      { name = "stats", meaning = "counters since the processes started" },
      { name = "watch", meaning = "again and again, until Ctrl-C" },
      { name = "interval", value = "SECONDS", meaning = "... so often; default 2" },
    },
    details = [[
Asks the running programs of this user that have workers (see cairn.workers) and prints
those whose group begins with PREFIX, the busiest first: state, requests that wait,
requests answered, failures, time of its turns, growth of the heap, handler and version.
A process answers with the 10,000 busiest of its workers; the last line is about all.
--watch shows 20, or --lines.]],
  },
  {
    name = "stores", operands = "", least = 0,
    summary = "list the kinds of store and their options", module = "about", options = {},
    details = "What stands before the colon of a store's URL, and its options behind the `?`.",
  },
  {
    name = "help", operands = "[COMMAND [COMMAND]]", least = 0,
    summary = "explain a command", module = "about", options = {},
    details = "The same as `cairn COMMAND --help`.",
  },
}

-- Before the two about the program itself.
for _, command in ipairs(for_caches) do
  table.insert(interface.commands, #interface.commands - 1, command)
end

for _, command in ipairs(interface.commands) do
  command.title = command.name
  for _, each in ipairs(command.commands or {}) do
    each.title, each.module = command.name .. " " .. each.name, command.module
  end
end

local function named(commands, name)
  for _, command in ipairs(commands or {}) do
    if command.name == name then return command end
  end
end

--- A command, or with `second` one of a group.
---@param name string
---@param second? string
---@return cairn.program.Command?
function interface.find(name, second)
  local command = named(interface.commands, name)
  if not second then return command end
  return command and named(command.commands, second)
end

return interface
