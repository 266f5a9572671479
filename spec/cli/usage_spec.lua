--- Wrong usage, help, and that the man page and the completion know all there is.

local cjson = require "cjson"

local place = require "spec.support.place"
local program = require "spec.support.program"

-- The files as they are, not as they were when the program was built.
package.loaded["cairn.program.interface_caches"] = dofile("scripts/program/interface_caches.lua")
local interface = dofile("scripts/program/interface.lua")

-- Every command, those of groups behind their group.
local all_commands = {}
for _, command in ipairs(interface.commands) do
  all_commands[#all_commands + 1] = command
  for _, each in ipairs(command.commands or {}) do all_commands[#all_commands + 1] = each end
end

local function words_of(command)
  local words = {}
  for word in command.title:gmatch("%S+") do words[#words + 1] = word end
  return table.unpack(words)
end

describe("the command line", function()
  local directory = place.fresh()
  local cairn = program.within(directory)

  teardown(function() place.remove(directory) end)

  local mistakes = {
    { "an unknown command", { "frobnicate" }, "unknown command 'frobnicate'" },
    { "an unknown option", { "get", "--frob", "x" }, "unknown option --frob" },
    { "an unknown letter", { "ls", "-lz" }, "unknown option -z" },
    { "a missing operand", { "get" }, "PATH is missing" },
    { "the second of two missing", { "explain", "resolve", "x" }, "REQUEST is missing" },
    { "JSON where a file is wanted", { "msg", "put", '{"a":1}' }, "standard input" },
    { "an operand too many", { "get", "a", "b" }, "too many arguments: 'b'" },
    { "an option without its value", { "get", "a", "-o" }, "option -o needs FILE" },
    { "a value for a switch", { "ls", "--long=yes" }, "option --long takes no value" },
    { "an option given twice", { "tree", "--depth", "1", "--depth", "2" }, "given twice" },
    { "a number that is none", { "get", "a", "--offset", "-1" }, "--offset must be" },
    { "a time that is none", { "put", "a", "b", "--expires", "2030-02-30" }, "is no time" },
    { "metadata without a name", { "put", "a", "b", "--meta", "x" }, "NAME=TEXT" },
    { "two sources of a value", { "put", "a", "b", "-f", "c" }, "not both" },
    { "an empty store", { "--store", "", "ls" }, "--store needs a URL" },
    { "an empty directory", { "--policies", "", "ls" }, "--policies needs a directory" },
    { "a group without a command", { "policy" }, "COMMAND is missing; see cairn policy --help" },
    { "an unknown command of a group", { "msg", "frob" },
      "unknown command 'msg frob'; see cairn msg --help" },
    { "an operand that a group's command lacks", { "policy", "show" },
      "NAME is missing; see cairn policy show --help" },
    { "an option of another command of the group", { "policy", "show", "x", "--trace", "y" },
      "unknown option --trace; see cairn policy show --help" },
    { "help for what is not there", { "help", "policy", "frob" }, "unknown command 'policy frob'" },
    { "a trial without a trace", { "policy", "try", "x.lua" }, "--trace is missing" },
    { "a share that is none", { "policy", "canary", "x", "y", "--share", "2" },
      "--share must be a number from 0 to 1" },
    { "two ways to purge", { "purge", "x", "--tag", "--prefix" }, "not both" },
    { "two forms of a message", { "msg", "get", "x", "--http", "--stored" }, "not both" },
    { "nothing to verify", { "msg", "verify" }, "give an ID" },
  }
  for _, mistake in ipairs(mistakes) do
    local name, words, said = table.unpack(mistake)
    it("answers 2 to " .. name .. " and says what", function()
      local done = cairn(table.unpack(words))
      assert.equal(2, done.code)
      assert.equal("", done.out)
      assert.matches(said, done.err, 1, true)
      local object = cjson.decode(cairn("--json", table.unpack(words)).err)
      assert.equal("usage", object.code)
      assert.matches(said, object.message, 1, true)
    end)
  end

  it("leaves nothing behind after mistakes", function()
    assert.same({}, place.files(directory))
  end)

  it("shows how it is used when it is given nothing", function()
    local done = cairn()
    assert.equal(2, done.code)
    assert.equal("", done.out)
    assert.matches("Usage: cairn", done.err, 1, true)
  end)

  it("tells its version", function()
    assert.equal("cairn " .. require("cairn").version .. "\n", cairn("--version").out)
    assert.equal(('{"version":"%s"}\n'):format(require("cairn").version),
      cairn("--json", "--version").out)
  end)

  it("lists the stores with their options", function()
    local text = cairn("stores").out
    local seen = {}
    for line in cairn("stores", "--json").out:gmatch("[^\n]+") do
      local store = cjson.decode(line)
      seen[store.name] = true
      assert.matches(store.name .. ": ", text, 1, true)
      for _, option in ipairs(store.options) do assert.matches(option.name, text, 1, true) end
    end
    assert.same({ memory = true, fs = true, rocksdb = true }, seen)
  end)

  for _, command in ipairs(all_commands) do
    it("explains " .. command.title, function()
      local help = cairn("help", words_of(command))
      assert.equal(0, help.code)
      local first, second = words_of(command)
      local own = second and cairn(first, second, "--help") or cairn(first, "--help")
      assert.equal(help.out, own.out)
      assert.matches("Usage: cairn " .. command.title, help.out, 1, true)
      assert.matches(command.details, help.out, 1, true)
      for _, option in ipairs(command.options) do
        assert.matches("--" .. option.name, help.out, 1, true)
      end
      local overview = (second and cairn(first, "--help") or cairn("--help")).out
      assert.matches("  " .. command.name .. " ", overview, 1, true)
      assert.matches(command.summary, overview, 1, true)
    end)
  end

  it("finds every command in its module", function()
    for _, command in ipairs(all_commands) do
      local commands = not command.commands
        and place.content("scripts/commands/" .. command.module .. ".lua") or nil
      local found = not commands or commands:find("." .. command.name .. "(", 1, true)
        or commands:find('["' .. command.name .. '"] = function', 1, true)
      assert.truthy(found, command.title)
    end
  end)
end)

describe("the man page", function()
  local page = place.content("scripts/share/cairn.1")

  local function section(command)
    local heading = ".SS cairn " .. command.title
    if #command.options > 0 then heading = heading .. " [OPTION...]" end
    if command.operands ~= "" then heading = heading .. " " .. command.operands end
    local from = assert(page:find(heading .. "\n", 1, true), heading .. " is not in the man page")
    return page:sub(from, page:find("\n.S", from + 1, true))
  end

  local function dashed(name)
    return (name:gsub("%-", "\\-"))
  end

  -- The line that introduces an option, as roff: .BR \-o ", " \-\-output " \fIFILE\fR"
  local function introduces(line, option)
    local name = dashed("--" .. option.name)
    local short = option.short and dashed("-" .. option.short) .. ' ", " '
    local start = short and line:find(short .. name, 1, true) or line:find(" " .. name, 1, true)
    return start and (not short or line:find(short, 1, true))
      and (not option.value or line:find(option.value, start, true))
  end

  local function check(text, options)
    for _, option in ipairs(options) do
      local described = false
      for line in text:gmatch("\n%.TP\n(%.[^\n]*)") do
        described = described or introduces(line, option)
      end
      assert.truthy(described, "--" .. option.name .. " is not described")
    end
  end

  it("describes every command with every option", function()
    check(page, interface.global_options)
    for _, command in ipairs(all_commands) do check(section(command), command.options) end
  end)

  it("is set without complaints", function()
    local done = place.run { "/usr/bin/man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8",
      "scripts/share/cairn.1" }
    assert.equal("", done.err)
    assert.equal(0, done.code)
    assert.matches("EXPORT FORMAT", done.out, 1, true)
  end)

  it("describes no command that is not there", function()
    for name, rest in page:gmatch("\n%.SS cairn (%l+)([^\n]*)") do
      local command = assert.truthy(interface.find(name), name)
      local second = command.commands and rest:match("^ (%l+)")
      if second then assert.truthy(interface.find(name, second), name .. " " .. second) end
    end
  end)
end)

describe("the bash completion", function()
  -- What bash would offer for the words, the cursor behind the last.
  local function complete(directory, ...)
    local words = {}
    for i, word in ipairs { ... } do words[i] = program.quote(word) end
    local done = program.shell(directory, ([[
      source %s
      COMP_WORDS=(%s %s) COMP_CWORD=%d
      _cairn
      printf '%%s\n' "${COMPREPLY[@]}"]]):format(
      program.quote(assert(io.popen("pwd")):read("l") .. "/scripts/share/cairn.bash"),
      program.quote(program.path), table.concat(words, " "), #words))
    assert.equal("", done.err)
    local offered = {}
    for line in done.out:gmatch("[^\n]+") do offered[line] = true end
    return offered
  end

  local directory

  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  it("offers every command and every option, and no others", function()
    local expected = {}
    for _, command in ipairs(interface.commands) do expected[command.name] = true end
    assert.same(expected, complete(directory, ""))
    for _, command in ipairs(all_commands) do
      local options = {}
      for _, list in ipairs { interface.global_options, command.options } do
        for _, option in ipairs(list) do
          options["--" .. option.name] = true
          if option.short then options["-" .. option.short] = true end
        end
      end
      local words = { words_of(command) }
      words[#words + 1] = "-"
      assert.same(options, complete(directory, table.unpack(words)))
    end
  end)

  it("offers the commands of every group, and no others", function()
    for _, group in ipairs(interface.commands) do
      local expected = {}
      for _, command in ipairs(group.commands or {}) do expected[command.name] = true end
      if group.commands then assert.same(expected, complete(directory, group.name, "")) end
    end
  end)

  it("offers the paths of the store", function()
    local cairn = program.within(directory)
    cairn("put", "fruit/apple", "1")
    cairn("put", "fruit/a pear", "1")
    cairn("--store", "fs:./other", "put", "elsewhere", "1")
    assert.same({ fruit = true }, complete(directory, "get", "f"))
    assert.same({ ["fruit/apple"] = true, ["fruit/a\\ pear"] = true },
      complete(directory, "stat", "fruit/a"))
    assert.same({ elsewhere = true },
      complete(directory, "--store", "fs", ":", "./other", "get", ""))
  end)
end)
