--- What the program understands of messages, caches and policies; see interface.lua.

---@type cairn.program.Command[]
local messages = {
  {
    name = "put", operands = "[FILE]", least = 0,
    summary = "write a message, print its id",
    options = {
      { name = "reference", meaning = "ids as HyperBEAM makes them" },
      { name = "sync", meaning = "return when it is on stable storage" },
    },
    details = [[
Reads one message as JSON from FILE or standard input and writes it; nested messages and
large values are kept once. Prints the id it goes by. A JSON string is kept as bytes, and
the path of these printed. What JSON lacks is {"$base64":"AP8="}, {"$atom":"name"},
{"$integer":"9007199254740993"}, and {"$message":{...}} for a message with one such key
itself; 1 is an integer and 1.0 a float.]],
  },
  {
    name = "get", operands = "PATH", least = 1,
    summary = "print a message",
    options = {
      { name = "indent", meaning = "over several lines, as on a terminal" },
      { name = "stored", meaning = "the stored form: strings and messages only" },
      { name = "http", meaning = "as an HTTP message: fields, an empty line, a body" },
      { name = "verify", meaning = "fail with unverified unless it has the id PATH" },
      { name = "reference", meaning = "ids as HyperBEAM makes them" },
    },
    details = [[
Prints what is at PATH, an id or a path beneath one, as JSON: the message with its nested
ones, or a string. On a terminal it is indented.]],
  },
  {
    name = "id", operands = "[FILE]", least = 0,
    summary = "tell the id of a message",
    options = {
      { name = "reference", meaning = "as HyperBEAM makes it" },
      { name = "committed", meaning = "the id it goes by: of its commitments, where it has some" },
      { name = "base", meaning = "print the bytes that the id authenticates instead" },
    },
    details = "Reads one message as JSON from FILE or standard input. Nothing is written.",
  },
  {
    name = "verify", operands = "[ID]", least = 0,
    summary = "check an id and commitments",
    options = {
      { name = "file", short = "f", value = "FILE",
        meaning = "a message as JSON; - is standard input" },
      { name = "reference", meaning = "ids as HyperBEAM makes them" },
    },
    details = [[
Checks that the message kept at ID has that id, and its commitments: hashes and
signatures. With --file it is the message in FILE that is checked, and that it has ID if
one is given. Exits 1 with unverified if something does not check.]],
  },
}

