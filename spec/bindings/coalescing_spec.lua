--- One computation for all who ask at the same time: workers, coroutines and plain callers.

local cairn = require "cairn"

local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

-- Resolves as its request says, with a computation that first waits at a gate, if it names one.
local RESOLVER = [[
local cairn = require "cairn"

local function pass(gate)
  local workers = cairn.workers()
  local role, leader = workers:find_or_register("", "", { group = gate })
  if role == "wait" then return workers:await(leader, "", "") end
  workers:unregister_notify(leader, "", "open")
end

local ends = {}

function ends.answer(request) return { n = 1, of = request.path, big = request.big } end
function ends.aging()
  return { ["cache-control"] = "store, max-age=60, stale-while-revalidate=60" }
end
function ends.raise() error("broken", 0) end
function ends.wrong() return 42 end
function ends.refuse() return nil, "the source is away", "unauthorized" end
function ends.loop() while true do end end

local resolver = {}

local function resolve(request, context)
  local answer, info, code, of_failure = context.cache:resolve(request.base or { a = "1" },
    { path = request.path }, function()
      if request.gate then pass(request.gate) end
      if request.inner then return { inner = resolve(request.inner, context) } end
      return ends[request.ends or "answer"](request)
    end, request.options)
  if answer == nil then
    return { message = info, code = code, status = of_failure and of_failure.status }
  end
  return { answer = answer, cache = info.cache, coalesced = info.coalesced, stored = info.stored }
end

-- { last = true } asks what the one before came to.
function resolver.handle(state, request, context)
  if request.last then return state.last end
  local run = request.inner_coroutine and coroutine.wrap(resolve) or resolve
  state.last = run(request, context)
  return state.last
end

return resolver
]]

local ALWAYS = { cache_control = "always" }

