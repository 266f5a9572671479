--- Several stores as one: order, absence and outage, permissions, scopes, links that go from one
--- store to the next. What goes wrong is in chain_faults_spec, tiers are in chain_tiers_spec.

local cairn = require "cairn"

local chains = require "spec.support.chains"
local refused = require "spec.support.refused"

local function names_of(chain)
  local names = {}
  for i, member in ipairs(chain:members()) do names[i] = member.name end
  return table.concat(names, " ")
end

local function listed(chain, path)
  local names = {}
  for name, kind in assert(chain:list(path)) do names[#names + 1] = name .. "=" .. kind end
  return table.concat(names, " ")
end

describe("a chain", function()
  after_each(chains.clean)

  describe("of one store of every kind", function()
    for _, backend in ipairs { "memory", "fs", "rocksdb" } do
      it("does what the store does: " .. backend, function()
        local chain = chains.open { chains.store(backend) }
        assert.is_true(chain:write("a/b", "1", { metadata = { n = 1 } }))
        assert.same({ "1", backend }, { chain:read("a/b") })
        assert.same({ "composite", backend }, { chain:type("a") })
        assert.same({ true, true }, { chain:link("a", "l") })
        assert.same({ true, false }, { chain:link("elsewhere", "l") })
        assert.same({ "a/b", backend }, { chain:resolve("l/b") })
        assert.is_true(chain:group("g"))
        assert.equal("a=composite g=composite l=link", listed(chain))
        local stat, member = chain:stat("a/b")
        assert.equal(backend, member)
        assert.same({ n = 1 }, stat.metadata)
        assert.equal(1, stat.size)
        refused("is_group", "a", chain:write("a", "x"))
        refused("not_a_group", "a/b", chain:list("a/b"))
        refused("invalid_path", "..", chain:read("../x"))
        refused("is_group", "a", chain:delete("a"))
        assert.is_true(chain:delete("a", { recursive = true }))
        refused("not_found", "a/b", chain:read("a/b"))
        refused("not_found", "a", chain:delete("a"))
        assert.is_true(chain:sync())
        assert.is_true(chain:reset())
        refused("not_found", "g", chain:type("g"))
      end)
    end
  end)

  describe("of several", function()
    local near, middle, far, chain
    before_each(function()
      near, middle, far = chains.store "memory", chains.store "fs", chains.store "rocksdb"
      chain = chains.open { near, middle, far }
    end)

    it("answers with the first that has it, and says which", function()
      assert(far:write("a", "far"))
      assert.same({ "far", "rocksdb" }, { chain:read("a") })
      assert(middle:write("a", "middle"))
      assert.same({ "middle", "fs" }, { chain:read("a") })
      assert(near:write("a", "near"))
      assert.same({ "near", "memory" }, { chain:read("a") })
    end)

    it("answers not_found when all say so", function()
      refused("not_found", "nowhere", chain:read("nowhere"))
      refused("not_found", "nowhere", chain:type("nowhere"))
      refused("not_found", "nowhere", chain:list("nowhere"))
      refused("not_found", "nowhere", chain:stat("nowhere"))
      assert.same({ "no/where" }, { chain:resolve("no//where") })
    end)

    it("passes over a group where a value is wanted, not a value where a group is", function()
      assert(near:group("x"))
      assert(far:write("x", "value"))
      assert.same({ "value", "rocksdb" }, { chain:read("x") })
      assert(far:group("y"))
      assert(near:write("y", "value"))
      refused("not_a_group", "y", chain:list("y"))
    end)

    it("lists the first that has the group", function()
      assert(middle:write("g/m", "1"))
      assert(far:write("g/f", "1"))
      assert.equal("m=simple", listed(chain, "g"))
    end)

    it("writes to the first alone", function()
      assert(chain:write("a", "1"))
      assert(chain:link("a", "l"))
      assert.equal("1", near:read("l"))
      assert.is_nil(middle:type("a"))
      assert.is_nil(far:type("a"))
      assert.equal(2, chains.counts(chain, "memory").written)
    end)

    it("deletes in all of them, and resets all", function()
      for _, store in ipairs { near, middle, far } do assert(store:write("a/b", "1")) end
      assert(chain:delete("a/b"))
      refused("not_found", "a/b", chain:read("a/b"))
      assert(far:write("a/b", "1"))
      assert(chain:delete("a", { recursive = true }))
      refused("not_found", "a", chain:type("a"))
      assert(far:write("a/b", "1"))
      assert(chain:reset())
      assert.is_nil(far:type("a"))
    end)
  end)

  it("tells its members, with the numbers of what they did", function()
    local chain = chains.open {
      chains.store "memory", chains.store "memory",
      { store = chains.store "fs", name = "memory3", write = false },
      { store = "memory:", name = "scratch", tier = true },
      { store = { backend = "memory", max_bytes = 65536 } },
    }
    assert.equal("memory memory2 memory3 scratch memory4", names_of(chain))
    assert(chain:write("a", "1"))
    assert(chain:read("a"))
    refused("not_found", "b", chain:read("b"))
    local members = chain:members()
    assert.same({
      asked = 3, found = 1, missed = 1, failed = 0, timed_out = 0, kept_out = 0, promoted = 0,
      written = 1,
    }, members[1].counts)
    assert.is_true(members[1].latency_us > 0)
    assert.same({ true, false, false }, { members[3].read, members[3].write, members[3].tier })
    assert.same({ "fs", "local", false, 0 },
      { members[3].backend, members[3].scope, members[3].failing, members[3].failures })
    assert.is_true(members[4].tier)
    assert.equal("memory:", members[5].url)
  end)

  describe("with permissions", function()
    it("asks only who may be read, and writes only who may be written", function()
      local locked, archive, open = chains.store "memory", chains.store "memory",
        chains.store "memory"
      assert(locked:write("a", "hidden"))
      assert(archive:write("a", "archived"))
      local chain = chains.open {
        { store = locked, name = "locked", read = false },
        { store = archive, name = "archive", write = false },
        { store = open, name = "open" },
      }
      assert.same({ "archived", "archive" }, { chain:read("a") })
      assert(chain:write("b", "1"))
      assert.equal("1", locked:read("b"))
      refused("not_found", "b", chain:read("b")) -- nobody who may be read has it
      assert(chain:delete("a"))
      assert.equal("archived", archive:read("a"))
      assert.is_nil(locked:read("a"))
    end)

    local cases = {
      { "nobody to read", { read = false }, "read", { "a" } },
      { "nobody to write", { write = false }, "write", { "a", "1" } },
      { "nobody to delete in", { write = false }, "delete", { "a" } },
    }
    for _, case in ipairs(cases) do
      local behaviour, permission, method, arguments = table.unpack(case)
      it("refuses with unauthorized: " .. behaviour, function()
        permission.store = chains.store "memory"
        local chain = chains.open { permission }
        refused("unauthorized", "none of the chain's stores", chain[method](chain,
          table.unpack(arguments)))
      end)
    end
  end)

  describe("in a call with scopes", function()
    it("does not ask those outside, and does not doubt for their sake", function()
      local near = chains.store "memory"
      local far = chains.faulty({ reads = "io" }, "remote")
      local chain = chains.open { near, far }
      refused("unavailable", "io", chain:read("a"))
      refused("not_found", "a", chain:read("a", { scopes = { "local" } }))
      refused("unavailable", "io", chain:read("a", { scopes = { "remote" } }))
      refused("not_found", "a", chain:read("a", { scopes = { "cluster" } }))
    end)
  end)

  describe("whose members are given scopes", function()
    local chain, near, far, directory

    before_each(function()
      near, directory = chains.store("memory"), chains.directory()
      far = chains.kept(cairn.open("fs:" .. directory .. "/far"))
      chain = chains.open {
        { store = near, name = "near" }, { store = far, name = "far", scope = "remote" },
      }
    end)

    it("believes them rather than the backend", function()
      assert.equal("local", chains.member(chain, "near").scope)
      assert.equal("remote", chains.member(chain, "far").scope)
      assert.same({ "far" }, { chain:scope("remote"):members()[1].name })
      assert.equal("far", chain:sort({ "remote", "local" }):members()[1].name)
      assert(far:write("x", "1"))
      assert.equal("1", chain:read("x", { scopes = { "remote" } }))
      refused("not_found", "x", chain:read("x", { scopes = { "local" } }))
    end)

    it("writes, lists, links and deletes within a call's scopes, and explains it", function()
      local there = { scopes = { "remote" }, timeout = 60000 }
      assert(chain:write("g/x", "1", there))
      assert(chain:link("g/x", "l", there))
      assert(chain:group("h", there))
      assert.equal("1", far:read("l"))
      assert.equal("composite", far:type("h"))
      refused("not_found", "x", near:read("g/x"))
      local names, steps = {}, {}
      local options = { scopes = { "remote" }, timeout = 60000, explain = steps, from = "a" }
      local function list()
        for name in assert(chain:list("g", options)) do
          collectgarbage()
          names[#names + 1] = name
        end
      end
      list()
      assert.same({ "x" }, names)
      assert.equal("decide chain", steps[1].operation)
      assert.equal("list", steps[2].operation)
      steps = {}
      assert(chain:delete("g/x", { scopes = { "remote" }, explain = steps }))
      assert.equal("delete fs:" .. directory .. "/far ok", chains.told(steps)[2])
      refused("not_found", "x", far:read("g/x"))
    end)

    it("names why a store refused a change in the step", function()
      local place = require "spec.support.place"
      local steps = {}
      place.remove(directory .. "/far")
      refused("unavailable", "far",
        chain:write("x", "1", { scopes = { "remote" }, explain = steps }))
      assert.equal("unavailable", steps[2].status)
      assert.matches("the store's directory is gone", steps[2].detail, 1, true)
    end)

    it("is not opened with one that is none", function()
      assert.error_matches(function() cairn.chain { { store = near, scope = "far" } } end,
        "members%[1%]: scope: one of local, remote, cluster expected")
    end)
  end)

  describe("across which links lead", function()
    local first, second, third, chain
    before_each(function()
      first, second, third = chains.store "memory", chains.store "fs", chains.store "rocksdb"
      chain = chains.open { first, second, third }
    end)

    it("follows what dangles in one store in the next", function()
      assert(first:link("data/x", "name"))
      assert(third:write("data/x", "value"))
      assert.same({ "value", "rocksdb" }, { chain:read("name") })
      assert.same({ "simple", "rocksdb" }, { chain:type("name") })
      assert.same({ "data/x", "rocksdb" }, { chain:resolve("name") })
    end)

    it("follows it also in a store before", function()
      assert(second:link("data/x", "name"))
      assert(first:write("data/x", "value"))
      assert.same({ "value", "memory" }, { chain:read("name") })
    end)

    it("follows from store to store to store, and in the middle of a path", function()
      assert(first:link("two", "one"))
      assert(second:link("three/deep", "two"))
      assert(third:write("three/deep/x/y", "value"))
      assert.same({ "value", "rocksdb" }, { chain:read("one/x/y") })
      assert.equal("y=simple", listed(chain, "one/x"))
      assert.same({ "three/deep/x/y", "rocksdb" }, { chain:resolve("one/x/y") })
      assert.equal(5, chain:stat("one/x/y").size)
    end)

    it("refuses a cycle through several stores", function()
      assert(first:link("b", "a"))
      assert(second:link("a", "b"))
      refused("link_loop", "a", chain:read("a"))
      refused("link_loop", "a", chain:type("a"))
    end)

    it("says where what is nowhere would be", function()
      assert(first:link("data/x", "name"))
      refused("not_found", "name", chain:read("name"))
      assert.same({ "data/x/y" }, { chain:resolve("name/y") })
    end)
  end)

  describe("narrowed", function()
    local chain
    before_each(function()
      chain = chains.open {
        { store = chains.store "memory", name = "near" },
        { store = chains.faulty({}, "remote"), name = "far" },
        { store = chains.faulty({}, "cluster"), name = "wide" },
        { store = chains.store "fs", name = "disk" },
      }
    end)

    local cases = {
      { "to a scope", function(it_) return it_:scope("remote") end, "far" },
      { "to several scopes", function(it_) return it_:scope("cluster", "local") end,
        "near wide disk" },
      { "by a predicate",
        function(it_) return it_:filter(function(member) return member.backend == "fs" end) end,
        "disk" },
      { "to nothing", function(it_) return it_:filter(function() return false end) end, "" },
      { "twice", function(it_) return it_:scope("local"):sort({ "local" }) end, "near disk" },
    }
    for _, case in ipairs(cases) do
      local behaviour, narrow, expected = table.unpack(case)
      it("has the members that are left: " .. behaviour, function()
        assert.equal(expected, names_of(chains.kept(narrow(chain))))
      end)
    end

    local sorted = {
      { "by scopes, the preferred first", { "remote", "local" }, "far near disk wide" },
      { "by scores, the highest first", { cluster = 2, remote = 1.5 }, "wide far near disk" },
      { "behind those without a score", { ["local"] = -1 }, "far wide near disk" },
      { "not at all", {}, "near far wide disk" },
    }
    for _, case in ipairs(sorted) do
      local behaviour, preference, expected = table.unpack(case)
      it("has them sorted " .. behaviour, function()
        assert.equal(expected, names_of(chains.kept(chain:sort(preference))))
      end)
    end

    it("answers by itself, and lives on when the first is closed", function()
      assert(chain:write("a", "1"))
      local disk = chains.kept(chain:filter(function(member) return member.name == "disk" end))
      chain:close()
      refused("not_found", "a", disk:read("a"))
      assert(disk:write("a", "2"))
      assert.same({ "2", "disk" }, { disk:read("a") })
      assert.equal("cairn.Chain (disk)", tostring(disk))
      local nobody = chains.kept(disk:filter(function() return false end))
      refused("not_found", "a", nobody:read("a"))
      refused("unauthorized", "a", nobody:write("a", "1"))
    end)

    it("raises what the predicate raises", function()
      assert.error_matches(function() chain:filter(function() error("no", 0) end) end, "^no$")
    end)
  end)

  it("explains each step of a call", function()
    local near, far = chains.store "memory", chains.store "memory"
    local chain = chains.open { { store = near, name = "near" }, { store = far, name = "far" } }
    assert(far:write("a", "1"))
    local steps = {}
    assert(chain:read("a", { explain = steps }))
    assert.same({ "decide chain - ok", "get memory: not_found", "get memory: ok" },
      chains.told(steps))
    assert.matches("near", steps[1].detail, 1, true)
    assert.equal("a", steps[2].path)
  end)

  it("does not begin what there is no time for", function()
    local clock = cairn.clock(1000)
    local chain = chains.open({ chains.store "fs", chains.store "memory" }, nil, clock)
    refused("not_found", "a", chain:read("a", { timeout = 1 }))
    refused("timeout", "deadline", chain:read("a", { timeout = 0 }))
  end)

  describe("used by mistake", function()
    local cases = {
      { "no table", function() cairn.chain("memory:") end, "members: table expected" },
      { "no members", function() cairn.chain {} end, "1 to 16 expected" },
      { "too many", function()
        local many = {}
        for i = 1, 17 do many[i] = "memory:" end
        cairn.chain(many)
      end, "1 to 16 expected" },
      { "a number", function() cairn.chain { 1 } end, "members%[1%]: store, URL or table" },
      { "no store", function() cairn.chain { { name = "x" } } end, "members%[1%]: no store" },
      { "a strange option", function() cairn.chain { { store = "memory:", colour = 1 } } end,
        "no option 'colour'" },
      { "a flag that is none", function() cairn.chain { { store = "memory:", read = 1 } } end,
        "read: boolean expected" },
      { "a useless member",
        function() cairn.chain { { store = "memory:", read = false, write = false } } end,
        "neither read nor written" },
      { "an empty name", function() cairn.chain { { store = "memory:", name = "" } } end,
        "name: empty" },
      { "another object", function() cairn.chain { cairn.clock() } end, "a cairn.Store expected" },
      { "a strange scope",
        function() chains.open({ "memory:" }):scope("near") end, "one of local, remote" },
      { "a strange preference",
        function() chains.open({ "memory:" }):sort { ["local"] = "x" } end, "scores are numbers" },
      { "an unknown option of a call",
        function() chains.open({ "memory:" }):read("a", { speed = 1 }) end, "speed" },
    }
    for _, case in ipairs(cases) do
      local behaviour, call, message = table.unpack(case)
      it("raises: " .. behaviour, function() assert.error_matches(call, message) end)
    end

    it("raises for a closed store, and once it is closed itself", function()
      local store = chains.store "memory"
      local chain = chains.open { store }
      store:close() -- the chain has its own hold on it
      assert(chain:write("a", "1"))
      chain:close()
      chain:close()
      assert.error_matches(function() chain:read("a") end, "the chain is closed")
      assert.error_matches(function() chain:members() end, "the chain is closed")
      assert.error_matches(function() chains.open { store } end, "closed")
      assert.equal("cairn.Chain (closed)", tostring(chain))
    end)

    it("fails for a tier that is one of the other stores", function()
      local store = chains.store "fs"
      local again = chains.kept(cairn.open(store:url()))
      refused("invalid_argument", "same store", cairn.chain({
        { store = again, tier = true }, { store = store, name = "store" },
      }, { policies = false }))
    end)

    it("fails for a store that cannot be opened, and for two of one name", function()
      refused("invalid_argument", "nonsense", cairn.chain { "nonsense:x" })
      refused("invalid_argument", "same", cairn.chain({
        { store = "memory:", name = "same" }, { store = "memory:", name = "same" },
      }, { policies = false }))
    end)
  end)
end)
