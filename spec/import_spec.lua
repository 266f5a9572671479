--- Reading stores that HyperBEAM wrote: real databases and directories, made from the golden
--- vectors and by hand.

local cairn = require "cairn"
local lfs = require "lfs"

local backends = require "spec.support.backends"
local hyperbeam = require "spec.support.hyperbeam"
local place = require "spec.support.place"

local group, link, raw = hyperbeam.group, hyperbeam.link, hyperbeam.raw

--- Everything in a store, as "raw value", "link target" or "group" by path.
local function contents(store, path, found)
  found = found or {}
  for name, kind in assert(store:list(path or "")) do
    local child = path and path .. "/" .. name or name
    if kind == "simple" then
      found[child] = "raw " .. assert(store:read(child))
    elseif kind == "link" then
      found[child] = "link " .. assert(store:stat(child)).target
    else
      found[child] = "group"
      contents(store, child, found)
    end
  end
  return found
end

--- What disk.json's script leaves behind, on every backend.
local SCRIPTED = {
  ["a"] = "group",
  ["a/b"] = "group",
  ["a/b/c"] = "raw v1",
  ["a/b/d"] = "raw v2",
  ["bin"] = "raw \0\255\1",
  ["dangling"] = "link missing",
  ["deep"] = "group",
  ["deep/er"] = "group",
  ["deep/er/l2"] = "link l-file",
  ["flat"] = "raw v0",
  ["grp"] = "group",
  ["grp/sub"] = "group",
  ["l-file"] = "link a/b/c",
  ["l-group"] = "link a",
}

local function scripted_entries()
  local entries = {}
  for i, row in ipairs(hyperbeam.vectors("disk.json").stores.rocksdb) do
    entries[i] = { hyperbeam.plain(row.key), hyperbeam.bytes(row.value_hex) }
  end
  return entries
end

local directory
before_each(function()
  directory = place.fresh()
end)
after_each(function()
  place.remove(directory)
end)

--- Imports a database of these entries into a new memory store.
local function import(entries, options)
  local source = directory .. "/source"
  hyperbeam.rocksdb(source, entries)
  local store = assert(cairn.open("memory:"))
  local result, message, code = cairn.import(source, store, options)
  return store, result, message, code
end