describe("computing once for all", function()
  local here, store, cache, workers, count

  before_each(function()
    here = workplace.new()
    here:handler("resolver", RESOLVER)
    store = assert(cairn.open "memory:")
    cache = assert(cairn.cache { store = store })
    workers = here:open { cache = cache }
    count = 0
  end)
  after_each(function()
    here:close()
    cache:close()
    store:close()
  end)

  local function resolver(options)
    count = count + 1
    local all = { handler = "resolver", static = true, timeout = 0, group = "r" .. count }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert(workers:worker(all))
  end

  --- Workers that were sent the same request, of which one stands before its gate and the others
  --- wait for it.
  local function meet(number, request, options)
    local all = {}
    for i = 1, number do
      all[i] = resolver(options)
      assert(all[i]:send(request))
    end
    eventually(function() return cache:stats().coalesced == number - 1 end, "those who wait")
    for _, one in ipairs(all) do until_state(one, "waiting") end
    return all
  end

  local function mine(path, options, compute)
    return cache:resolve({ a = "1" }, { path = path }, compute or function() return "mine" end,
      options)
  end

  local function last(worker)
    until_state(worker, "idle")
    return worker:ask { last = true }
  end

  for _, case in ipairs {
    { "keep what is computed", ALWAYS, "miss", true },
    { "neither look up nor keep", nil, "bypass", false },
  } do
    local what, options, outcome, stored = table.unpack(case, 1, 4)
    it("serves hundreds of workers who " .. what, function()
      local open = workplace.gate(workers, "gate")
      local big, coalesced = ("x"):rep(100000), 0
      local all = meet(200, { path = "k", gate = "gate", big = big, options = options })
      open()
      for _, one in ipairs(all) do
        local told = last(one)
        assert.same({ n = 1, of = "k", big = big }, told.answer)
        assert.equal(outcome, told.cache)
        assert.equal(stored, told.stored)
        if told.coalesced then coalesced = coalesced + 1 end
      end
      assert.equal(199, coalesced)
      local stats = cache:stats()
      assert.equal(1, stats.computed)
      assert.equal(199, stats.coalesced)
      assert.equal(stored and 1 or 0, stats.stored)
      assert.equal(stored and "hit" or "bypass", select(2, mine("k", options)).cache)
    end)
  end

  it("blocks a plain caller until a worker has computed", function()
    here:handler("sleeper", [[
      local cairn = require "cairn"
      return { handle = function(_, request, context)
        return context.cache:resolve({ a = "1" }, { path = "k" }, function()
          cairn.sleep(request.ms)
          return { big = ("x"):rep(100000), list = { 1, 2, 3 } }
        end)
      end }
    ]])
    local slow = assert(workers:worker { handler = "sleeper", group = "slow", static = true })
    slow:send { ms = 100 }
    until_state(slow, "waiting")
    local answer, info = mine "k"
    assert.equal(100000, #answer.big)
    assert.same({ 1, 2, 3 }, { table.unpack(answer.list) })
    assert.equal("bypass", info.cache)
    assert.is_true(info.coalesced)
    assert.equal("cairn; fwd=bypass; collapsed", info.cache_status)
    assert.equal(200, info.status)
    assert.equal(1, cache:stats().computed)
    assert.is_nil(resolver():ask({ path = "k" }).coalesced)
  end)

  for _, case in ipairs {
    { "fails", "refuse", "unauthorized", 403, "the source is away" },
    { "raises", "raise", "leader_died", 503, "the computation raised: broken" },
    { "gives what is no message", "wrong", "leader_died", 503, "returned a number" },
    { "never ends, and its worker is ended", "loop", "leader_died", 503, "it is gone" },
  } do
    local what, ending, code, status, message = table.unpack(case)
    it("tells all when it " .. what, function()
      local open = workplace.gate(workers, "gate")
      local request = { path = "k", gate = "gate", ends = ending }
      local leader = resolver { steps = 10000000 }
      leader:send(request)
      until_state(leader, "waiting")
      local waiters = {}
      for i = 1, 5 do
        waiters[i] = resolver()
        waiters[i]:send(request)
        until_state(waiters[i], "waiting")
      end
      open()
      for _, waiter in ipairs(waiters) do
        local told = last(waiter)
        assert.is_nil(told.answer)
        assert.equal(code, told.code)
        assert.equal(status, told.status)
        assert.matches(message, told.message, 1, true)
      end
      assert.equal(1, cache:stats().computed)
    end)
  end

  it("tells those who wait at once when the worker that computes is killed", function()
    workplace.gate(workers, "gate")
    local leader, waiter = resolver(), resolver()
    leader:send { path = "k", gate = "gate" }
    until_state(leader, "waiting")
    waiter:send { path = "k", gate = "gate" }
    until_state(waiter, "waiting")
    leader:kill "enough"
    local told = last(waiter)
    assert.equal("leader_died", told.code)
    assert.matches("who computed it is gone", told.message)
    assert.equal("mine", (mine "k"))
    assert.equal(2, cache:stats().computed)
  end)

  it("lets a worker go that waits and is killed", function()
    local open = workplace.gate(workers, "gate")
    local leader, one, other = resolver(), resolver(), resolver()
    for _, worker in ipairs { leader, one, other } do
      worker:send { path = "k", gate = "gate" }
      until_state(worker, "waiting")
    end
    one:kill "enough"
    until_state(one, "ended")
    open()
    assert.equal(1, last(leader).answer.n)
    assert.is_true(last(other).coalesced)
    assert.equal(1, cache:stats().computed)
  end)

  it("lets a worker give up at its deadline, and refuses those beyond a bound", function()
    local open = workplace.gate(workers, "gate")
    meet(3, { path = "k", gate = "gate" })
    local other = resolver()
    local answer = other:ask { path = "k", options = { timeout = 20 } }
    assert.equal("timeout", answer.code)
    assert.equal(504, answer.status)
    answer = other:ask { path = "k", options = { max_waiters = 2 } }
    assert.equal("limit", answer.code)
    assert.matches("wait already", answer.message)
    assert.equal("limit", select(3, mine("k", { max_waiters = 2 })))
    open()
  end)

  it("computes alone for who says so", function()
    local open = workplace.gate(workers, "gate")
    local leader = resolver()
    leader:send { path = "k", gate = "gate" }
    until_state(leader, "waiting")
    local answer, info = mine("k", { coalesce = false })
    assert.equal("mine", answer)
    assert.is_nil(info.coalesced)
    assert.equal(1, resolver():ask({ path = "k", options = { coalesce = false } }).answer.n)
    open()
  end)

  it("keeps apart what has another base or another request", function()
    local open = workplace.gate(workers, "gate")
    local requests = { { path = "k" }, { path = "l" }, { path = "k", base = { b = "2" } } }
    for _, request in ipairs(requests) do
      request.gate = "gate"
      local one = resolver()
      one:send(request)
      until_state(one, "waiting")
    end
    assert.equal(3, cache:stats().computed)
    assert.equal(0, cache:stats().coalesced)
    open()
  end)

  it("refuses a computation that asks for its own result, directly or in a ring", function()
    local answer = resolver():ask { path = "k", inner = { path = "k" } }
    assert.equal("infinite_recursion", answer.answer.inner.code)
    assert.equal(508, answer.answer.inner.status)
    local open = workplace.gate(workers, "gate")
    local one, two = resolver(), resolver()
    one:send { path = "x", gate = "gate", inner = { path = "y" } }
    two:send { path = "y", gate = "gate", inner = { path = "x" } }
    until_state(one, "waiting")
    until_state(two, "waiting")
    open()
    local inner = { last(one).answer.inner, last(two).answer.inner }
    assert.is_true(inner[1].code == "infinite_recursion" or inner[2].code == "infinite_recursion")
    assert.equal(3, cache:stats().computed)
  end)

  it("computes afresh by itself what a worker was answered stale", function()
    local clock = cairn.clock(1767225600000)
    local aging = assert(cairn.cache { store = store, clock = clock })
    local others = here:open { cache = aging }
    local one = assert(others:worker { handler = "resolver", static = true, group = "one" })
    local request = { path = "k", ends = "aging", options = { cache_control = "cache" } }
    assert.equal("miss", one:ask(request).cache)
    clock:advance(70000)
    assert.equal("stale", one:ask(request).cache)
    eventually(function() return aging:stats().stored == 2 end, "what is fresh")
    assert.equal("hit", one:ask(request).cache)
    assert.equal(2, aging:stats().computed)
    others:close()
    aging:close()
  end)

  it("works within a coroutine of a worker", function()
    local open = workplace.gate(workers, "gate")
    local leader, waiter = resolver(), resolver()
    leader:send { path = "k", gate = "gate", inner_coroutine = true }
    until_state(leader, "waiting")
    waiter:send { path = "k", gate = "gate", inner_coroutine = true }
    until_state(waiter, "waiting")
    open()
    assert.is_true(last(waiter).coalesced)
    assert.equal(1, last(leader).answer.n)
    assert.equal(1, cache:stats().computed)
  end)

  it("leaves the loop where a member of the chain is not here", function()
    local far = assert(cairn.chain({ { store = store, scope = "remote" } }))
    local distant = assert(cairn.cache { store = far, store_scope = "remote" })
    local others = here:open { cache = distant }
    local open = workplace.gate(others, "gate")
    local all = {}
    for i = 1, 20 do
      all[i] = assert(others:worker { handler = "resolver", static = true, group = "f" .. i })
      all[i]:send { path = "k", gate = "gate", big = ("x"):rep(70000), options = ALWAYS }
    end
    eventually(function() return distant:stats().coalesced == 19 end, "those who wait")
    open()
    for _, one in ipairs(all) do assert.equal(70000, #last(one).answer.big) end
    assert.equal(1, distant:stats().computed)
    assert.equal("hit", all[1]:ask({ path = "k", options = ALWAYS }).cache)
    local recursion = all[2]:ask { path = "l", inner = { path = "l" } }
    assert.equal("infinite_recursion", recursion.answer.inner.code)
    local lost = all[3]:ask { path = "m", ends = "raise", options = ALWAYS }
    assert.is_nil(lost)
    others:close()
    distant:close()
    far:close()
  end)

  it("lets a computation of a plain program yield to its own coroutines", function()
    local one = coroutine.create(function()
      return mine("k", ALWAYS, function() return coroutine.yield "half way" end)
    end)
    assert.equal("half way", select(2, coroutine.resume(one)))
    local _, _, code = mine("k", ALWAYS) -- the same thread: it would wait for itself
    assert.equal("infinite_recursion", code)
    local ok, answer, info = coroutine.resume(one, { n = 2 })
    assert.is_true(ok)
    assert.same({ n = 2 }, answer)
    assert.is_true(info.stored)
    assert.equal("hit", select(2, mine("k", ALWAYS)).cache)
  end)

  it("forgets a computation whose coroutine was closed or collected", function()
    for _, forget in ipairs { coroutine.close, function() end } do
      local one = coroutine.create(function() return mine("k", nil, coroutine.yield) end)
      coroutine.resume(one)
      forget(one)
      one = nil
      collectgarbage()
      collectgarbage()
      assert.is_nil(one)
      assert.equal("mine", (mine "k"))
    end
  end)

  it("raises for options that cannot be", function()
    for option, value in pairs { max_waiters = 0, coalesce = "yes" } do
      assert.error_matches(function() mine("k", { [option] = value }) end, option)
    end
  end)
end)
