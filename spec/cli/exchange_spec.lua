--- `export` and `import`: an export read into any store gives an equal store.

local cjson = require "cjson"

local cairn_module = require "cairn"
local hyperbeam = require "spec.support.hyperbeam"
local damage_entry = require "spec.support.damage"
local place = require "spec.support.place"
local program = require "spec.support.program"

describe("cairn export and import", function()
  local directory, cairn

  local function must(...)
    local done = cairn("-q", ...)
    assert.equal("", done.err)
    assert.equal(0, done.code)
    return done.out
  end

  local function export(url, ...)
    return must("--store", url, "export", ...)
  end

  local function fill(url)
    local store <close> = assert(cairn_module.open(url))
    assert(store:write("text", "grüße\n\"\\\1"))
    assert(store:write("bytes", "\0\255\254/", {
      metadata = {
        text = "x", bytes = "\255", integer = -5, huge = 9007199254740993, half = 0.5, one = 1.0,
        infinite = math.huge, minus = -0.0, yes = true, no = false,
      },
      expires = 4102444800000,
    }))
    assert(store:write("named", "", { metadata = { ["\255"] = 1, plain = "p" } }))
    assert(store:write("a/b/c", "deep"))
    assert(store:write("odd\255/\27", "odd"))
    assert(store:group("empty"))
    assert(store:link("a/b", "l"))
    assert(store:link("not/there", "odd\255/dangling"))
    assert(store:pack("packed", { one = "1", two = { link = "text" } }))
    local large <close> = assert(store:writer())
    for i = 1, 40 do assert(large:append((("%06d\255 "):format(i)):rep(10000))) end
    assert(large:commit("large", { metadata = { kind = "large" } }))
  end

  -- An entry of the default store whose bytes make no sense.
  local function damage(path)
    must("put", path, "x")
    damage_entry(directory .. "/cairn-data", path)
  end

  before_each(function()
    directory = place.fresh()
    cairn = program.within(directory)
  end)

  after_each(function() place.remove(directory) end)

  it("write one entry a line, groups first", function()
    must("put", "a/b", "text")
    must("put", "a/c", { stdin = "\0\255" })
    must("ln", "a/b", "d")
    assert.equal([[
{"path":"a","type":"composite"}
{"path":"a/b","type":"simple","value":"text"}
{"path":"a/c","type":"simple","value":{"base64":"AP8="}}
{"path":"d","type":"link","target":"a/b"}
]], must("export"))
    assert.equal('{"path":"a/b","type":"simple","value":"text"}\n', must("export", "/a/b"))
  end)

  for _, from in ipairs { "rocksdb", "fs" } do
    for _, to in ipairs { "rocksdb", "fs" } do
      it(("carry everything from %s to %s"):format(from, to), function()
        local source = ("%s:%s/source"):format(from, directory)
        local target = ("%s:%s/target"):format(to, directory)
        fill(source)
        local lines = export(source)
        must("--store", target, "import", "-", { stdin = lines })
        assert.is_true(export(target) == lines)

        local store <close> = assert(cairn_module.open(target))
        local stat = assert(store:stat("bytes"))
        assert.equal("integer", math.type(stat.metadata.integer))
        assert.equal("float", math.type(stat.metadata.one))
        assert.equal(9007199254740993, stat.metadata.huge)
        assert.equal(math.huge, stat.metadata.infinite)
        assert.equal("-0.0", tostring(stat.metadata.minus))
        assert.equal(4102444800000, stat.expires)
        assert.equal(80000 * 40, #assert(store:read("large")))
      end)
    end

    it(("copy a %s store by its URL"):format(from), function()
      local source = ("%s:%s/source"):format(from, directory)
      fill(source)
      local done = cairn("--store", "rocksdb:target", "import", source)
      assert.equal(0, done.code)
      assert.matches("imported %d+ entries", done.err)
      assert.is_true(export("rocksdb:target") == export(source))
    end)
  end

  it("export is valid JSON throughout", function()
    fill("rocksdb:" .. directory .. "/source")
    for line in export("rocksdb:source"):gmatch("[^\n]+") do
      assert.truthy(utf8.len(line))
      assert.truthy(cjson.decode(line).path)
    end
  end)

  it("write a file that can be read again, and twice", function()
    must("put", "a/b", "1")
    must("export", "-o", "all.jsonl")
    must("--store", "fs:copy", "import", "all.jsonl")
    must("put", "a/b", "2")
    must("import", "all.jsonl")
    assert.equal("1", must("get", "a/b"))
  end)

  it("replace a link that points elsewhere, and keep groups", function()
    must("put", "g/v", "1")
    must("ln", "g", "l")
    must("import", "-", { stdin = '{"path":"l","type":"link","target":"other"}\n' })
    assert.equal("other", cjson.decode(must("--json", "stat", "l")).target)
    local done = cairn("import", "-", { stdin = '{"path":"g","type":"link","target":"x"}\n' })
    assert.equal(1, done.code)
    assert.matches("(is_group)", done.err, 1, true)
  end)

  it("import what HyperBEAM wrote, from files and from RocksDB", function()
    hyperbeam.rocksdb(directory .. "/rocks", {
      { "a", hyperbeam.group { "b" } }, { "a/b", hyperbeam.raw "value" },
      { "l", hyperbeam.link "a/b" },
    })
    hyperbeam.fs(directory .. "/files", {
      { path = "a", dir = true }, { path = "a/b", file_hex = hyperbeam.hex "value" },
      { path = "l", symlink = "/old/place/a/b" },
    })
    for _, words in ipairs { { "rocks" }, { "files", "--link-prefix", "/old/place" } } do
      local url = "rocksdb:from-" .. words[1]
      local done = cairn("--store", url, "--json", "import", table.unpack(words))
      assert.equal("", done.err)
      local told = cjson.decode(done.out)
      assert.equal(0, told.skipped)
      assert.equal(told.entries, told.values + told.links + told.groups)
      assert.equal("value", must("--store", url, "get", "l"))
      assert.equal("a/b", cjson.decode(must("--store", url, "--json", "stat", "l")).target)
    end
    local done = cairn("import", "all.jsonl", "--link-prefix", "x")
    assert.equal(1, done.code)
    place.put(directory .. "/all.jsonl", "")
    assert.equal(2, cairn("import", "all.jsonl", "--link-prefix", "x").code)
  end)

  it("refuse to copy a store onto itself", function()
    must("put", "a", "1")
    local done = cairn("import", "rocksdb:./cairn-data")
    assert.equal(1, done.code)
    assert.matches("is the very store to import into (invalid_argument)", done.err, 1, true)
    done = cairn("import", "cairn-data")
    assert.equal(1, done.code)
    assert.matches("^cairn: import: [^:]*: 'cairn%-data' %(invalid_argument%)\n$", done.err)
    assert.equal(0, cairn("--store", "fs:files", "put", "a", "1").code)
    done = cairn("--store", "fs:files", "import", "fs:./files")
    assert.matches("is the very store to import into (invalid_argument)", done.err, 1, true)
  end)

  it("skip what the target cannot hold, count it, and keep what is in its place", function()
    local expiring = '{"path":"l","type":"link","target":"a","expires":4102444800000}\n'
    local lines = expiring .. '{"path":"a","type":"simple","value":"1"}\n'
    local done = cairn("--store", "fs:target", "--json", "import", "-", { stdin = lines })
    assert.equal(0, done.code)
    local told = cjson.decode(done.out)
    assert.equal(1, told.entries)
    assert.equal(1, told.skipped)
    assert.matches("'l'", told.first_skipped, 1, true)
    must("--store", "fs:target", "put", "l", "old")
    done = cairn("--store", "fs:target", "import", "-", { stdin = lines })
    assert.equal(0, done.code)
    assert.matches("imported 1 entries\ncairn: skipped 1 entries, the first: [^\n]*'l'\n", done.err)
    assert.equal("old", must("--store", "fs:target", "get", "l"))
    assert.equal("a\nl\n", must("--store", "fs:target", "ls"))

    done = cairn("--store", "fs:other", "import", "-", { stdin = expiring })
    assert.equal(1, done.code)
    assert.matches("(unsupported)", done.err, 1, true)
    must("--store", "rocksdb:other", "put", "l", "old")
    must("--store", "rocksdb:other", "import", "-", { stdin = lines })
    assert.is_true(export("rocksdb:other", "l") == expiring)
    assert.equal("a\nl\n", must("--store", "rocksdb:other", "ls"))
  end)

  it("leave the file that is there as it was when they fail", function()
    must("put", "g/a", "1")
    must("export", "-o", "all.jsonl")
    local whole = place.content(directory .. "/all.jsonl")
    damage("g/bad")
    assert.equal(1, cairn("export", "-o", "all.jsonl").code)
    assert.equal(whole, place.content(directory .. "/all.jsonl"))
    local done = cairn("export", "-o", "missing/all.jsonl")
    assert.equal("cairn: export: missing/all.jsonl: No such file or directory (io)\n", done.err)
    for _, name in ipairs(place.files(directory)) do assert.is_nil(name:find("%.tmp$"), name) end
  end)

  it("export behind a link, to a file that stays as private as it was", function()
    must("put", "a", "1")
    local done = program.shell(directory, "touch real; chmod 600 real; ln -s real link;"
      .. "cairn export -o link; readlink link; stat -c %a real; cat real")
    assert.equal('real\n600\n{"path":"a","type":"simple","value":"1"}\n', done.out)
  end)

  it("export to what is no file without replacing it", function()
    must("put", "a", "1")
    local done = program.shell(directory, "cairn export -o /dev/stdout | cat")
    assert.equal('{"path":"a","type":"simple","value":"1"}\n', done.out)
    done = program.shell(directory, "cairn export -o /dev/stdout > out; cat out")
    assert.equal('{"path":"a","type":"simple","value":"1"}\n', done.out)
  end)

  it("say of an entry that makes no sense that it is corrupt", function()
    must("put", "g/a", "1")
    damage("g/bad")
    local done = cairn("export")
    assert.equal(1, done.code)
    assert.equal("cairn: export: the bytes of the entry make no sense: 'g/bad' (corrupt)\n",
      done.err)
  end)

  local broken = {
    { "no JSON", "{", "standard input:2: " },
    { "no object", "5", "not an object" },
    { "no path", '{"type":"composite"}', "'path' must be" },
    { "an unknown type", '{"path":"a","type":"file"}', "'type' must be" },
    { "no value", '{"path":"a","type":"simple"}', "'value' must be" },
    { "broken base64", '{"path":"a","type":"simple","value":{"base64":"A"}}', "'value' must be" },
    { "no target", '{"path":"a","type":"link"}', "'target' must be" },
    { "half a time", '{"path":"a","type":"simple","value":"","expires":0.5}', "'expires'" },
    { "nested metadata", '{"path":"a","type":"simple","value":"","metadata":{"a":[1]}}',
      "metadata" },
    { "a value without its end", '{"path":"a","type":"simple","value":"","more":true}', "ends in" },
    { "a path that is none", '{"path":"../a","type":"composite"}', "(invalid_path)" },
  }
  for _, case in ipairs(broken) do
    local what, line, said = table.unpack(case)
    it("refuse a line with " .. what .. " and say where", function()
      must("put", "before", "1")
      local done = cairn("import", "-", { stdin = "\n" .. line .. "\n" })
      assert.equal(1, done.code)
      assert.matches(said, done.err, 1, true)
      assert.equal("before\n", must("ls"))
    end)
  end

  it("refuse a source that is nothing, and make no store for it", function()
    local done = cairn("--store", "fs:target", "import", "nothing")
    assert.equal(1, done.code)
    assert.matches("(not_found)", done.err, 1, true)
    assert.same({}, place.files(directory))
    done = cairn("--store", "memory:", "import", "fs:missing")
    assert.equal(1, done.code)
    assert.same({}, place.files(directory))
  end)

  it("import tells a program how much it was", function()
    local done = cairn("--json", "--store", "memory:", "import", "-",
      { stdin = '{"path":"a","type":"composite"}\n' })
    assert.same({ entries = 1, skipped = 0 }, cjson.decode(done.out))
    assert.equal("", done.err)
  end)
end)