---@type cairn.program.Command[]
local policies = {
  {
    name = "list", operands = "", least = 0,
    summary = "the policies, and which of them decide", options = {},
    details = [[
Name, question, version, since when, state and origin. `errors` are the failures of that
version that engines have written to the directory's log since it was taken. A file that
is not used as it is now is told below the table, with the reason.]],
  },
  {
    name = "versions", operands = "NAME", least = 1,
    summary = "the versions kept", options = {},
    details = "The one taken last first; the one that decides is marked.",
  },
  {
    name = "show", operands = "NAME [VERSION]", least = 1,
    summary = "print the source",
    options = {},
    details = [[
Of the version in use, or of another: the first characters of its name are enough.]],
  },
  {
    name = "diff", operands = "NAME [FROM [TO]]", least = 1,
    summary = "what changed between two versions", options = {},
    details = "As diff -u writes it. FROM is the version before, TO the one in use.",
  },
  {
    name = "rollback", operands = "NAME [VERSION]", least = 1,
    summary = "go back to an earlier version", options = {},
    details = [[
Writes an earlier version over the user's file; engines that run follow by themselves.
Without VERSION: the one that decided before, or, if the file as it is now is not taken,
the one that decides.]],
  },
  {
    name = "reload", operands = "[NAME]", least = 0,
    summary = "check the files and have engines look again", options = {},
    details = [[
Checks the user's file NAME, or all of them, as an engine would: syntax, shape, examples.
Says what would be refused, and exits 1 then. Engines that run are made to look at them
again.]],
  },
  {
    name = "test", operands = "[POLICY...]", least = 0,
    summary = "run the examples of policies", options = {},
    details = [[
POLICY is a name, or a file that is not in use (something with a slash or .lua in it);
default: all policies. Exits 1 if an example fails.]],
  },
  {
    name = "try", operands = "FILE", least = 1,
    summary = "replay recorded decisions on a candidate",
    options = {
      { name = "trace", value = "TRACE", meaning = "what was recorded (policies:trace); needed" },
      { name = "differences", value = "N", meaning = "show at most N of them; default 10" },
    },
    details = [[
Asks the policy in FILE, and the one in use, every question of the trace, and prints what
would differ. Of cache control also what it would have meant, by going through the calls
once more with a cache that begins empty.]],
  },
  {
    name = "canary", operands = "NAME FILE", least = 2,
    summary = "let a candidate decide a share of the calls",
    options = {
      { name = "share", value = "N", meaning = "of the calls, 0 to 1; default 0.1" },
      { name = "max-errors", value = "N", meaning = "of its calls may fail; default 0.01" },
      { name = "min-calls", value = "N", meaning = "before that is judged; default 20" },
    },
    details = [[
FILE becomes the candidate of policy NAME in every engine that watches the directory. Each
gives it up by itself when too many of its calls fail; `cairn policy log` tells.]],
  },
  {
    name = "promote", operands = "NAME", least = 1,
    summary = "the candidate becomes the policy", options = {},
    details = "Writes it over the user's file and ends the trial.",
  },
  {
    name = "abandon", operands = "NAME", least = 1,
    summary = "end the trial of a candidate", options = {},
    details = "The policy decides all calls again.",
  },
  {
    name = "log", operands = "[NAME]", least = 0,
    summary = "what happened to policies",
    options = {
      { name = "follow", short = "f", meaning = "go on as more happens, until Ctrl-C" },
      { name = "lines", short = "n", value = "N", meaning = "the last N; default 20" },
    },
    details = [[
What engines wrote to the directory's log: loads, refusals, breaches of limits, trials.]],
  },
  {
    name = "decide", operands = "QUESTION [CONTEXT]", least = 1,
    summary = "ask what would be decided", options = {},
    details = [[
CONTEXT is what a policy is given, as JSON; default {}. For instance

    cairn policy decide cache_control '{"moment":"lookup","request":"no-cache"}'

policies/README.md tells what each question has.]],
  },
}

local CONTROL = { name = "cache-control", value = "LINE", meaning = "the caller's directives" }

---@type cairn.program.Command[]
local explanations = {
  {
    name = "read", operands = "PATH", least = 1,
    summary = "why a read answers what it answers", options = {},
    details = [[
Reads PATH as the cache would, and prints each step: the stores asked and what they said,
and every decision with the policy, version and line that made it.]],
  },
  {
    name = "resolve", operands = "BASE REQUEST", least = 2,
    summary = "why a result is found or not",
    options = {
      CONTROL,
      { name = "result", value = "LINE",
        meaning = "and what would be decided of a result with this cache-control" },
      { name = "size", value = "N", meaning = "... of so many bytes; default 0" },
    },
    details = [[
Looks up the result of REQUEST on BASE; nothing is computed or kept. Each is an id or a
path, or a message as JSON: {"path":"key"}.]],
  },
  {
    name = "write", operands = "PATH", least = 1,
    summary = "where a write would go",
    options = {
      { name = "size", value = "N", meaning = "of so many bytes; default 0" },
    },
    details = "Only asks; nothing is written.",
  },
}

---@type cairn.program.Command[]
return {
  {
    name = "msg", operands = "COMMAND [ARGUMENT...]", least = 1,
    summary = "messages: put, get, id, verify", module = "messages", options = {},
    details = "Messages as JSON, kept under their hashes.",
    commands = messages,
  },
  {
    name = "policy", operands = "COMMAND [ARGUMENT...]", least = 1,
    summary = "policies: list, try, roll back, ...", module = "policies", options = {},
    details = [[
Policies are Lua files that decide what is cached and which store is asked; see
policies/README.md. Programs that run see a changed file by themselves.]],
    commands = policies,
  },
  {
    name = "explain", operands = "COMMAND ARGUMENT...", least = 1,
    summary = "why: who decided what", module = "explanations", options = {},
    details = "Prints the steps of an operation, each decision with its policy and line.",
    commands = explanations,
  },
  {
    name = "purge", operands = "WHAT", least = 1,
    summary = "remove results", module = "upkeep",
    options = {
      { name = "prefix", meaning = "WHAT is the beginning of hashpaths: a base" },
      { name = "tag", meaning = "WHAT is a tag that a policy gave" },
      { name = "soft", meaning = "stale from now on instead of gone" },
    },
    details = "WHAT is a hashpath. Prints how many results it were. Messages stay.",
  },
  {
    name = "sweep", operands = "", least = 0,
    summary = "remove values nothing refers to", module = "upkeep", options = {},
    details = [[
Removes large values that were parts of messages or results that are gone. Values
written on their own stay.]],
  },
  {
    name = "stats", operands = "", least = 0,
    summary = "numbers of the stores", module = "upkeep", options = {},
    details = [[
What each store of the cache counts, and the bytes that results take, which are added up
by looking at each.]],
  },
}
