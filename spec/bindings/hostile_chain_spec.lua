--- Finalizers and functions that close a chain, or use it, in the middle of a call on it. Each call
--- answers rightly or raises; under AddressSanitizer nothing is touched that is gone.

local cairn = require "cairn"

--- The collector at its most eager while `body` runs, then as it was.
local function eagerly(body)
  collectgarbage("incremental", 1, 1000, 1)
  local ok, raised = pcall(body)
  collectgarbage("incremental", 200, 100, 13)
  collectgarbage("generational")
  assert(ok, raised)
end

--- Garbage whose finalizer runs `action` within one of the next allocations.
local function trash(action) setmetatable({}, { __gc = action }) end

local function open(clock)
  local chain = assert(cairn.chain(
    { { store = "memory:", tier = true, name = "tier" }, "memory:" },
    { policies = false, clock = clock }))
  assert(chain:write("a", ("v"):rep(100), { metadata = { k = ("m"):rep(100) } }))
  assert(chain:write("g/x", "1"))
  return chain
end

local function everything() return true end

describe("finalizers in the middle of a call on a chain", function()
  local calls = {
    read = { { "a", {} } }, type = { { "a" } }, resolve = { { "a" } }, stat = { { "a" } },
    list = { { "g" } }, write = { { "b" }, "v", { metadata = { k = 1 } } },
    group = { { "h" } }, link = { { "a" }, { "l" } }, delete = { { "g" }, { recursive = true } },
    members = {}, filter = { everything }, scope = { "local" }, sort = { { "remote" } },
    sync = {}, reset = {},
  }
  for name, arguments in pairs(calls) do
    it("may close it: " .. name, function()
      eagerly(function()
        for _ = 1, 60 do
          local chain = open(cairn.clock(1000))
          for _ = 1, 3 do trash(function() chain:close() end) end
          local ok, raised = pcall(chain[name], chain, table.unpack(arguments))
          assert(ok or raised:find("the chain is closed", 1, true), raised)
          chain:close()
        end
      end)
    end)
  end

  it("may close it while a call is explained", function()
    eagerly(function()
      for _ = 1, 200 do
        local chain, steps = open(cairn.clock(1000)), {}
        for _ = 1, 3 do trash(function() chain:close() end) end
        local ok, raised = pcall(chain.read, chain, "a", { explain = steps, timeout = 1000 })
        assert(ok or raised:find("the chain is closed", 1, true), raised)
        chain:close()
      end
    end)
  end)

  it("may read what is being read", function()
    local chain <close> = open()
    local large = ("v"):rep(100000)
    assert(chain:write("v", large))
    eagerly(function()
      for _ = 1, 500 do
        trash(function() chain:read("v") chain:read("missing") end)
        assert.is_true(chain:read("v") == large)
      end
    end)
  end)

  it("may close it while it is listed", function()
    eagerly(function()
      for _ = 1, 50 do
        local chain = open()
        local names = {}
        for listed in assert(chain:list("")) do
          trash(function() chain:close() end)
          names[#names + 1] = listed
        end
        assert.same({ "a", "g" }, names)
        chain:close()
      end
    end)
  end)
end)

describe("a predicate", function()
  it("may close the chain that is filtered", function()
    local chain = open()
    local narrow <close> = chain:filter(function()
      chain:close()
      return true
    end)
    assert.equal(("v"):rep(100), (narrow:read("a")))
  end)

  it("may make the members of another", function()
    local chain <close> = open()
    local narrow <close> = chain:filter(function(member)
      local other <close> = chain:filter(function(one) return one.name == member.name end)
      return #other:members() == 1 and member.tier
    end)
    assert.equal("cairn.Chain (tier)", tostring(narrow))
  end)
end)
