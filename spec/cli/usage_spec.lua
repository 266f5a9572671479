--- Wrong usage, help, and that the man page and the completion know all there is.

local cjson = require "cjson"

local place = require "spec.support.place"
local program = require "spec.support.program"

local interface = dofile("scripts/program/interface.lua")

describe("the command line", function()
  local directory = place.fresh()
  local cairn = program.within(directory)

  teardown(function() place.remove(directory) end)

  local mistakes = {
    { "an unknown command", { "frobnicate" }, "unknown command 'frobnicate'" },
    { "an unknown option", { "get", "--frob", "x" }, "unknown option --frob" },
    { "an unknown letter", { "ls", "-lz" }, "unknown option -z" },
    { "a missing operand", { "get" }, "PATH is missing" },
    { "an operand too many", { "get", "a", "b" }, "too many arguments: 'b'" },
    { "an option without its value", { "get", "a", "-o" }, "option -o needs FILE" },
    { "a value for a switch", { "ls", "--long=yes" }, "option --long takes no value" },
    { "an option given twice", { "tree", "--depth", "1", "--depth", "2" }, "given twice" },
    { "a number that is none", { "get", "a", "--offset", "-1" }, "--offset must be" },
    { "a time that is none", { "put", "a", "b", "--expires", "2030-02-30" }, "is no time" },
    { "metadata without a name", { "put", "a", "b", "--meta", "x" }, "NAME=TEXT" },
    { "two sources of a value", { "put", "a", "b", "-f", "c" }, "not both" },
    { "an empty store", { "--store", "", "ls" }, "--store needs a URL" },
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

  for _, command in ipairs(interface.commands) do
    it("explains " .. command.name, function()
      local help = cairn("help", command.name)
      assert.equal(0, help.code)
      assert.equal(help.out, cairn(command.name, "--help").out)
      assert.matches("Usage: cairn " .. command.name, help.out, 1, true)
      assert.matches(command.details, help.out, 1, true)
      for _, option in ipairs(command.options) do
        assert.matches("--" .. option.name, help.out, 1, true)
      end
      local overview = cairn("--help").out
      assert.matches("  " .. command.name .. " ", overview, 1, true)
      assert.matches(command.summary, overview, 1, true)
    end)
  end
end)

describe("the man page", function()
  local page = place.content("scripts/share/cairn.1")

  local function section(command)
    local heading = ".SS cairn " .. command.name
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
    for _, command in ipairs(interface.commands) do check(section(command), command.options) end
  end)

  it("is set without complaints", function()
    local done = place.run { "/usr/bin/man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8",
      "scripts/share/cairn.1" }
    assert.equal("", done.err)
    assert.equal(0, done.code)
    assert.matches("EXPORT FORMAT", done.out, 1, true)
  end)

  it("describes no command that is not there", function()
    for name in page:gmatch("\n%.SS cairn (%l+)") do assert.truthy(interface.find(name), name) end
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
    for _, command in ipairs(interface.commands) do
      local options = {}
      for _, list in ipairs { interface.global_options, command.options } do
        for _, option in ipairs(list) do
          options["--" .. option.name] = true
          if option.short then options["-" .. option.short] = true end
        end
      end
      assert.same(options, complete(directory, command.name, "-"))
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
