--- `get` and `put`, as the shell would use them.

local cjson = require "cjson"

local place = require "spec.support.place"
local program = require "spec.support.program"

describe("cairn put and get", function()
  local directory, cairn

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
  end)

  after_each(function() place.remove(directory) end)

  local function put(...)
    local done = cairn("-q", "put", ...)
    assert.equal("", done.err)
    assert.equal(0, done.code)
  end

  it("keep a value that is named on the command line", function()
    put("greetings/en", "hello")
    local done = cairn("get", "greetings/en")
    assert.equal("hello", done.out)
    assert.equal(0, done.code)
  end)

  it("keep every byte of a value from standard input", function()
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local value = table.concat(bytes):rep(10)
    put("bytes", { stdin = value })
    assert.equal(value, cairn("get", "bytes").out)
  end)

  it("keep a value over several pieces, from a file and into one", function()
    local value = ("0123456789abcde\n"):rep(200000) .. "the end"
    place.put(directory .. "/in", value)
    put("large", "-f", "in")
    assert.equal(0, cairn("get", "large", "-o", "out").code)
    assert.is_true(place.content(directory .. "/out") == value)
  end)

  it("keep an empty value apart from none", function()
    put("empty", "")
    local done = cairn("get", "empty")
    assert.equal(0, done.code)
    assert.equal("", done.out)
  end)

  it("cut a piece out of a value", function()
    put("digits", "0123456789")
    local cases = {
      { { "--offset", "3" }, "3456789" },
      { { "--offset", "3", "--size", "2" }, "34" },
      { { "--size=4" }, "0123" },
      { { "--size", "0" }, "" },
      { { "--offset", "100" }, "" },
    }
    for _, case in ipairs(cases) do
      local done = cairn("get", "digits", table.unpack(case[1]))
      assert.equal(case[2], done.out)
      assert.equal(0, done.code)
    end
  end)

  it("write nothing and make no file for a path that nobody wrote", function()
    put("a", "1")
    local done = cairn("get", "nowhere/at all", "-o", "out")
    assert.equal(1, done.code)
    assert.equal("", done.out)
    assert.matches("^cairn: get: .*nowhere/at all.*%(not_found%)\n$", done.err)
    assert.is_nil(io.open(directory .. "/out"))
  end)

  it("tell a program what went wrong as one object", function()
    put("a", "1")
    local done = cairn("--json", "get", "nowhere")
    assert.equal(1, done.code)
    local said = cjson.decode(done.err)
    assert.equal("not_found", said.code)
    assert.matches("nowhere", said.message, 1, true)
  end)

  it("give a program a value with its size, in base64 where it is no text", function()
    put("text", "grüße")
    put("bytes", { stdin = "\0\255\254" })
    local text = cjson.decode(cairn("get", "--json", "text").out)
    assert.same({ path = "text", size = 7, value = "grüße" }, text)
    local bytes = cjson.decode(cairn("get", "bytes", "--json").out)
    assert.same({ path = "bytes", size = 3, value = { base64 = "AP/+" } }, bytes)
  end)

  it("refuse to replace with --if-absent", function()
    put("once", "first")
    local done = cairn("put", "--if-absent", "once", "second")
    assert.equal(1, done.code)
    assert.matches("(conflict)", done.err, 1, true)
    assert.equal("first", cairn("get", "once").out)
  end)

  it("keep metadata, and let a value expire", function()
    put("a", "1", "--meta", "from=here", "--meta=empty=", "--expires", "2130-01-31T12:00:00+02:00")
    local stat = cjson.decode(cairn("stat", "a", "--json").out)
    assert.same({ from = "here", empty = "" }, stat.metadata)
    assert.equal(5051757600000, stat.expires)
    put("gone", "1", "--expires", "2001-01-01")
    assert.equal(1, cairn("get", "gone").code)
    put("soon", "1", "--expires", "+1000")
    assert.equal("1", cairn("get", "soon").out)
  end)

  it("keep a value compressed and synced when asked to", function()
    local value = ("all the same "):rep(100000)
    put("c", "--compress", "--sync", { stdin = value })
    assert.is_true(cairn("get", "c").out == value)
  end)

  it("take a word that looks like an option behind --", function()
    put("--", "-x", "--value")
    assert.equal("--value", cairn("get", "--", "-x").out)
  end)

  it("say which file cannot be read, and write nothing", function()
    local done = cairn("-q", "put", "a", "-f", "missing")
    assert.equal(1, done.code)
    assert.matches("missing: No such file or directory (io)\n", done.err, 1, true)
    put("there", "1")
    done = cairn("get", "there", "-o", "no/such/folder")
    assert.equal(1, done.code)
    assert.matches("no/such/folder: No such file or directory (io)\n", done.err, 1, true)
    done = cairn("-q", "put", "a", "-f", directory)
    assert.equal(1, done.code)
    assert.matches("(io)", done.err, 1, true)
    assert.equal(1, cairn("get", "a").code)
  end)

  it("refuse what the engine refuses, with its code", function()
    put("g/v", "1")
    local cases = {
      { "g", "is_group" }, { "g/v/below", "not_a_group" }, { "a/../b", "invalid_path" },
    }
    for _, case in ipairs(cases) do
      local done = cairn("put", case[1], "2")
      assert.equal(1, done.code)
      assert.matches("(" .. case[2] .. ")", done.err, 1, true)
    end
  end)

  it("say that the disk is full", function()
    put("a", ("x"):rep(100000))
    local done = program.shell(directory, "cairn get a > /dev/full")
    assert.equal(1, done.code)
    assert.matches("No space left", done.err, 1, true)
  end)

  it("write nothing into the store when the standard streams are closed", function()
    put("a", ("x"):rep(100000))
    assert.equal(1, program.shell(directory, "cairn get a >&-").code)
    assert.equal(1, program.shell(directory, "cairn put b <&- >&- 2>&-").code)
    assert.equal(1, program.shell(directory, "cairn get nowhere 2>&-").code)
    assert.equal(("x"):rep(100000), cairn("get", "a").out)
    assert.equal("a\n", cairn("ls").out)
  end)

  it("end quietly when nobody reads any more", function()
    put("a", { stdin = ("x\n"):rep(1000000) })
    local done = program.shell(directory,
      "cairn get a | head -n 1; trap '' PIPE; cairn get a | true")
    assert.equal("x\n", done.out)
    assert.equal("", done.err)
  end)
end)
