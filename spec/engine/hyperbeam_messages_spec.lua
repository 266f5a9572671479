--- Messages that HyperBEAM wrote: read where they lie, on its filesystem store, and from RocksDB
--- once that is imported; and written by us under the ids under which it wrote them.

local cairn = require "cairn"

local hyperbeam = require "spec.support.hyperbeam"
local messages = require "spec.support.messages"
local place = require "spec.support.place"

-- Vectors of which the reference says nothing, or something else than we do.
local NOT_OURS = {
  ["device map nonempty"] = "nobody writes it",
  ["slash key"] = "the reference takes it apart; SEMANTICS has it come back equal",
}

-- What its filesystem store was told to be: links are absolute, or relative to where the node ran.
local PREFIXES = { fs_abs = "/srv/stores/fs-abs/", fs_rel = "vs/fs-rel/" }

local function cases()
  local all = {}
  for _, case in ipairs(messages.vectors "cache.json") do
    if not NOT_OURS[case.name] then all[#all + 1] = case end
  end
  return all
end

local RAW = hyperbeam.vectors "cache.json"

local function listing(name, store)
  for _, case in ipairs(RAW) do
    if case.name == name then return case.stores[store].listing end
  end
end

local function open(store)
  return assert(cairn.cache { store = store, policies = false })
end

-- As the reference read it back, with the keys lower-cased that it was given in another case.
local function expected(case)
  return case.stores.rocksdb.read_back.ret.tuple[2]
end

describe("a message that HyperBEAM wrote", function()
  local directory
  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  for _, case in ipairs(cases()) do
    for _, kind in ipairs { "fs_abs", "fs_rel" } do
      it(("is read where it lies: %s (%s)"):format(case.name, kind), function()
        hyperbeam.fs(directory .. "/store", listing(case.name, kind))
        local store <close> = assert(cairn.open {
          backend = "fs", path = directory .. "/store", link_prefix = PREFIXES[kind],
        })
        local cache <close> = open(store)
        local path = case.stores[kind].result.ret.tuple[2]
        assert.same(expected(case), assert(cache:read(path)))
      end)
    end

    it("is read once it is imported from RocksDB: " .. case.name, function()
      local entries = {}
      for i, row in ipairs(listing(case.name, "rocksdb")) do
        entries[i] = { hyperbeam.plain(row.key), hyperbeam.bytes(row.value_hex) }
      end
      hyperbeam.rocksdb(directory .. "/source", entries)
      local store <close> = assert(cairn.open "memory:")
      assert(cairn.import(directory .. "/source", store))
      local cache <close> = open(store)
      local path = case.stores.rocksdb.result.ret.tuple[2]
      assert.same(expected(case), assert(cache:read(path)))
    end)

    it("has the same id when we write it: " .. case.name, function()
      local store <close> = assert(cairn.open "memory:")
      local cache <close> = assert(cairn.cache {
        store = store, policies = false, ids = "reference",
      })
      local path = case.stores.rocksdb.result.ret.tuple[2]
      if type(case.msg) == "string" then
        assert.equal(path, assert(cache:write_binary(case.msg)))
      else
        assert.equal(path, assert(cache:write(case.msg)))
      end
      assert.same(expected(case), assert(cache:read(path)))
    end)
  end

  it("is read without the results that lie among its keys", function()
    hyperbeam.fs(directory .. "/store", listing("flat", "fs_rel"))
    local store <close> = assert(cairn.open {
      backend = "fs", path = directory .. "/store", link_prefix = PREFIXES.fs_rel,
    })
    local cache <close> = open(store)
    local id = assert(cairn.id { a = "1", b = "2" })
    local request = assert(cairn.id { path = "compute", slot = 1 })
    local result = assert(cache:write_binary "computed")
    assert(store:link(result, { id, request }))
    assert.same({ a = "1", b = "2" }, cache:read(id))
    assert.equal("computed", cache:read_resolved(id, request))
    assert(store:link(result, { id, "compute" }))
    assert.equal("computed", cache:read_resolved(id, "compute"))
  end)
end)
