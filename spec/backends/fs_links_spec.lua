--- Symbolic links of the fs backend: what we write, what HyperBEAM wrote, and what neither did.

local cairn = require "cairn"
local lfs = require "lfs"
local uv = require "luv"

local hyperbeam = require "spec.support.hyperbeam"
local place = require "spec.support.place"
local refused = require "spec.support.refused"

local stores = hyperbeam.vectors("disk.json").stores

describe("a link of an fs store", function()
  local directory, location

  before_each(function()
    directory = place.fresh()
    location = directory .. "/store"
  end)
  after_each(function()
    collectgarbage()
    place.remove(directory)
  end)

  local function open(options)
    local where = { backend = "fs", path = location }
    for name, value in pairs(options or {}) do where[name] = value end
    return assert(cairn.open(where))
  end

  local function text(path)
    return uv.fs_readlink(location .. "/" .. path)
  end

  local function symlink(to, path)
    assert(uv.fs_symlink(to, location .. "/" .. path))
  end

  describe("that we wrote", function()
    it("leads up to the root and down again", function()
      local store <close> = open()
      assert(store:link("x/y", "p/q/r"))
      assert(store:link("x/y", "l"))
      assert(store:link("p/q", "p/s"))
      assert.equal("../../x/y", text("p/q/r"))
      assert.equal("./x/y", text("l"))
      assert.equal("../p/q", text("p/s"))
      assert.equal("x/y", store:resolve("p/q/r"))
      assert.equal("p/q", store:resolve("p/s"))
    end)

    it("can be followed by other programs, also when the store was moved", function()
      do
        local store <close> = open()
        assert(store:write("x/y", "value"))
        assert(store:link("x/y", "p/q/r"))
        assert(store:link("p", "l"))
      end
      assert.equal("value", place.content(location .. "/l/q/r"))
      local moved = directory .. "/moved"
      assert(os.rename(location, moved))
      assert.equal("value", place.content(moved .. "/l/q/r"))
      local store <close> = assert(cairn.open("fs:" .. moved))
      assert.equal("value", store:read("l/q/r"))
    end)

    it("is ours even where nothing it leads to exists", function()
      do
        local store <close> = open()
        assert(store:link("srv/cache/x", "l"))
        assert(store:link("not/yet", "g/l"))
      end
      local store <close> = open()
      assert.equal("srv/cache/x", store:resolve("l"))
      assert.equal("not/yet", store:resolve("g/l"))
    end)

    it("is refused when the target is too long from there", function()
      local store <close> = open()
      local deep = ("d/"):rep(1000) .. "l"
      refused("name_too_long", "d/d", store:link(("x"):rep(200) .. ("/x"):rep(900), deep))
      assert(store:link(("x"):rep(200), deep))
      assert.equal(("x"):rep(200), store:resolve(deep))
    end)

    it("is refused when it would expire", function()
      local store <close> = open()
      refused("unsupported", "'l'", store:link("x", "l", { expires = cairn.now() + 10000 }))
      assert.is_nil(text("l"))
    end)

    it("may not lead into the staging folder", function()
      local store <close> = open()
      refused("invalid_path", ".cairn-staging", store:link(".cairn-staging/x", "l"))
    end)
  end)

  --- All that the vectors' script left, through the store.
  local function assert_vectors(store)
    assert.equal("v1", store:read("l-file"))
    assert.equal("v2", store:read("l-group/b/d"))
    assert.equal("v1", store:read("deep/er/l2"))
    assert.equal("a/b/c", store:resolve("deep/er/l2"))
    assert.equal("missing", store:resolve("dangling"))
    refused("not_found", "dangling", store:read("dangling"))
    assert.equal("missing", store:stat("dangling").target)
    assert.equal("\0\255\1", store:read("bin"))
    local names = {}
    for name, kind in assert(store:list()) do names[#names + 1] = name .. " " .. kind end
    assert.same({
      "a composite", "bin simple", "dangling link", "deep composite", "flat simple",
      "grp composite", "l-file link", "l-group link",
    }, names)
  end

  describe("that HyperBEAM wrote", function()
    it("is understood where the store is", function()
      hyperbeam.fs(location, stores.fs_abs, function(link)
        return (link:gsub("^/srv/stores/fs%-abs", location))
      end)
      local store <close> = open()
      assert_vectors(store)
    end)

    it("is understood where the store is, called by another name", function()
      hyperbeam.fs(location, stores.fs_abs, function(link)
        return (link:gsub("^/srv/stores/fs%-abs", directory .. "/alias"))
      end)
      assert(uv.fs_symlink(location, directory .. "/alias"))
      local store <close> = assert(cairn.open("fs:" .. directory .. "/alias"))
      assert_vectors(store)
    end)

    for _, prefix in ipairs({ "abs", "rel" }) do
      local entries = stores["fs_" .. prefix]
      local given = prefix == "abs" and "/srv/stores/fs-abs" or "vs/fs-rel"

      it("is understood after a move: " .. given, function()
        hyperbeam.fs(location, entries)
        local store <close> = open()
        assert_vectors(store)
      end)

      it("is understood when link_prefix says so: " .. given, function()
        hyperbeam.fs(location, entries)
        local store <close> = open({ link_prefix = given .. "/" })
        assert_vectors(store)
      end)

      it("is understood when all dangle and link_prefix says so: " .. given, function()
        assert(lfs.mkdir(location))
        symlink(given .. "/gone/x", "l")
        local store <close> = open({ link_prefix = given })
        assert.equal("gone/x", store:resolve("l"))
      end)

      it("lives beside new ones of ours: " .. given, function()
        hyperbeam.fs(location, entries)
        do
          local store <close> = open()
          assert(store:link("a/b/c", "new/l"))
          assert(store:link("vs/fs-rel", "n2"))
          assert(store:write("dangling", "replaced"))
          assert.equal("../a/b/c", text("new/l"))
        end
        local store <close> = open()
        assert.equal("v1", store:read("new/l"))
        assert.equal("vs/fs-rel", store:resolve("n2"))
        assert.equal("replaced", store:read("dangling"))
        assert.equal("v1", store:read("l-file"))
      end)
    end

    it("is understood in a directory that is opened relative to the working directory", function()
      assert(lfs.mkdir(directory .. "/vs"))
      hyperbeam.fs(directory .. "/vs/fs-rel", stores.fs_rel)
      local read = place.run({ "/usr/bin/env", "lua5.4", "-e", [[
        local store = assert(require "cairn".open("fs:vs/fs-rel"))
        io.write(store:read("l-group/b/d"), " ", store:resolve("dangling"))]] },
        { cwd = directory, env = { LUA_CPATH = place.build .. "/?.so;;" } })
      assert.equal("v2 missing", read.out, read.err)
    end)

    it("is understood with a prefix that begins with a dot, beside ours", function()
      hyperbeam.fs(location, stores.fs_rel, function(link)
        return (link:gsub("^vs/fs%-rel", "./cache"))
      end)
      do
        local store <close> = open()
        assert_vectors(store)
        assert(store:link("cache/x", "ours"))
        assert(store:link("cache/x", "deep/ours"))
      end
      for _, options in ipairs({ {}, { link_prefix = "./cache" } }) do
        local store <close> = open(options)
        assert.equal("cache/x", store:resolve("ours"))
        assert.equal("cache/x", store:resolve("deep/ours"))
        assert.equal("v1", store:read("deep/er/l2"))
      end
    end)

    it("is corrupt, not guessed, when nothing tells what its prefix is", function()
      assert(lfs.mkdir(location))
      symlink("/some/where/else", "abs")
      symlink("some/where/else", "rel")
      local store <close> = open()
      for _, name in ipairs({ "abs", "rel" }) do
        refused("corrupt", name, store:read(name))
        refused("corrupt", "some/where/else", store:resolve(name))
        refused("corrupt", "link_prefix", store:stat(name))
      end
    end)
  end)

  describe("written for HyperBEAM", function()
    for _, prefix in ipairs({ "/srv/stores/fs-abs", "vs/fs-rel" }) do
      it("begins with " .. prefix, function()
        local options = { link_style = "prefixed", link_prefix = prefix }
        do
          local store <close> = open(options)
          assert(store:write("a/b/c", "v1"))
          assert(store:link("a/b/c", "l-file"))
          assert(store:link("l-file", "deep/er/l2"))
          assert(store:link("missing", "dangling"))
        end
        for _, entry in ipairs(prefix == "vs/fs-rel" and stores.fs_rel or stores.fs_abs) do
          if entry.symlink and entry.path ~= "l-group" then
            assert.equal(entry.symlink, text(entry.path))
          end
        end
        local store <close> = open(options)
        assert.equal("v1", store:read("deep/er/l2"))
        assert.equal("missing", store:resolve("dangling"))
        store:close()
        local untold <close> = open()
        assert.equal("v1", untold:read("deep/er/l2"))
      end)
    end

    it("wants to know the prefix", function()
      refused("invalid_argument", "link_prefix",
        cairn.open("fs:" .. location .. "?link_style=prefixed"))
      refused("invalid_argument", "link_style",
        cairn.open("fs:" .. location .. "?link_style=twisted"))
      assert.is_nil(lfs.attributes(location))
    end)
  end)

  describe("that somebody made to get out", function()
    local secret

    before_each(function()
      secret = directory .. "/secret"
      assert(lfs.mkdir(secret))
      place.put(secret .. "/value", "secret")
      local store <close> = open()
      assert(store:write("a/b", "inside"))
    end)

    local function assert_unharmed()
      assert.same({ "value" }, place.files(secret))
      assert.equal("secret", place.content(secret .. "/value"))
    end

    for name, target in pairs({
      ["an absolute path"] = function() return secret end,
      ["a path with .."] = function() return "../secret" end,
      ["a path far up"] = function() return ("../"):rep(60) .. secret:sub(2) end,
      ["the process's own root"] = function() return "/proc/self/root" .. secret end,
    }) do
      it("is never followed: " .. name, function()
        symlink(target(), "out")
        symlink(target() .. "/value", "out-value")
        local store <close> = open()
        for _, path in ipairs({ "out", "out/value", "out-value" }) do
          refused("corrupt", "out", store:read(path))
          refused("corrupt", "out", store:type(path))
          refused("corrupt", "out", store:read_at(path, 0, 10))
        end
        refused("corrupt", "out", store:list("out"))
        refused("corrupt", "out", store:write("out/value", "changed"))
        refused("corrupt", "out", store:write("out/new", "made"))
        refused("corrupt", "out", store:group("out/new"))
        refused("corrupt", "out", store:delete("out/value"))
        assert_unharmed()
      end)
    end

    it("is not followed in the middle when a group is replaced by it", function()
      local store <close> = open()
      assert(store:read("a/b"))
      assert(os.rename(location .. "/a", location .. "/z"))
      symlink(secret, "a")
      assert.is_nil(store:read("a/value"))
      assert.is_nil(store:write("a/new", "made"))
      assert.is_nil(store:delete("a/value"))
      assert_unharmed()
    end)

    it("goes with a reset, and what it leads to stays", function()
      symlink(secret, "out")
      symlink(secret, "a/out")
      local store <close> = open()
      assert(store:reset())
      assert.same({}, place.files(location))
      assert_unharmed()
    end)

    it("does not take along what it leads to when its group is deleted", function()
      symlink(secret, "a/out")
      local store <close> = open()
      store:delete("a", { recursive = true })
      assert_unharmed()
    end)

    it("is listed, so that it can be found", function()
      symlink(secret, "a/out")
      local store <close> = open()
      local names = {}
      for name, kind in assert(store:list("a")) do names[#names + 1] = name .. " " .. kind end
      assert.same({ "b simple", "out link" }, names)
    end)

    it("does not lead the staging folder away", function()
      symlink(secret, ".cairn-staging")
      local store <close> = open()
      assert.is_nil(store:write("a/b", "replaced"))
      assert.equal("inside", store:read("a/b"))
      assert_unharmed()
    end)

    it("is a cycle at most", function()
      symlink("./two", "one")
      symlink("./one", "two")
      symlink(".", "self")
      local store <close> = open()
      refused("link_loop", "one", store:read("one"))
      refused("link_loop", "two", store:list("two"))
      assert.equal("inside", store:read("self/self/self/a/b"))
    end)
  end)
end)
