--- One computation for many callers: step by step (spec/support/flights.c), and by many threads
--- at once (spec/support/flights_threads.c).

local place = require "spec.support.place"

local flights = assert(package.loadlib(place.build .. "/spec/flights.so", "luaopen_flights"))()
local actors = assert(package.loadlib(place.build .. "/spec/actors.so", "luaopen_actors"))()

local SLOW = os.getenv "CAIRN_PRELOAD" and 10 or 1

describe("a flight", function()
  local all
  before_each(function() all = assert(flights.open()) end)
  after_each(function() all:close() end)

  --- A leader's flight, and `count` who wait for it.
  local function with_waiters(count)
    local leader = actors.new()
    local role, flight = all:join("report", leader)
    assert.equal("leads", role)
    local waiters = {}
    for i = 1, count do
      local actor = actors.new()
      local waits, same = all:join("report", actor)
      assert.equal("waits", waits)
      waiters[i] = assert(same:wait(actor))
    end
    return flight, waiters, leader
  end

  --- What each was told, without the turns, which are checked to rise.
  local function all_told(waiters)
    local told, turn = {}, -1
    for i, waiter in ipairs(waiters) do
      told[i] = waiter:told()
      for _, landing in ipairs(told[i]) do
        assert.is_true(landing.turn > turn)
        turn, landing.turn = landing.turn, nil
      end
    end
    return told
  end

  it("is led by who comes first, and answers all who wait, in order", function()
    local flight, waiters, leader = with_waiters(3)
    assert.same({ name = "report", leader = leader, waiters = 3 }, flight:facts())
    assert.same({ {}, {}, {} }, all_told(waiters))
    assert.is_true(flight:land("ok", 42, 7))
    local answer = { { code = "ok", value = 42, detail = 7 } }
    assert.same({ answer, answer, answer }, all_told(waiters))
    assert.equal(0, flight:facts().waiters)
  end)

  it("may land without a value, or with a failure", function()
    local flight, waiters = with_waiters(1)
    assert.is_true(flight:land("ok"))
    assert.same({ { { code = "ok", detail = 0 } } }, all_told(waiters))
    local second, more = with_waiters(1)
    assert.is_true(second:land("timeout", nil, 3))
    local failure = { code = "timeout", message = "failed as told", detail = 3 }
    assert.same({ { failure } }, all_told(more))
  end)

  it("lands once; who waits after that is told the same at once", function()
    local flight, waiters = with_waiters(1)
    assert.is_true(flight:land("ok", 1))
    assert.is_false(flight:land("ok", 2))
    flight:abandon("too late")
    waiters[2] = assert(flight:wait(actors.new(), 1))
    local answer = { { code = "ok", value = 1, detail = 0 } }
    assert.same({ answer, answer }, all_told(waiters))
  end)

  it("leaves its name to the next when it has landed", function()
    local flight = with_waiters(0)
    flight:land("ok")
    assert.equal("leads", (all:join("report", actors.new())))
  end)

  it("is another one for another name", function()
    local led = {}
    for i = 1, 5000 do
      local role
      role, led[i] = all:join("name " .. i)
      assert.equal("leads", role)
    end
    for i = 1, 5000, 7 do assert.equal("waits", (all:join("name " .. i))) end
    assert.equal(5000, #all:each())
    local role, nameless = all:join ""
    assert.equal("leads", role)
    assert.equal("waits", (all:join "")) -- a name as good as any
    assert.equal("", nameless:facts().name)
    for _, flight in ipairs(led) do assert.is_true(flight:land "ok") end
    assert.equal(1, #all:each())
  end)

  it("tells all who wait that the leader died", function()
    local flight, waiters = with_waiters(2)
    flight:abandon("over its limit of memory")
    local answer = { { code = "leader_died", message = "over its limit of memory", detail = 0 } }
    assert.same({ answer, answer }, all_told(waiters))
    assert.is_false(flight:land("ok", 1))
  end)

  it("that all let go of is not in the way of the next", function()
    local _, flight = all:join("report", actors.new())
    flight:release()
    assert.same({}, all:each())
    assert.equal("leads", (all:join("report", actors.new())))
  end)

  it("tells those who wait now, and flies on", function()
    local flight, waiters = with_waiters(2)
    flight:notify("ok", 1)
    local half = { { code = "ok", value = 1, detail = 0 } }
    assert.same({ half, half }, all_told(waiters))
    assert.equal("waits", (all:join("report", actors.new())))
    waiters[3] = assert(flight:wait(actors.new()))
    flight:land("ok", 2)
    assert.same({ half, half, { { code = "ok", value = 2, detail = 0 } } }, all_told(waiters))
  end)

  it("does not tell who has left, whatever his place", function()
    for left = 1, 3 do
      local flight, waiters = with_waiters(3)
      assert.is_true(waiters[left]:leave())
      assert.is_false(waiters[left]:leave())
      assert.equal(2, flight:facts().waiters)
      waiters[4] = assert(flight:wait(actors.new()))
      flight:land("ok", 5)
      local told = all_told(waiters)
      for i = 1, 4 do assert.equal(i == left and 0 or 1, #told[i]) end
      assert.is_false(waiters[1]:leave())
    end
  end)

  it("lets only so many wait", function()
    local flight, waiters = with_waiters(2)
    local waiter, message, code = flight:wait(actors.new(), 2)
    assert.same({ nil, "limit" }, { waiter, code })
    assert.matches("too many wait already for: 'report'", message, 1, true)
    assert(flight:wait(actors.new(), 3))
    assert.is_true(waiters[1]:leave())
    assert(flight:wait(actors.new(), 3))
  end)

  it("is refused to who leads it already", function()
    local _, _, leader = with_waiters(0)
    local role, message, code = all:join("report", leader)
    assert.same({ nil, "infinite_recursion" }, { role, code })
    assert.matches("'report'", message, 1, true)
    assert.equal("waits", (all:join("report", 0)))
  end)

  it("is refused to who is waited for by its leader, over others", function()
    local a, b, c = actors.new(), actors.new(), actors.new()
    local _, led_by_a = all:join("a", a)
    local _, led_by_b = all:join("b", b)
    local _, led_by_c = all:join("c", c)
    local a_waits = assert(led_by_b:wait(a))
    local b_waits = assert(led_by_c:wait(b))
    local waiter, message, code = led_by_a:wait(c)
    assert.same({ nil, "infinite_recursion" }, { waiter, code })
    assert.matches("wait", message, 1, true)
    assert.equal(0, led_by_a:facts().waiters)
    assert.is_true(b_waits:leave()) -- nobody waits for c any more
    local c_waits = assert(led_by_a:wait(c))
    led_by_b:land("ok")
    led_by_a:land("ok")
    assert.equal(1, #a_waits:told())
    assert.equal(1, #c_waits:told())
  end)

  it("is seen with its waiters and its age", function()
    local before = os.time() * 1000
    local flight = with_waiters(2)
    local seen = all:each()
    assert.equal(1, #seen)
    assert.same({ "report", 2 }, { seen[1].name, seen[1].waiters })
    assert.is_true(seen[1].since_ms >= before and seen[1].since_ms <= before + 60000)
    flight:land("ok")
    assert.same({}, all:each())
  end)

  it("outlives the table in which it was made", function()
    local flight, waiters = with_waiters(1)
    all:close()
    assert.is_true(flight:land("ok", 9))
    assert.same({ { { code = "ok", value = 9, detail = 0 } } }, all_told(waiters))
  end)
end)

describe("a thread that waits for a flight", function()
  local all, flight
  before_each(function()
    local _
    all = assert(flights.open())
    _, flight = all:join("report", actors.new())
  end)
  after_each(function() all:close() end)

  it("gets what another thread lands", function()
    flight:land_after(20, "ok", 11)
    assert.same({ code = "ok", value = 11, detail = 0 }, flight:await {})
    assert.same({ code = "ok", value = 11, detail = 0 }, flight:await { most = 1 })
  end)

  it("gets a failure as its answer", function()
    flight:land_after(20, "corrupt")
    assert.same({ code = "corrupt", message = "failed as told", detail = 0 },
      flight:await { ms = 60000 })
  end)

  it("leaves at its deadline", function()
    local landing, message, code = flight:await { ms = 30 }
    assert.same({ nil, "timeout" }, { landing, code })
    assert.matches("deadline", message, 1, true)
    assert.equal(0, flight:facts().waiters)
  end)

  it("leaves when it is cancelled", function()
    local landing, message, code = flight:await { cancel_after = 30 }
    assert.same({ nil, "timeout" }, { landing, code })
    assert.matches("cancelled", message, 1, true)
    assert.equal(0, flight:facts().waiters)
  end)

  it("is refused as others are", function()
    local waiter = assert(flight:wait(actors.new()))
    assert.equal("limit", (select(3, flight:await { most = 1 })))
    assert.equal("infinite_recursion",
      (select(3, flight:await { actor = flight:facts().leader })))
    assert.is_true(waiter:leave())
  end)
end)

describe("flights that many threads share", function()
  it("have one leader, and answer ten thousand in order when it lands", function()
    local seen = flights.gather(8, 2000)
    assert.equal(16000, seen.waiting)
    assert.equal(16000, seen.answered)
    assert.equal(0, seen.wrong)
    assert.is_true(seen.took_ms < 100 * SLOW, seen.took_ms .. " ms")
  end)

  it("answer each caller once, who leads, leaves or dies ever so often", function()
    local seen = flights.exchange(8, 20000 // SLOW)
    assert.equal(0, seen.wrong)
    assert.equal(seen.asked, seen.led + seen.answered + seen.died + seen.left)
    assert.is_true(seen.led > 0 and seen.answered > 0)
  end)

  it("tell a waiter or let it leave, not both, not neither", function()
    local rounds = 4000 // SLOW
    local seen = flights.leave_or_land(rounds)
    assert.equal(0, seen.wrong)
    assert.equal(50 * rounds, seen.answered + seen.left)
  end)
end)
