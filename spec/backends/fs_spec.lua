--- What only the fs backend can get wrong: files that others see, names, other people's
--- directories, killed writers, disks that are full or read-only, systems that lack something.
--- Links have a spec of their own.

local cairn = require "cairn"
local lfs = require "lfs"
local uv = require "luv"

local place = require "spec.support.place"
local refused = require "spec.support.refused"

describe("an fs store", function()
  local directory, location, url

  before_each(function()
    directory = place.fresh()
    location = directory .. "/store"
    url = "fs:" .. location
  end)
  after_each(function()
    collectgarbage()
    place.remove(directory)
  end)

  --- Starts a Lua script in another process against the same build.
  local function start(script, ...)
    local file = directory .. "/script.lua"
    place.put(file, script)
    return place.start({ "/usr/bin/env", "lua5.4", file, ... },
      { env = { LUA_CPATH = place.build .. "/?.so;;" } })
  end

  local function names(store, path)
    local found = {}
    for name in assert(store:list(path)) do found[#found + 1] = name end
    return found
  end

  describe("on disk", function()
    it("is files with nothing but the values, and directories", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("a/b", "value\0\n"))
      assert(store:group("g"))
      assert(store:write("empty", ""))
      assert.equal("value\0\n", place.content(location .. "/a/b"))
      assert.equal("", place.content(location .. "/empty"))
      assert.equal("directory", lfs.attributes(location .. "/g", "mode"))
      assert.same({ "a/b", "empty" }, place.files(location))
    end)

    it("shows what other programs wrote", function()
      local store <close> = assert(cairn.open(url))
      assert(lfs.mkdir(location .. "/made"))
      place.put(location .. "/made/by-hand", ("x"):rep(200000))
      assert.equal(("x"):rep(200000), store:read("made/by-hand"))
      assert.same({ "by-hand" }, names(store, "made"))
      assert.is_true(math.abs(store:stat("made/by-hand").created - cairn.now()) < 60000)
    end)

    it("is unavailable once its directory is removed, and tells no absence", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("a", "1"))
      assert(store:write("g/b", "1"))
      place.remove(location)
      for _, again in ipairs { false, true } do
        if again then assert(lfs.mkdir(location)) end
        refused("unavailable", location, store:read("a"))
        refused("unavailable", location, store:read("g/b"))
        refused("unavailable", location, store:type("g"))
        refused("unavailable", location, store:stat("a"))
        refused("unavailable", location, store:list(""))
        refused("unavailable", location, store:list("g"))
        refused("unavailable", location, store:write("a", "2"))
        refused("unavailable", location, store:write("g/b", "2"))
        refused("unavailable", location, store:write("new/b", "2"))
        refused("unavailable", location, store:group("h"))
        refused("unavailable", location, store:link("a", "l"))
        refused("unavailable", location, store:delete("a"))
        refused("unavailable", location, store:sync())
        refused("unavailable", location, store:reset())
      end
      store:close()
      local fresh <close> = assert(cairn.open(url))
      assert(fresh:write("a", "3"))
      assert.equal("3", fresh:read("a"))
    end)

    it("notices when others take away a group that it has written to", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("g/a", "1"))
      assert(store:write("g/b", "2"))
      place.remove(location .. "/g")
      assert(store:write("g/c", "3"))
      assert.same({ "c" }, names(store, "g"))

      place.remove(location .. "/g")
      assert(lfs.mkdir(location .. "/other"))
      assert(lfs.link("other", location .. "/g", true))
      assert(store:write("g/d", "4"))
      assert.equal("4", store:read("other/d"))
      assert.equal("link", lfs.symlinkattributes(location .. "/g", "mode"))

      os.remove(location .. "/g")
      place.put(location .. "/g", "a value now")
      refused("not_a_group", "g/e", store:write("g/e", "5"))
      assert.equal("a value now", place.content(location .. "/g"))
    end)

    it("obeys the umask, as any program would", function()
      local run = place.wait(start([[
        local store = assert(require "cairn".open(arg[1]))
        assert(store:write("a/b", "1"))
        assert(store:write("a/b", "2"))]], url))
      assert.equal(0, run.code, run.err)
      place.put(directory .. "/plain", "")
      local plain = lfs.attributes(directory .. "/plain", "permissions")
      assert.equal(plain, lfs.attributes(location .. "/a/b", "permissions"))
    end)

    it("remembers when a replaced value was created", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("a", "1"))
      local created = store:stat("a").created
      uv.sleep(30)
      assert(store:write("a", "2"))
      local stat = store:stat("a")
      assert.is_true(math.abs(stat.created - created) < 20)
      assert.is_true(stat.modified - stat.created >= 25)
    end)

    it("keeps metadata and compression beside the value", function()
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("m", "v", { metadata = { kind = "note", n = 3 } }))
        assert(store:write("z", ("z"):rep(100000), { compress = true }))
      end
      assert.equal("v", place.content(location .. "/m"))
      assert.is_true(lfs.attributes(location .. "/z", "size") < 1000)
      local store <close> = assert(cairn.open(url))
      assert.same({ kind = "note", n = 3 }, store:stat("m").metadata)
      assert.equal(("z"):rep(100000), store:read("z"))
      assert.equal(100000, store:stat("z").size)
    end)

    it("has room for 2 KiB of metadata, and says so", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("m", "v", { metadata = { a = ("x"):rep(2000) } }))
      refused("limit", "2048", store:write("m", "w", { metadata = { a = ("x"):rep(2050) } }))
      assert.equal("v", store:read("m"))
      assert.equal(2000, #store:stat("m").metadata.a)
    end)

    it("lists no value that has expired", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("g/stays", "1"))
      assert(store:write("g/goes", "2", { expires = cairn.now() + 150 }))
      assert.same({ "goes", "stays" }, names(store, "g"))
      uv.sleep(200)
      assert.same({ "stays" }, names(store, "g"))
      assert(store:write("g/goes/deeper", "3"))
      assert.equal("3", store:read("g/goes/deeper"))
    end)
  end)

  describe("and names", function()
    it("of any bytes are kept and listed in order", function()
      local store <close> = assert(cairn.open(url))
      local odd = { "\1", " ", "-rf", "...", "A", "a\nb", "b\\", "\127", "\195\164", "\255\254" }
      for _, name in ipairs(odd) do assert(store:write({ "g", name }, name)) end
      assert.same(odd, names(store, "g"))
      for _, name in ipairs(odd) do assert.equal(name, store:read({ "g", name })) end
    end)

    it("of 255 bytes are the longest", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write(("n"):rep(255), "v"))
      refused("name_too_long", "nnn", store:write(("n"):rep(256), "v"))
    end)

    it("do not include that of the staging folder, at the top", function()
      local store <close> = assert(cairn.open(url))
      refused("invalid_path", ".cairn-staging", store:write(".cairn-staging/a", "v"))
      refused("invalid_path", "reserved", store:write(".cairn-staging", "v"))
      refused("invalid_path", "reserved", store:read(".cairn-staging/a"))
      refused("invalid_path", "reserved", store:list(".cairn-staging"))
      refused("invalid_path", "reserved", store:delete(".cairn-staging"))
      assert(store:write("a/.cairn-staging", "v"))
      assert(store:write(".cairn-stagings", "v"))
      assert.same({ ".cairn-stagings", "a" }, names(store))
    end)

    it("of what is no entry are not listed, and reading them is refused without waiting", function()
      local store <close> = assert(cairn.open(url))
      assert(store:write("g/file", "v"))
      assert.equal(0, place.run({ "/usr/bin/env", "mkfifo", location .. "/g/pipe" }).code)
      local server = assert(uv.new_pipe())
      assert(server:bind(location .. "/g/socket"))
      for _, name in ipairs({ "g/pipe", "g/socket" }) do
        refused("corrupt", name, store:read(name))
        refused("corrupt", name, store:stat(name))
        refused("corrupt", name, store:read_at(name, 0, 1))
      end
      assert.same({ "file" }, names(store, "g"))
      server:close()
      uv.run("nowait")
    end)
  end)

  describe("given a place", function()
    it("makes the directories that are missing", function()
      local store <close> = assert(cairn.open(url .. "/not/yet"))
      assert(store:write("a", "1"))
      assert.equal("1", place.content(location .. "/not/yet/a"))
    end)

    it("makes none when it is told not to", function()
      for _, option in ipairs({ "create=false", "read_only=true" }) do
        refused("not_found", location, cairn.open(url .. "?" .. option))
        assert.is_nil(lfs.attributes(location))
      end
    end)

    it("refuses a file", function()
      place.put(location, "I am a file")
      refused("invalid_argument", location, cairn.open(url))
      refused("invalid_argument", location, cairn.open(url .. "/below"))
      assert.equal("I am a file", place.content(location))
    end)

    it("refuses a RocksDB database, untouched", function()
      do
        local store <close> = assert(cairn.open("rocksdb:" .. location))
        assert(store:write("a", "1"))
      end
      collectgarbage()
      local before = table.concat(place.files(location), " ")
      refused("invalid_argument", "RocksDB", cairn.open(url))
      assert.equal(before, table.concat(place.files(location), " "))
    end)

    it("refuses none at all", function()
      refused("invalid_argument", "directory", cairn.open("fs:"))
    end)

    it("is one store under all names of the place", function()
      local one <close> = assert(cairn.open(url))
      assert(uv.fs_symlink(location, directory .. "/alias"))
      local two <close> = assert(cairn.open("fs:" .. directory .. "/./alias/"))
      local _, message = cairn.open("fs:" .. directory .. "/alias?read_only=true")
      assert.matches("other options", message)
      assert(one:write("a", "1"))
      assert.equal("1", two:read("a"))
    end)

    it("changes nothing there when it is opened read-only", function()
      do
        local store <close> = assert(cairn.open(url))
        assert(store:write("a", "1"))
      end
      assert(lfs.mkdir(location .. "/.cairn-staging"))
      assert(lfs.mkdir(location .. "/.cairn-staging/1-left-behind"))
      local store <close> = assert(cairn.open(url .. "?read_only=true"))
      assert.equal("1", store:read("a"))
      refused("unsupported", location, store:write("a", "2"))
      refused("unsupported", location, store:link("a", "l"))
      refused("unsupported", location, store:delete("a"))
      refused("unsupported", location, store:reset())
      refused("unsupported", location, store:writer())
      assert.is_table(lfs.attributes(location .. "/.cairn-staging/1-left-behind"))
      assert.equal("1", store:read("a"))
    end)
  end)

  describe("whose writers are killed", function()
    -- Everything that goes through the staging folder, without end.
    local WRITER = [[
      local cairn = require "cairn"
      local store = assert(cairn.open(arg[1]))
      for i = 1, math.maxinteger do
        local value = string.char(97 + i % 26):rep(100000)
        assert(store:write("value", value))
        assert(store:pack("p" .. i % 100, { a = value, b = { link = "value" } }))
        local writer <close> = assert(store:writer())
        assert(writer:append(value)):append(value)
        if i % 2 == 0 then assert(writer:commit("streamed")) end
        store:delete("l")
        assert(store:link("value", "l"))
        store:delete("p" .. (i + 50) % 100, { recursive = true })
        if i == 20 then print "going" io.flush() end
      end]]

    local function assert_whole(value)
      local letter = value:sub(1, 1)
      assert.is_true(#value == 100000 or #value == 200000)
      assert.equal(letter:rep(#value), value)
    end

    it("shows no half value, and leaves nothing behind", function()
      for _ = 1, 5 do
        local writer = start(WRITER, url)
        place.until_said(writer, "going")
        uv.sleep(math.random(1, 40))
        place.signal(writer, "sigkill")
        place.wait(writer)
        assert.equal("", writer.err)

        local store <close> = assert(cairn.open(url))
        for _, file in ipairs(place.files(location)) do
          assert.is_truthy(file == "value" or file == "streamed" or file == "l" or
            file:find("^p%d+/[ab]$"), file)
          assert_whole(store:read(file) or ("x"):rep(100000))
        end
        for name, kind in assert(store:list()) do
          if kind == "composite" then assert.same({ "a", "b" }, names(store, name)) end
        end
        store:close()
        assert.is_nil(lfs.attributes(location .. "/.cairn-staging"))
      end
    end)

    it("does not sweep away what a living one needs", function()
      local writer = start(WRITER, url)
      place.until_said(writer, "going")
      for _ = 1, 30 do
        local store <close> = assert(cairn.open(url))
        assert_whole(store:read("value"))
      end
      assert.is_nil(writer.code)
      place.signal(writer, "sigkill")
      place.wait(writer)
      assert.equal("", writer.err)
    end)
  end)

  describe("on a disk", function()
    local mount

    local function mounted(options)
      mount = directory .. "/disk"
      lfs.mkdir(mount)
      local run = place.run {
        "/usr/bin/env", "mount", "-t", "tmpfs", "-o", options, "tmpfs", mount,
      }
      if run.code ~= 0 then mount = nil end
      return run.code == 0
    end

    after_each(function()
      if mount then
        collectgarbage()
        place.run { "/usr/bin/env", "umount", "-l", mount }
        mount = nil
      end
    end)

    it("that is full says so, and keeps what was there", function()
      if not mounted("size=1m") then return pending("mounting is not permitted here") end
      local store <close> = assert(cairn.open("fs:" .. mount .. "/store"))
      assert(store:write("kept", "safe"))
      local writer <close> = assert(store:writer())
      assert(writer:append("begun, "))
      local filled = 0
      local ok, message, code
      repeat
        ok, message, code = store:write("junk/" .. filled, ("x"):rep(10000))
        if ok then filled = filled + 1 end
      until not ok
      assert.equal("io", code)
      assert.matches("No space", message)
      assert.is_true(filled > 50)
      refused("io", "kept", store:write("kept", ("y"):rep(100000)))
      refused("io", "No space", store:pack("pack", { a = ("y"):rep(100000) }))
      refused("io", "No space", writer:append(("y"):rep(100000)))
      assert.equal("safe", store:read("kept"))
      assert.equal(filled, #names(store, "junk"))
      assert.same({ "junk", "kept" }, names(store))

      assert(store:delete("junk", { recursive = true }))
      assert(writer:append("and finished"))
      assert(writer:commit("streamed"))
      assert.equal("begun, and finished", store:read("streamed"))
      assert(store:write("kept", ("y"):rep(100000)))
    end)

    it("that is read-only says so, and can be read", function()
      if not mounted("size=1m") then return pending("mounting is not permitted here") end
      local there = "fs:" .. mount .. "/store"
      do
        local store <close> = assert(cairn.open(there))
        assert(store:write("a", "1"))
        assert(store:link("a", "l"))
      end
      assert.equal(0, place.run({ "/usr/bin/env", "mount", "-o", "remount,ro", mount }).code)
      local store <close> = assert(cairn.open(there))
      assert.equal("1", store:read("l"))
      for _, call in ipairs({
        function() return store:write("a", "2") end,
        function() return store:write("b/c", "2") end,
        function() return store:link("a", "l2") end,
        function() return store:delete("a") end,
        function() return store:reset() end,
      }) do
        local ok, message, code = call()
        assert.is_nil(ok)
        assert.equal("io", code, message)
        assert.matches("[Rr]ead%-only", message)
      end
      assert.equal("1", store:read("a"))
    end)

    it("that is another than the store's takes new values, and says what it cannot", function()
      if not mounted("size=1m") then return pending("mounting is not permitted here") end
      local store <close> = assert(cairn.open("fs:" .. directory))
      assert(store:write("disk/new", "1"))
      assert.equal("1", store:read("disk/new"))
      refused("unsupported", "disk/new", store:write("disk/new", "2"))
      assert.equal("1", store:read("disk/new"))
    end)
  end)

  describe("on a system that lacks what newer ones have", function()
    -- No openat2, no nameless files, no extended attributes (support/old_system.c).
    local SCRIPT = [[
      local cairn = require "cairn"
      local store = assert(cairn.open(arg[1]))
      assert(store:write("a/b", "1"))
      assert(store:write("a/b", "2"))
      assert(store:write("a/c", "first", { if_absent = true }))
      assert(select(3, store:write("a/c", "second", { if_absent = true })) == "conflict")
      assert(store:link("a/b", "deep/er/l"))
      assert(store:read("deep/er/l") == "2")
      assert(store:pack("p", { x = "X", y = { link = "a/b" } }))
      assert(store:read("p/y") == "2")
      local writer <close> = assert(store:writer())
      assert(assert(writer:append("stre")):append("amed"))
      assert(writer:commit("s"))
      assert(store:read("s") == "streamed")
      assert(select(3, store:read("out")) == "corrupt")
      assert(select(3, store:read("out/value")) == "corrupt")
      assert(select(3, store:write("out/value", "x")) == "corrupt")
      local _, message, code = store:write("m", "v", { metadata = { a = 1 } })
      assert(code == "unsupported" and message:find "extended attributes", message)
      assert(store:delete("a", { recursive = true }))
      assert(store:link("dangling/x", "l"))
      store:close()
      store = assert(cairn.open(arg[1]))
      assert(store:resolve("l") == "dangling/x")
      local names = {}
      for name in store:list() do names[#names + 1] = name end
      print(table.concat(names, " "))]]

    it("does the same, but for metadata", function()
      do
        local store <close> = assert(cairn.open(url))
        assert(store:group("g"))
      end
      assert(uv.fs_symlink(directory, location .. "/out"))
      place.put(directory .. "/value", "secret")
      place.put(directory .. "/script.lua", SCRIPT)
      local run = place.run({
        place.build .. "/spec/old_system", "/usr/bin/env", "lua5.4",
        directory .. "/script.lua", url,
      }, { env = { LUA_CPATH = place.build .. "/?.so;;" } })
      if run.code == 77 then return pending("filtering system calls is not permitted here") end
      assert.equal("deep g l out p s\n", run.out, run.err)
      assert.equal("secret", place.content(directory .. "/value"))
      assert.same({ "deep/er/l", "l", "out", "p/x", "p/y", "s" }, place.files(location))
    end)
  end)
end)
