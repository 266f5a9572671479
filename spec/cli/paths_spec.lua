--- `ls`, `tree`, `stat`, `ln`, `mkgroup` and `rm`.

local cjson = require "cjson"
local lfs = require "lfs"

local damage_entry = require "spec.support.damage"
local place = require "spec.support.place"
local program = require "spec.support.program"

local function objects(lines)
  local found = {}
  for line in lines:gmatch("[^\n]+") do found[#found + 1] = cjson.decode(line) end
  return found
end

describe("the commands about paths", function()
  local directory, cairn

  local function must(...)
    local done = cairn("-q", ...)
    assert.equal("", done.err)
    assert.equal(0, done.code)
    return done.out
  end

  local function fails(code, ...)
    local done = cairn("-q", ...)
    assert.equal(1, done.code)
    assert.matches("(" .. code .. ")", done.err, 1, true)
  end

  -- An entry of the default store whose bytes make no sense.
  local function damage(path)
    must("put", path, "x")
    damage_entry(directory .. "/cairn-data", path)
  end

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
    must("put", "a/b/c", "three")
    must("put", "a/x", "x")
    must("ln", "a/b", "l")
    must("mkgroup", "empty", "//other//")
  end)

  after_each(function() place.remove(directory) end)

  it("list names in byte order, links followed", function()
    assert.equal("a\nempty\nl\nother\n", must("ls"))
    assert.equal("b\nx\n", must("ls", "a"))
    assert.equal("c\n", must("ls", "l"))
    assert.equal("", must("ls", "empty"))
    assert.equal("a/x\n", must("ls", "a/x"))
  end)

  it("list for a program, with what each is", function()
    assert.same({
      { name = "a", type = "composite" }, { name = "empty", type = "composite" },
      { name = "l", type = "link" }, { name = "other", type = "composite" },
    }, objects(must("ls", "--json")))
    local long = objects(must("ls", "--json", "-l", "a"))
    assert.equal(1, long[2].size)
    assert.equal("number", type(long[2].modified or long[2].created))
  end)

  it("list with type, size and target", function()
    local long = must("ls", "-l")
    assert.matches("composite%s+0 .*  a\n", long)
    assert.matches("link%s+3 .*  l %-> a/b\n", long)
    assert.matches("simple%s+5 .*  c\n", must("ls", "-l", "a/b"))
  end)

  it("draw the tree and count", function()
    assert.equal([[
/
├── a
│   ├── b
│   │   └── c
│   └── x
├── empty
├── l -> a/b
└── other

4 groups, 2 values, 1 link
]], must("tree"))
    assert.equal("a\n├── b\n└── x\n\n1 group, 1 value, 0 links\n",
      must("tree", "a", "--depth", "1"))
  end)

  it("draw in plain letters where the locale has no others", function()
    local done = cairn("tree", "a", { env = { LC_ALL = "C" } })
    assert.equal("a\n|-- b\n|   `-- c\n`-- x\n\n1 group, 2 values, 0 links\n", done.out)
  end)

  it("give a program the tree as lines", function()
    assert.same({
      { path = "a/b", type = "composite", depth = 1 },
      { path = "a/b/c", type = "simple", depth = 2 },
      { path = "a/x", type = "simple", depth = 1 },
    }, objects(must("tree", "a", "--json")))
  end)

  it("describe an entry", function()
    local stat = must("stat", "a/b/c")
    assert.matches("path: +a/b/c\n", stat)
    assert.matches("type: +simple\n", stat)
    assert.matches("size: +5\n", stat)
    assert.matches("store: +rocksdb:./cairn%-data\n", stat)
    local link = cjson.decode(must("stat", "l", "--json"))
    assert.equal("link", link.type)
    assert.equal("a/b", link.target)
    fails("not_found", "stat", "nowhere")
  end)

  it("keep what is where a link should go", function()
    must("ln", "a/b", "l")
    fails("conflict", "ln", "a/x", "l")
    fails("conflict", "ln", "l", "a/x")
    must("ln", "a/x", "a/x")
    must("ln", "not/yet", "dangling")
    fails("not_found", "get", "dangling")
    assert.equal("three", must("get", "l/c"))
  end)

  it("remove values, links and groups, but no group by accident", function()
    must("rm", "l")
    assert.equal("three", must("get", "a/b/c"))
    fails("is_group", "rm", "a")
    must("rm", "empty", "other")
    must("rm", "-r", "a")
    assert.equal("", must("ls"))
  end)

  it("remove what they can and name the rest", function()
    local done = cairn("rm", "nowhere", "a/x", "a")
    assert.equal(1, done.code)
    assert.matches("nowhere.*%(not_found%)\n.*%(is_group%)", done.err)
    assert.equal("b\n", must("ls", "a"))
  end)

  it("say of an entry that makes no sense that it is corrupt, and remove it", function()
    must("put", "g/a", "1")
    damage("g/bad")
    for _, words in ipairs { { "ls", "g" }, { "ls", "-l", "g" }, { "tree", "g" } } do
      local done = cairn(table.unpack(words))
      assert.equal(1, done.code)
      assert.equal(("cairn: %s: the bytes of the entry make no sense: 'g/bad' (corrupt)\n")
        :format(words[1]), done.err)
    end
    local done = cairn("--json", "ls", "g")
    assert.equal("corrupt", cjson.decode(done.err).code)
    must("rm", "g/bad")
    assert.equal("a\n", must("ls", "g"))
  end)

  it("list at length what can be told about, and name the rest", function()
    must("--store", "fs:files", "put", "g/good", "1")
    assert(lfs.link("/etc", directory .. "/files/g/astray", true))
    local done = cairn("--store", "fs:files", "ls", "-l", "g")
    assert.equal(1, done.code)
    assert.matches("^simple .*  good\n$", done.out)
    assert.matches("^cairn: ls: [^\n]*'g/astray'[^\n]* %(corrupt%)\n$", done.err)
    done = cairn("--store", "fs:files", "--json", "ls", "-l", "g")
    assert.equal(1, done.code)
    assert.equal("good", objects(done.out)[1].name)
    assert.equal("corrupt", cjson.decode(done.err).code)
  end)

  it("do not remove the root", function()
    local done = cairn("rm", "-r", "/")
    assert.equal(1, done.code)
    assert.equal("cairn: rm: the root cannot be removed, only what is in it (invalid_argument)\n",
      done.err)
  end)

  it("give names to a pipe as they are, and to JSON as bytes", function()
    must("put", "odd/\27[31mred\255", "1")
    assert.equal("\27[31mred\255\n", must("ls", "odd"))
    local listed = objects(must("ls", "odd", "--json"))
    assert.equal("G1szMW1yZWT/", listed[1].name.base64)
  end)
end)
