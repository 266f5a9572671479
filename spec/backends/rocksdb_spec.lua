--- What only the RocksDB backend can get wrong: options, locks, other people's directories, disks
--- that are full or read-only, and bytes that are damaged.

local cairn = require "cairn"
local lfs = require "lfs"
local uv = require "luv"

local place = require "spec.support.place"
local refused = require "spec.support.refused"

local function hex(bytes)
  if bytes == "" then return "-" end
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function unhex(text)
  if text == "-" then return "" end
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function rocks(...)
  local run = place.run { place.build .. "/spec/rocks", ... }
  assert.equal(0, run.code, run.err)
  return run.out
end

--- Every key of a closed database with its family and value, in order.
local function keys_of(directory)
  local found = {}
  for family, key, value in rocks(directory, "keys"):gmatch("(%S+) (%S+) (%S+)\n") do
    found[#found + 1] = { family = family, key = unhex(key), value = unhex(value) }
  end
  return found
end

describe("the rocksdb backend", function()
  local directory, location, url

  before_each(function()
    directory = place.fresh()
    location = directory .. "/store"
    url = "rocksdb:" .. location
  end)
  after_each(function()
    collectgarbage()
    place.remove(directory)
  end)

  --- Runs a Lua script in another process against the same build.
  local function elsewhere(script, ...)
    local file = directory .. "/elsewhere.lua"
    place.put(file, script)
    return place.run({ "/usr/bin/env", "lua5.4", file, ... },
      { env = { LUA_CPATH = place.build .. "/?.so;;" } })
  end

  describe("and its options", function()
    it("are taken by name, from a URL or a table", function()
      do
        local store <close> = assert(cairn.open(url .. "?block_cache=1M&create=true"))
        assert(store:write("a", "1"))
      end
      local store <close> = assert(cairn.open {
        backend = "rocksdb", path = location, block_cache = "2M", create = false,
      })
      assert.equal("1", store:read("a"))
    end)

    it("are refused by name when they do not exist", function()
      refused("invalid_argument", "blok_cache", cairn.open(url .. "?blok_cache=1M"))
      assert.is_nil(lfs.attributes(location))
    end)

    it("are refused by name when their value makes no sense", function()
      refused("invalid_argument", "block_cache", cairn.open(url .. "?block_cache=much"))
      refused("invalid_argument", "create", cairn.open(url .. "?create=perhaps"))
      assert.is_nil(lfs.attributes(location))
    end)

    it("are all obeyed somehow: none stops the store from working", function()
      local others = {
        create = true, read_only = false, sync = true, block_cache = "1M", memtable = "64K",
        block_size = "16K", bloom_bits = 0, memtable_bloom = 0, compression = "zstd",
        bottommost_compression = "none", max_open_files = 64, background_jobs = 1,
        mmap_reads = true, drop_expired = false, reserve = "1M",
      }
      for _, option in ipairs(cairn.backends().rocksdb.options) do
        assert.is_not_nil(others[option.name], option.name)
      end
      others.backend, others.path = "rocksdb", location
      do
        local store <close> = assert(cairn.open(others))
        for i = 1, 2000 do assert(store:write("g/" .. i, ("v%d "):format(i):rep(20))) end
      end
      local store <close> = assert(cairn.open(others))
      assert.equal(("v1999 "):rep(20), store:read("g/1999"))
      refused("not_found", "g/x", store:read("g/x"))
    end)

    it("are refused when they are out of range", function()
      for option, value in pairs {
        block_size = "1", memtable = "1K", bloom_bits = "1000", background_jobs = "0",
        compression = "rot13", bottommost_compression = "", memtable_bloom = "-1",
      } do
        refused("invalid_argument", option:match("compression") or option,
          cairn.open(("%s?%s=%s"):format(url, option, value)))
      end
      assert.is_nil(lfs.attributes(location))
    end)

    it("let others read beside the one that writes", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("a", "1", { sync = true }))
      local other = elsewhere([[
        local store = assert(require "cairn".open(arg[1] .. "?read_only=true"))
        print(store:read("a"))
        print(store:write("a", "2"))]], url)
      assert.equal(0, other.code, other.err)
      assert.matches("^1\nnil\t.*\tunsupported\n$", other.out)
      assert.equal("1", store:read("a"))
    end)

    it("are all described", function()
      local names = {}
      for _, option in ipairs(cairn.backends().rocksdb.options) do names[option.name] = true end
      assert.is_true(names.block_cache and names.create)
    end)

    it("create nothing when they say so", function()
      local _, message, code = cairn.open(url .. "?create=false")
      assert.is_string(code)
      assert.matches(location, message, 1, true)
      assert.is_nil(lfs.attributes(location))
    end)
  end)

  describe("given a directory", function()
    it("that has lost its CURRENT, refuses it and deletes nothing", function()
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("a", ("x"):rep(100), { sync = true }))
      end
      os.remove(location .. "/CURRENT")
      local before = place.files(location)
      refused("corrupt", "CURRENT", cairn.open(url))
      assert.same(before, place.files(location))
    end)

    it("by many names, opens it once", function()
      local deep = directory .. "/new//by/./other/names"
      local one <close> = assert(cairn.open("rocksdb:" .. deep))
      local two <close> = assert(cairn.open("rocksdb:" .. directory .. "/new/by/other/names/"))
      assert(one:write("a", "1"))
      assert.equal("1", two:read("a"))
    end)
  end)

  describe("when somebody has it open", function()
    it("is locked against other processes, and says so", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("a", "1"))
      local other = elsewhere([[
        local store, message, code = require "cairn".open(...)
        io.write(store and "opened" or code .. ": " .. message)]], url)
      assert.equal(0, other.code, other.err)
      assert.matches("^%l+[_%l]*: ", other.out)
      assert.matches(location, other.out, 1, true)
      assert.matches("lock", other.out)
      assert.equal("1", store:read("a"))
    end)

    it("is shared within the process", function()
      local one <close> = assert(cairn.open(url))
      local two <close> = assert(cairn.open(url))
      local three <close> = assert(cairn.open("rocksdb:" .. directory .. "/./store/"))
      assert(one:write("a", "1"))
      assert.equal("1", two:read("a"))
      assert.equal("1", three:read("a"))
      one:close()
      assert(two:write("b", "2"))
      assert.equal("2", three:read("b"))
    end)

    it("is not opened a second time with other options", function()
      local one <close> = assert(cairn.open(url .. "?block_cache=1M"))
      refused("invalid_argument", location, cairn.open(url .. "?block_cache=2M"))
      local same <close> = assert(cairn.open(url .. "?block_cache=1M"))
      assert(one:write("a", "1"))
      assert.equal("1", same:read("a"))
    end)

    it("can be opened again once it is closed", function()
      for i = 1, 5 do
        local store <close> = assert(cairn.open(url))
        assert(store:write("n" .. i, "v"))
      end
    end)

    it("does not mind many others beside it", function()
      local stores = {}
      for i = 1, 20 do
        stores[i] = assert(cairn.open("rocksdb:" .. directory .. "/many" .. i))
        assert(stores[i]:write("own", tostring(i)))
      end
      for i, store in ipairs(stores) do
        assert.equal(tostring(i), store:read("own"))
        store:close()
      end
    end)
  end)

  describe("given a directory that is something else", function()
    --- Opening must be refused, and everything be as before.
    local function assert_untouched(path)
      local before = {}
      for _, file in ipairs(place.files(path)) do
        before[file] = place.content(path .. "/" .. file)
      end
      local store, message, code = cairn.open("rocksdb:" .. path)
      assert.is_nil(store)
      assert.is_string(code)
      assert.matches(path, message, 1, true)
      local after = {}
      for _, file in ipairs(place.files(path)) do
        after[file] = place.content(path .. "/" .. file)
      end
      assert.same(before, after)
    end

    it("refuses a folder of other files", function()
      lfs.mkdir(location)
      place.put(location .. "/thesis.txt", "three years of work")
      assert_untouched(location)
    end)

    it("refuses an fs store", function()
      do
        local store <close> = assert(cairn.open("fs:" .. location))
        assert(store:write("a/b", "1"))
      end
      assert_untouched(location)
    end)

    it("refuses a database that HyperBEAM wrote", function()
      local lines = directory .. "/lines"
      place.put(lines, ("%s %s\n"):format(hex("key"), hex("\2value")))
      local made = place.run { place.build .. "/spec/hyperbeam_db", location, lines, "flush" }
      assert.equal(0, made.code, made.err)
      assert_untouched(location)
    end)

    it("refuses a file", function()
      place.put(location, "a file")
      local store, message, code = cairn.open(url)
      assert.is_nil(store)
      assert.is_string(code)
      assert.matches(location, message, 1, true)
      assert.equal("a file", place.content(location))
    end)

    it("makes a directory with its parents", function()
      local deep = directory .. "/not/yet/there"
      refused("not_found", deep, cairn.open("rocksdb:" .. deep .. "?create=false"))
      assert.is_nil(lfs.attributes(directory .. "/not"))
      local store <close> = assert(cairn.open("rocksdb:" .. deep))
      assert(store:write("a", "1"))
      assert.equal("directory", lfs.attributes(deep, "mode"))
    end)

    it("takes an empty directory", function()
      lfs.mkdir(location)
      local store <close> = assert(cairn.open(url))
      assert(store:write("a", "1"))
    end)
  end)

  describe("whose bytes are damaged", function()
    --- Fills a store, then replaces the stored value of the key that ends in `name`.
    local function damaged(name, bytes)
      place.remove(location)
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("g/bad", "a good value"))
        assert(store:write("g/fine", "untouched"))
        assert(store:link("g/fine", "g/link"))
        assert(store:pack("p", { inline = "value", other = "value" }))
        assert(store:write("g/large", ("0123456789"):rep(300000)))
      end
      for _, entry in ipairs(keys_of(location)) do
        if entry.key:sub(-#name) == name then
          rocks(location, "put", entry.family, hex(entry.key), hex(bytes))
          return assert(cairn.open(url))
        end
      end
      error("there is no key that ends in " .. name)
    end

    it("answers corrupt for an unknown tag, an empty value, unknown flags", function()
      for _, bytes in ipairs { "\9rest", "", "\0", "\255\255", "\130", "\130\1short" } do
        local store <close> = damaged("bad", bytes)
        refused("corrupt", "g/bad", store:read("g/bad"))
        refused("corrupt", "g/bad", store:type("g/bad"))
        refused("corrupt", "g/bad", store:stat("g/bad"))
        refused("corrupt", "g/bad", store:read_at("g/bad", 0, 10))
        assert.equal("untouched", store:read("g/link"))
      end
    end)

    it("can be written over, and deleted", function()
      local store <close> = damaged("bad", "\255junk")
      assert(store:write("g/bad", "good"))
      assert.equal("good", store:read("g/bad"))
      store:close()
      local again <close> = damaged("bad", "\255junk")
      assert(again:delete("g/bad"))
      refused("not_found", "g/bad", again:read("g/bad"))
    end)

    it("answers corrupt when it is listed", function()
      local store <close> = damaged("bad", "\9rest")
      local ok, message = pcall(function()
        local names = {}
        for name in assert(store:list("g")) do names[#names + 1] = name end
        return names
      end)
      assert.is_false(ok)
      assert.matches("g/bad", tostring(message), 1, true)
    end)

    it("answers corrupt for what lies in a damaged pack", function()
      local whole
      do
        local store <close> = damaged("bad", "\2fine") -- to have a store
        store:close()
        for _, entry in ipairs(keys_of(location)) do
          if entry.key:sub(-1) == "p" then whole = entry.value end
        end
      end
      for _, cut in ipairs { 1, 2, 5, #whole // 2 } do
        local store <close> = damaged("p", whole:sub(1, #whole - cut))
        local value, message, code = store:read("p/zzz")
        assert.is_nil(value)
        assert.equal("corrupt", code)
        assert.matches("p", message, 1, true)
        local listed = pcall(function()
          for _ in assert(store:list("p")) do end -- luacheck: ignore 542
        end)
        assert.is_false(listed)
        assert.equal("untouched", store:read("g/fine"))
      end
    end)

    it("answers corrupt for a value whose chunks are gone or cut", function()
      local store <close> = damaged("large", "\130\32\128\137\122" .. ("0"):rep(32))
      local value, message, code = store:read("g/large")
      assert.is_nil(value)
      assert.equal("corrupt", code)
      assert.matches("g/large", message, 1, true)
      refused("corrupt", "g/large", store:read_at("g/large", 0, 10))
    end)

    it("answers corrupt for a compressed value that is no such thing", function()
      local store <close> = damaged("bad", "\130\16\232\7not a frame")
      refused("corrupt", "g/bad", store:read("g/bad"))
    end)

    it("can be repaired by writing again", function()
      local store <close> = damaged("bad", "\9rest")
      local ok, _, code = store:write("g/bad", "new")
      if ok then
        assert.equal("new", store:read("g/bad"))
      else
        assert.equal("corrupt", code)
        assert(store:reset())
        assert(store:write("g/bad", "new"))
      end
    end)
  end)

  describe("and what it keeps", function()
    it("stays hidden once what hid it has expired, also when it is compacted away", function()
      do
        local store <close> = assert(cairn.open(url .. "?memtable=64K"))
        assert(store:pack("p", { a = "inline", b = "b" }))
        assert(store:write("p/a", "own", { expires = cairn.now() - 1000 }))
        assert(store:write("q/a", "own", { expires = cairn.now() - 1000 }))
        assert(store:pack("q", { a = "inline", b = "b" }))
        refused("not_found", "p/a", store:read("p/a"))
        for round = 1, 40 do -- until there is something to compact
          assert(store:batch(function(batch)
            for i = 1, 500 do
              local group = string.char(97 + (i + round) % 26)
              batch:write(("%s/%d"):format(group, i * 7919 % 100000), ("x"):rep(200))
            end
          end))
        end
      end
      local store <close> = assert(cairn.open(url .. "?memtable=64K"))
      local slow = uv.hrtime() + 1000000000
      while uv.hrtime() < slow and not store:read("p/a") do uv.sleep(50) end
      refused("not_found", "p/a", store:read("p/a"))
      refused("not_found", "q/a", store:read("q/a"))
      local names = {}
      for name in assert(store:list("p", { from = "a" })) do names[#names + 1] = name end
      assert.same({ "b" }, names)
    end)

    it("has one key for an entry, and none for what was deleted", function()
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("g/a", "1"))
        assert(store:write("g/b", "2"))
        assert(store:link("g/a", "l"))
        assert(store:pack("p", { x = "1", y = "2", z = "3" }))
      end
      local before = #keys_of(location)
      do
        local store <close> = assert(cairn.open(url))
        for i = 1, 20 do assert(store:write("g/c" .. i, "v")) end
        for i = 1, 20 do assert(store:delete("g/c" .. i)) end
        assert(store:write("t/u/v", "1"))
        assert(store:delete("t", { recursive = true }))
      end
      assert.equal(before, #keys_of(location))
    end)

    it("leaves no chunks of values that were replaced, deleted or abandoned", function()
      local large = ("0123456789abcdef"):rep(200000)
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("small", "1"))
        assert(store:write("g/k", "2"))
      end
      local before = #keys_of(location)
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("small", large))
        assert(store:write("small", large .. "!"))
        assert(store:write("small", "1"))
        assert(store:write("g/large", large))
        assert(store:delete("g/large"))
        assert(store:write("g/large", large))
        assert(store:delete("g", { recursive = true }))
        assert(store:write("g/k", "2"))
        local writer <close> = assert(store:writer())
        assert(writer:append(large))
        local refusal <close> = assert(store:writer())
        assert(refusal:append(large))
        refused("conflict", "small", refusal:commit("small", { if_absent = true }))
        assert.is_nil(store:write("small/below", large))
      end
      assert.equal(before, #keys_of(location))
    end)

    it("sweeps the chunks of a writer that was killed", function()
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("small", "1"))
      end
      local before = #keys_of(location)
      local run = elsewhere([[
        local store = assert(require "cairn".open(...))
        local writer = assert(store:writer())
        assert(writer:append(("0123456789abcdef"):rep(200000)))
        assert(store:sync())
        io.popen("kill -9 $PPID"):read("a")]], url)
      assert.equal(9, run.signal)
      assert.is_true(#keys_of(location) > before) -- there is something to sweep
      do
        local store <close> = assert(cairn.open(url))
        assert.equal("1", store:read("small"))
      end
      assert.equal(before, #keys_of(location))
    end)
  end)
end)