for _, backend in ipairs(backends) do
  describe("importing into a " .. backend.name .. " store", function()
    local store
    before_each(function()
      store = assert(cairn.open(backend.url(directory)))
    end)
    after_each(function()
      store:close()
    end)

    it("brings every value, link and group of a RocksDB database", function()
      hyperbeam.rocksdb(directory .. "/source", scripted_entries())
      local result = assert(cairn.import(directory .. "/source", store))
      assert.same({ raws = 4, links = 4, groups = 6, skipped = 0 }, result)
      assert.same(SCRIPTED, contents(store))
      assert.equal("v1", store:read("deep/er/l2"))
      assert.equal("v2", store:read("l-group/b/d"))
    end)

    it("brings every value, link and group of a directory", function()
      hyperbeam.fs(directory .. "/source", hyperbeam.vectors("disk.json").stores.fs_abs)
      local result = assert(cairn.import(directory .. "/source", store))
      assert.same({ raws = 4, links = 4, groups = 6, skipped = 0 }, result)
      assert.same(SCRIPTED, contents(store))
    end)

    it("changes nothing when it is done again", function()
      hyperbeam.rocksdb(directory .. "/source", scripted_entries(), true)
      local first = assert(cairn.import(directory .. "/source", store))
      local second = assert(cairn.import(directory .. "/source", store))
      assert.same(first, second)
      assert.same(SCRIPTED, contents(store))
    end)

    it("skips single entries among many", function()
      local entries, expected = {}, {}
      for i = 1, 2500 do
        local key = ("k%04d"):format(i)
        entries[#entries + 1] = { key, raw(key) }
        if i % 500 == 0 then
          entries[#entries + 1] = { key .. "/..", raw("no path") }
          assert(store:group(key)) -- a group of ours is where the value should go
          expected[key] = "group"
        else
          expected[key] = "raw " .. key
        end
      end
      hyperbeam.rocksdb(directory .. "/source", entries, true)
      local result = assert(cairn.import(directory .. "/source", store))
      assert.equal(2495, result.raws)
      assert.equal(10, result.skipped)
      assert.same(expected, contents(store))
    end)

    it("streams large values", function()
      local large = ("0123456789abcdef"):rep(3 * 65536) .. "end"
      hyperbeam.rocksdb(directory .. "/source", { { "g/large", raw(large) } })
      assert.equal(1, assert(cairn.import(directory .. "/source", store)).raws)
      assert.is_true(store:read("g/large") == large)

      assert(lfs.mkdir(directory .. "/files"))
      place.put(directory .. "/files/large", large)
      place.put(directory .. "/files/megabyte", large:sub(1, 1048576))
      place.put(directory .. "/files/over", large:sub(1, 2097152))
      assert.equal(3, assert(cairn.import(directory .. "/files", store)).raws)
      assert.is_true(store:read("large") == large)
      assert.is_true(store:read("megabyte") == large:sub(1, 1048576))
      assert.is_true(store:read("over") == large:sub(1, 2097152))
    end)

    it("goes on where another value streamed has no place", function()
      local large = ("x"):rep(2000000)
      hyperbeam.rocksdb(directory .. "/source", { { "a", raw(large) }, { "b", raw("2") } })
      assert(store:group("a"))
      local result = assert(cairn.import(directory .. "/source", store))
      assert.equal(1, result.skipped)
      assert.same({ a = "group", b = "raw 2" }, contents(store))
    end)
  end)
end

describe("a HyperBEAM RocksDB database", function()
  it("is not changed by being read", function()
    local source = directory .. "/source"
    for _, flush in ipairs({ false, true }) do
      hyperbeam.rocksdb(source, scripted_entries(), flush)
      local before = hyperbeam.fingerprint(source)
      assert(cairn.import(source, assert(cairn.open("memory:"))))
      assert.equal(before, hyperbeam.fingerprint(source))
    end
  end)

  it("can be read while another process has it open", function()
    local holder = hyperbeam.held_rocksdb(directory .. "/source", scripted_entries())
    local store = assert(cairn.open("memory:"))
    local result, message = cairn.import(directory .. "/source", store)
    place.signal(holder, "sigkill")
    place.wait(holder)
    assert.is_table(result, message)
    assert.same(SCRIPTED, contents(store))
  end)

  it("may hold groups of either format and either atom encoding, compressed or not", function()
    for i, row in ipairs(hyperbeam.vectors("codec.json").groups) do
      local entries, expected = {}, {}
      for form, hex in pairs(row) do
        if form:match("^v%d_") and not form:match("list_order") then
          for _, deflate in ipairs({ false, true }) do
            local name = form .. (deflate and " deflated" or "")
            entries[#entries + 1] = { name, hyperbeam.bytes(hex), deflate = deflate }
            expected[name] = "group"
            for _, member in ipairs(row.members_in_insert_order) do
              local child = name .. "/" .. hyperbeam.plain(member)
              entries[#entries + 1] = { child, raw("x") }
              expected[child] = "raw x"
            end
          end
        end
      end
      local source = ("%s/%d"):format(directory, i)
      hyperbeam.rocksdb(source, entries)
      local store = assert(cairn.open("memory:"))
      assert.equal(0, assert(cairn.import(source, store)).skipped)
      assert.same(expected, contents(store))
    end
  end)

  it("has values that the vectors tell to be good or bad", function()
    for i, row in ipairs(hyperbeam.vectors("codec.json").decode_edge) do
      local source = ("%s/%d"):format(directory, i)
      hyperbeam.rocksdb(source, { { "good", raw("1") }, { "the/key", hyperbeam.bytes(row.bytes) } })
      local store = assert(cairn.open("memory:"))
      local result, message, code = cairn.import(source, store)
      if row.result.ret then
        local kind, value = row.result.ret["$tuple"][1]["$atom"], row.result.ret["$tuple"][2]
        assert.is_table(result, message)
        assert.equal(kind .. " " .. value, contents(store)["the/key"], row.bytes)
      else
        assert.is_nil(result, row.bytes)
        assert.equal("corrupt", code)
        assert.matches("the/key", message, 1, true)
      end
      assert.equal("1", store:read("good"), "what came before stays")
    end
  end)

  it("has values that the vectors tell how to write", function()
    local entries, expected = {}, {}
    for i, row in ipairs(hyperbeam.vectors("codec.json").encode) do
      local value = hyperbeam.plain(row.value)
      entries[i] = { "k" .. i, hyperbeam.bytes(row.bytes) }
      if not (row.type == "link" and value:find("\0")) then -- no path of ours
        expected["k" .. i] = row.type .. " " .. value
      end
    end
    local store, result = import(entries)
    assert.equal(1, result.skipped)
    assert.same(expected, contents(store))
  end)

  it("that is torn in the middle of a group's members is corrupt, and what came before stays",
    function()
      local whole = group({ "one", "two" })
      local store, result, message, code = import({
        { "a", raw("1") }, { "b/group", whole:sub(1, -3) }, { "c", raw("3") },
      })
      assert.is_nil(result)
      assert.equal("corrupt", code)
      assert.matches("b/group", message, 1, true)
      assert.same({ a = "raw 1" }, contents(store))
    end)
end)

describe("what a HyperBEAM database can hold and a store of ours cannot", function()
  --- Entries, what becomes of them, how many are skipped, and what is said of the first.
  local cases = {
    { "keys with `..` are skipped",
      { { "a", raw("1") }, { "a/../b", raw("2") } },
      { a = "raw 1" }, 1, "a/../b" },
    { "keys with a NUL are skipped",
      { { "a\0b", raw("2") }, { "b", raw("1") } },
      { b = "raw 1" }, 1, "NUL" },
    { "keys over 2,048 bytes are skipped",
      { { ("k"):rep(2049), raw("2") }, { "b", raw("1") } },
      { b = "raw 1" }, 1, "2048" },
    { "keys over a megabyte are skipped",
      { { ("k"):rep(1100000), raw("2") }, { "b", raw("1") } },
      { b = "raw 1" }, 1, "2048" },
    { "slashes too many are dropped from keys and targets",
      { { "/x//y/", raw("1") }, { "l", link("/x/y/") } },
      { x = "group", ["x/y"] = "raw 1", l = "link x/y" }, 0 },
    { "a key that is normal wins over one that is not",
      { { "//a", raw("odd") }, { "a", raw("even") }, { "b/", link("odd") }, { "b", link("even") } },
      { a = "raw even", b = "link even" }, 2, "//a" },
    { "of two that are not normal the first stays",
      { { "//a", raw("1") }, { "//a/", raw("2") } },
      { a = "raw 1" }, 1, "//a/" },
    { "nothing lands at a link's target for a key that is not normal",
      { { "l/", link("t") }, { "l//x", raw("1") }, { "t", group({}) } },
      { l = "link t", t = "group" }, 1, "l//x" },
    { "what is beneath a link is skipped and does not land at its target",
      { { "l", link("t") }, { "l-x", raw("2") }, { "l/x", raw("1") }, { "l/x/y", raw("1") },
        { "t", group({}) } },
      { l = "link t", ["l-x"] = "raw 2", t = "group" }, 2, "l/x" },
    { "what is beneath a raw value is skipped",
      { { "f", raw("1") }, { "f/n", raw("2") }, { "f/n/m", link("f") } },
      { f = "raw 1" }, 2, "f/n" },
    { "children that no group lists are there",
      { { "g", group({}) }, { "g/x", raw("1") }, { "h/y/z", raw("2") } },
      { g = "group", ["g/x"] = "raw 1", h = "group", ["h/y"] = "group", ["h/y/z"] = "raw 2" }, 0 },
    { "names that a group lists and nobody wrote are counted",
      { { "g", group({ "x", "y" }) }, { "g/x", raw("1") } },
      { g = "group", ["g/x"] = "raw 1" }, 1, "g/y" },
    { "members that are no names are counted",
      { { "g", "\3\131\116\0\0\0\2\97\1\106\70\0\0\0\0\0\0\0\0\106" } },
      { g = "group" }, 2, "'g'" },
    { "a link to itself is skipped",
      { { "s", link("s") }, { "t", link("/t/") } },
      {}, 2, "'s'" },
    { "a link with a target that is no path is skipped",
      { { "l", link("../x") }, { "m", link("a\0") } },
      {}, 2, "../x" },
    { "links in a circle are links",
      { { "l", link("m") }, { "m", link("l") } },
      { l = "link m", m = "link l" }, 0 },
    { "a value at the root is skipped, a group there is the root",
      { { "", raw("1") }, { "/", group({ "a" }) }, { "a", raw("1") } },
      { a = "raw 1" }, 1, "" },
    { "a component equal to its parent is ordinary",
      { { "a", group({ "a" }) }, { "a/a", raw("1") } },
      { a = "group", ["a/a"] = "raw 1" }, 0 },
  }
  for _, case in ipairs(cases) do
    local behaviour, entries, expected, skipped, said = table.unpack(case, 1, 5)
    it(behaviour, function()
      local store, result, message = import(entries)
      assert.is_table(result, message)
      assert.same(expected, contents(store))
      assert.equal(skipped, result.skipped, result.first_skipped)
      if said then assert.matches(said, result.first_skipped, 1, true) end
      if skipped == 0 then assert.is_nil(result.first_skipped) end
      local again = assert(cairn.import(directory .. "/source", store))
      assert.same(expected, contents(store))
      assert.same(result, again)
    end)
  end

  it("names too long for the file system are skipped there", function()
    hyperbeam.rocksdb(directory .. "/source", {
      { "a", raw("1") }, { ("n"):rep(256), raw("2") }, { "z", raw("3") },
    })
    local store = assert(cairn.open("fs:" .. directory .. "/store"))
    local result = assert(cairn.import(directory .. "/source", store))
    assert.same({ a = "raw 1", z = "raw 3" }, contents(store))
    assert.equal(1, result.skipped)
    assert.matches("nnnn", result.first_skipped, 1, true)
    store:close()
  end)

  it("a link is not put over what the store has already", function()
    hyperbeam.rocksdb(directory .. "/source", { { "l", link("t") }, { "m", link("t") } })
    local store = assert(cairn.open("memory:"))
    assert(store:write("l", "mine"))
    local result = assert(cairn.import(directory .. "/source", store))
    assert.same({ l = "raw mine", m = "link t" }, contents(store))
    assert.equal(1, result.links)
    assert.equal(1, result.skipped)
    assert.matches("'l'", result.first_skipped, 1, true)
  end)
end)

describe("a HyperBEAM directory", function()
  local stores = hyperbeam.vectors("disk.json").stores

  local function import_directory(source, options)
    local store = assert(cairn.open("memory:"))
    local result = assert(cairn.import(source, store, options))
    return contents(store), result
  end

  it("with absolute links is read where it was written", function()
    local source = directory .. "/fs-abs"
    hyperbeam.fs(source, stores.fs_abs, function(text)
      return (text:gsub("^/srv/stores/fs%-abs", source))
    end)
    assert.same(SCRIPTED, (import_directory(source)))
  end)

  it("with absolute links is read after it was moved, under its name or another", function()
    for _, name in ipairs({ "fs-abs", "elsewhere" }) do
      hyperbeam.fs(directory .. "/" .. name, stores.fs_abs)
      local found, result = import_directory(directory .. "/" .. name)
      assert.same(SCRIPTED, found)
      assert.equal(0, result.skipped)
    end
  end)

  it("with relative links is read wherever it is", function()
    assert(lfs.mkdir(directory .. "/vs"))
    for _, name in ipairs({ "vs/fs-rel", "fs-rel", "other" }) do
      hyperbeam.fs(directory .. "/" .. name, stores.fs_rel)
      assert.same(SCRIPTED, (import_directory(directory .. "/" .. name)))
    end
  end)

  it("is read with the prefix that the caller names", function()
    hyperbeam.fs(directory .. "/x", {
      { path = "d", dir = true },
      { path = "d/l", symlink = "some/where/d/missing" },
      { path = "d/m", symlink = "else/d/l" },
    })
    local found, result = import_directory(directory .. "/x", { link_prefix = "some/where" })
    assert.same({ d = "group", ["d/l"] = "link d/missing" }, found)
    assert.equal(1, result.skipped)
    assert.matches("d/m", result.first_skipped, 1, true)
  end)

  --- How the directory is called, its entries, the links' targets, how many lead nowhere.
  local prefixes = {
    { "many links outvote one that fits by accident", "moved", {
        { path = "d", dir = true }, { path = "d/x", file_hex = "31" },
        { path = "d/y", file_hex = "32" }, { path = "z", file_hex = "33" },
        { path = "k", symlink = "/p/d/x" }, { path = "l", symlink = "/p/d/y" },
        { path = "m", symlink = "/p/d/z" } },
      { k = "d/x", l = "d/y", m = "d/z" } },
    { "a folder in the store that is called as the directory misleads nobody", "data", {
        { path = "data", dir = true }, { path = "data/x", file_hex = "31" },
        { path = "l", symlink = "cache-main/data/x" } },
      { l = "data/x" } },
    { "the directory's own path goes before what is there", "own", {
        { path = "y", file_hex = "31" }, { path = "l", symlink = "OWN/x/y" } },
      { l = "x/y" } },
    { "its name tells where every link dangles", "named", {
        { path = "l", symlink = "/far/away/named/a/b" }, { path = "m", symlink = "named/c" } },
      { l = "a/b", m = "c" } },
    { "links from two homes are told apart", "third", {
        { path = "a", file_hex = "31" }, { path = "b", file_hex = "32" },
        { path = "k", symlink = "/first/a" }, { path = "l", symlink = "second/b" },
        { path = "m", symlink = "/first/gone" } },
      { k = "a", l = "b", m = "gone" } },
    { "doubled slashes do not count", "slashes", {
        { path = "a", file_hex = "31" }, { path = "l", symlink = "/one//two/a" },
        { path = "m", symlink = "/one/two//b/" } },
      { l = "a", m = "b" } },
    { "nothing is guessed where nothing tells", "silent", {
        { path = "l", symlink = "/far/away/a" }, { path = "m", symlink = "near/b" } },
      {}, 2 },
  }
  for _, case in ipairs(prefixes) do
    local behaviour, name, entries, targets, astray = table.unpack(case, 1, 5)
    it("may have moved: " .. behaviour, function()
      local source = directory .. "/" .. name
      hyperbeam.fs(source, entries, function(text)
        return (text:gsub("^OWN", source))
      end)
      local found, result = import_directory(source)
      local links = {}
      for path, what in pairs(found) do links[path] = what:match("^link (.*)") end
      assert.same(targets, links)
      assert.equal(astray or 0, result.skipped, result.first_skipped)
    end)
  end

  it("never leads out of itself", function()
    place.put(directory .. "/secret", "not yours")
    local source = directory .. "/store"
    hyperbeam.fs(source, {
      { path = "a", file_hex = "31" },
      { path = "l", symlink = source .. "/a" },
      { path = "out", symlink = directory .. "/secret" },
      { path = "up", symlink = source .. "/../secret" },
      { path = "etc", symlink = "/etc" },
    })
    local found, result = import_directory(source)
    assert.same({ a = "raw 1", l = "link a" }, found)
    assert.equal(3, result.skipped)
  end)

  it("is not changed by being read", function()
    hyperbeam.fs(directory .. "/source", stores.fs_abs)
    local before = hyperbeam.fingerprint(directory .. "/source")
    import_directory(directory .. "/source")
    assert.equal(before, hyperbeam.fingerprint(directory .. "/source"))
  end)

  it("may hold a value called CURRENT", function()
    assert(lfs.mkdir(directory .. "/source"))
    place.put(directory .. "/source/CURRENT", "MANIFEST-000001\n")
    assert.same({ CURRENT = "raw MANIFEST-000001\n" }, (import_directory(directory .. "/source")))
  end)
end)

describe("cairn.import", function()
  it("tells how far it got, and stops when it is told to", function()
    local entries = {}
    for i = 1, 3500 do entries[i] = { ("k%04d"):format(i), raw("v") } end
    local told = {}
    local store, result = import(entries, {
      progress = function(done, total)
        told[#told + 1] = { done, total }
      end,
    })
    assert.equal(3500, result.raws)
    assert.is_true(#told >= 4)
    for i, step in ipairs(told) do
      assert.is_true(step[1] >= (told[i - 1] or { 0 })[1])
      assert.is_true(step[2] >= step[1])
    end
    assert.same({ 3500, 3500 }, told[#told])
    store:close()

    local other = assert(cairn.open("memory:"))
    local stopped, message, code = cairn.import(directory .. "/source", other, {
      progress = function(done) return done < 2000 end,
    })
    assert.is_nil(stopped)
    assert.equal("timeout", code)
    assert.matches("2000", message, 1, true)
    assert.equal("v", other:read("k2000"))
    assert.is_nil((other:read("k3500")))
  end)

  it("hands on an error in the function that is told", function()
    local store = assert(cairn.open("memory:"))
    hyperbeam.rocksdb(directory .. "/source", scripted_entries())
    local problem = setmetatable({}, { __tostring = function() return "mine" end })
    local fine, raised = pcall(cairn.import, directory .. "/source", store, {
      progress = function() error(problem) end,
    })
    assert.is_false(fine)
    assert.equal(problem, raised)
    assert(cairn.import(directory .. "/source", store))
    assert.same(SCRIPTED, contents(store))
  end)

  it("lets the function that is told close nothing under its feet", function()
    local store = assert(cairn.open("memory:"))
    hyperbeam.rocksdb(directory .. "/source", scripted_entries())
    local result, message = cairn.import(directory .. "/source", store, {
      progress = function()
        pcall(store.close, store)
        collectgarbage()
      end,
    })
    assert.is_table(result, message)
  end)

  it("refuses what is no directory", function()
    local store = assert(cairn.open("memory:"))
    place.put(directory .. "/file", "x")
    for _, name in ipairs({ directory .. "/nowhere", directory .. "/file", "", "a\0b" }) do
      local result, message, code = cairn.import(name, store)
      assert.is_nil(result)
      assert.equal("invalid_argument", code, message)
    end
    assert.is_nil(lfs.attributes(directory .. "/nowhere"))
  end)

  it("refuses a database that is a store of ours already", function()
    local ours = assert(cairn.open("rocksdb:" .. directory .. "/ours"))
    assert(ours:write("a", "1"))
    ours:close()
    local result, message, code = cairn.import(directory .. "/ours", assert(cairn.open("memory:")))
    assert.is_nil(result)
    assert.equal("invalid_argument", code)
    assert.matches("/ours", message, 1, true)
  end)

  it("refuses a link_prefix for a database", function()
    local _, result, message, code = import({ { "a", raw("1") } }, { link_prefix = "x" })
    assert.is_nil(result)
    assert.equal("invalid_argument", code)
    assert.matches("link_prefix", message, 1, true)
  end)

  it("says what is wrong with a database that has been damaged", function()
    local source = directory .. "/source"
    hyperbeam.rocksdb(source, scripted_entries(), true)
    for _, name in ipairs(place.files(source)) do
      if name:match("^MANIFEST") then place.put(source .. "/" .. name, ("junk"):rep(64)) end
    end
    local result, message, code = cairn.import(source, assert(cairn.open("memory:")))
    assert.is_nil(result)
    assert.equal("corrupt", code, message)
  end)

  it("raises for arguments that cannot be", function()
    local store = assert(cairn.open("memory:"))
    assert.error_matches(function() cairn.import(nil, store) end, "#1")
    assert.error_matches(function() cairn.import(directory, "memory:") end, "#2")
    assert.error_matches(function() cairn.import(directory, store, 1) end, "#3")
    assert.error_matches(function() cairn.import(directory, store, { prefix = "x" }) end, "prefix")
    assert.error_matches(function() cairn.import(directory, store, { progress = 1 }) end,
      "progress")
    store:close()
    assert.error_matches(function() cairn.import(directory, store) end, "closed")
  end)
end)
