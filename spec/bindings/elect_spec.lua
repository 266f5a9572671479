--- Which of several processes leads: leases on a store that they share.

local cairn = require "cairn"

local place = require "spec.support.place"
local workplace = require "spec.support.workplace"

for _, url in ipairs { "memory:", "fs:", "rocksdb:" } do
  describe("an election on " .. url, function()
    local here, cache, clock, one, other

    before_each(function()
      here = workplace.new()
      clock = cairn.clock(5000000)
      cache = assert(cairn.cache { store = url .. (url == "memory:" and ""
        or here.directory .. "/store") })
      one = here:open { loops = 1, cache = cache, clock = clock }
      other = here:open { loops = 1, cache = cache, clock = clock }
    end)
    after_each(function()
      here:close()
      cache:close()
    end)

    it("has one leader of a name", function()
      local lease = assert(one:elect("name", { lease = 1000 }))
      assert.equal("name", lease.name)
      assert.equal(1, lease.token)
      assert.is_true(lease:holds())
      local none, message, code = other:elect "name"
      assert.is_nil(none)
      assert.equal("conflict", code)
      assert.matches("'name'", message, 1, true)
      assert.equal(1, assert(other:elect "another name").token)
      assert.equal("conflict", select(3, one:elect "name"))
    end)

    it("is free again when its leader released it", function()
      local lease = assert(one:elect "name")
      assert.is_true(lease:release())
      assert.is_false(lease:holds())
      local next_one = assert(other:elect "name")
      assert.equal(2, next_one.token)
      assert.equal("conflict", select(3, lease:renew()))
      assert.equal("conflict", select(3, lease:release()))
      assert.is_true(next_one:holds())
      assert.is_true(next_one:renew())
    end)

    it("is free again when its lease has run out", function()
      local lease = assert(one:elect("name", { lease = 1000 }))
      clock:advance(900)
      assert.is_false(lease:holds())
      assert.equal("conflict", select(3, other:elect "name"))
      clock:advance(100)
      local next_one = assert(other:elect("name", { lease = 1000 }))
      assert.equal(2, next_one.token)
      assert.is_false(lease:holds())
      local none, message, code = lease:renew()
      assert.is_nil(none)
      assert.equal("conflict", code)
      assert.is_string(message)
      assert.is_true(next_one:holds())
    end)

    it("stays with who renews", function()
      local lease = assert(one:elect("name", { lease = 1000 }))
      for _ = 1, 10 do
        clock:advance(600)
        assert.is_true(lease:renew())
        assert.is_true(lease:holds())
        assert.equal("conflict", select(3, other:elect "name"))
      end
      assert.equal(1, lease.token)
      clock:advance(1000)
      assert.equal(2, assert(other:elect "name").token)
    end)

    it("goes on in the next term with who renews late, if nobody led meanwhile", function()
      local lease = assert(one:elect("name", { lease = 1000 }))
      clock:advance(5000)
      assert.is_true(lease:renew())
      assert.equal(2, lease.token)
      assert.is_true(lease:holds())
      assert.equal("conflict", select(3, other:elect "name"))
    end)

    it("stays with who was faster than one that renews late", function()
      local lease, faster = assert(one:elect("name", { lease = 1000 })), nil
      clock:advance(5000)
      local chain = lease.chain
      lease.chain = setmetatable({}, { __index = function(_, method)
        return function(_, ...)
          if method == "write" then faster = faster or assert(other:elect "name") end
          return chain[method](chain, ...)
        end
      end })
      for _ = 1, 2 do
        assert.equal("conflict", select(3, lease:renew()))
        assert.is_false(lease:holds())
      end
      assert.equal("conflict", select(3, lease:release()))
      assert.is_true(faster:renew())
    end)

    it("has tokens that only grow, and keeps few of them", function()
      for token = 1, 20 do
        local who = token % 2 == 0 and one or other
        local lease = assert(who:elect("name", { lease = 1000 }))
        assert.equal(token, lease.token)
        if token % 3 == 0 then lease:release() end
        clock:advance(1000)
      end
      local count = 0
      for _ in cache.chain:list("~leaders/" .. cairn.id "name") do count = count + 1 end
      assert.is_true(count <= 3, count)
    end)
  end)
end

describe("an election behind tiers", function()
  local here, clock

  before_each(function()
    here, clock = workplace.new(), cairn.clock(5000000)
  end)
  after_each(function() here:close() end)

  local function process()
    return here:open { loops = 1, clock = clock, cache = assert(cairn.cache { stores = {
      { store = "memory:" .. math.random(1 << 40), tier = true },
      { store = "fs:" .. here.directory .. "/store" },
    } }) }
  end

  it("is not decided by what a tier has of a lease", function()
    local one, other = process(), process()
    local lease = assert(one:elect("name", { lease = 1000 }))
    assert.equal("conflict", select(3, other:elect "name"))
    clock:advance(800)
    assert.is_true(lease:renew())
    clock:advance(500)
    assert.equal("conflict", select(3, other:elect "name"))
  end)
end)

describe("an election", function()
  local here

  before_each(function() here = workplace.new() end)
  after_each(function() here:close() end)

  it("has one leader at a time among processes that are killed", function()
    local store, script = "fs:" .. here.directory .. "/store", here.directory .. "/leads.lua"
    -- Each leader writes down its token, and that nobody else's came in between.
    place.put(script, [[
      local cairn = require "cairn"
      local cache <close> = assert(cairn.cache { store = arg[1] })
      local workers <close> = assert(cairn.workers { cache = cache, control = false, loops = 1 })
      local lease
      repeat
        local code
        lease, _, code = workers:elect("name", { lease = 400 })
        if not lease then assert(code == "conflict", code) cairn.sleep(5) end
      until lease
      print("leads", lease.token)
      io.stdout:flush()
      while true do
        if not lease:holds() then assert(lease:renew()) end
        if lease:holds() then
          local file <close> = assert(io.open(arg[2], "a"))
          file:write(("%016d\n"):format(lease.token))
        end
        cairn.sleep(1)
        if lease.now() > lease.ends - 250 then assert(lease:renew()) end
      end
    ]])
    local written = here.directory .. "/written"
    local function lead()
      return place.start { place.build .. "/cairn", "run", script, store, written }
    end
    local processes = { lead(), lead(), lead() }
    for _ = 1, 5 do
      local leader
      workplace.eventually(function()
        for i, process in ipairs(processes) do
          pcall(place.until_said, process, "leads", 0.02)
          assert.equal("", process.err)
          if process.out:find "leads" then leader = i end
        end
        return leader
      end)
      place.signal(processes[leader], "sigkill")
      place.wait(processes[leader])
      processes[leader] = lead()
    end
    for _, process in ipairs(processes) do
      place.signal(process, "sigkill")
      place.wait(process)
      assert.equal("", process.err)
    end
    local last = 0
    for token in place.content(written):gmatch("%d+") do
      assert.is_true(tonumber(token) >= last, token .. " after " .. last)
      last = tonumber(token)
    end
    assert.is_true(last >= 5)
  end)
end)
