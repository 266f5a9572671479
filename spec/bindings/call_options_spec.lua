--- The circumstances of a call: a clock that is moved by hand, a timeout, scopes, explanations.

local cairn = require "cairn"

describe("a clock", function()
  it("stands still until it is moved", function()
    local clock = cairn.clock(1000)
    assert.equal(1000, clock:now())
    assert.equal(1500, clock:advance(500))
    assert.equal(1500, clock:advance(0))
    assert.equal(1500, clock:now())
  end)

  it("begins now where nothing else is said", function()
    local before = cairn.now()
    local ms = cairn.clock():now()
    assert.is_true(before <= ms and ms <= cairn.now())
  end)

  it("never goes back, nor beyond its end", function()
    local clock = cairn.clock(5)
    local cases = {
      { function() clock:advance(-1) end, "ms: must be from 0" },
      { function() clock:advance(1.5) end, "ms: integer expected" },
      { function() clock:advance("1") end, "ms: integer expected, got string" },
      { function() clock:advance(math.maxinteger) end, "its last millisecond" },
      { function() clock.advance({}, 1) end, "cairn.Clock expected" },
      { function() cairn.clock(-1) end, "ms: must be from 0" },
      { function() cairn.clock "now" end, "ms: integer expected" },
    }
    for _, case in ipairs(cases) do
      local ok, message = pcall(case[1])
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
    end
    assert.equal(5, clock:now())
    assert.equal(math.maxinteger, clock:advance(math.maxinteger - 5))
  end)

  it("is one of cairn.clock where one is asked for", function()
    for _, wrong in ipairs { 5, "now", {}, io.stdout } do
      local ok, message = pcall(cairn.chain, { "memory:" }, { clock = wrong })
      assert.is_false(ok)
      assert.matches("a clock %(see cairn%.clock%) expected, got ", message)
    end
  end)
end)

describe("the options of a call", function()
  local function chain_at(ms)
    local clock = cairn.clock(ms)
    local chain = assert(cairn.chain({ "memory:" }, { clock = clock }))
    assert(chain:write("a", "value"))
    return chain, clock
  end

  it("may set a deadline, on the clock that the call believes", function()
    for _, ms in ipairs { 0, 1000, 4000000000000 } do
      local chain = chain_at(ms)
      assert.equal("value", (chain:read("a", { timeout = 1 })))
      assert.equal("value", (chain:read("a", { timeout = math.maxinteger })))
      local value, message, code = chain:read("a", { timeout = 0 })
      assert.is_nil(value)
      assert.equal("timeout", code, message)
    end
  end)

  it("are refused when they make no sense", function()
    local chain = chain_at(0)
    local cases = {
      { { timeout = -1 }, "options.timeout: must not be negative" },
      { { timeout = "1" }, "options.timeout: integer expected, got string" },
      { { timeout = 0.5 }, "options.timeout: integer expected" },
      { { scopes = "local" }, "options.scopes: list expected, got string" },
      { { scopes = {} }, "options.scopes: an empty list allows no store" },
      { { scopes = { "far" } }, "options.scopes: there is no scope 'far'" },
      { { scopes = { 1 } }, "options.scopes: scopes are strings, not number" },
      { { explain = true }, "options.explain: table expected, got boolean" },
      { { wait = 1 }, "options: there is no option 'wait'" },
    }
    for _, case in ipairs(cases) do
      local ok, message = pcall(chain.read, chain, "a", case[1])
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
    end
  end)

  it("may ask for what happened, which is appended", function()
    local chain = chain_at(1000)
    local steps = { "mine" }
    assert(chain:read("a", { explain = steps }))
    local first = #steps
    assert.is_nil((chain:read("b", { explain = steps })))
    assert.equal("mine", steps[1])
    assert.is_true(first >= 2 and #steps > first)

    local read, decided
    for i = 2, first do
      if steps[i].store then read = steps[i] end
      if steps[i].policy then decided = steps[i] end
    end
    assert.equal("ok", read.status)
    assert.equal("a", read.path)
    assert.matches("^memory:", read.store)
    assert.is_nil(read.remembered)
    assert.equal("decide chain", decided.operation)
    assert.is_boolean(decided.remembered)
    assert.is_boolean(decided.canary)
    assert.equal("not_found", steps[#steps].status)
  end)
end)
