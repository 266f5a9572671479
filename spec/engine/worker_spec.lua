--- What workers promise those who ask them, and who ends them: spec/support/workers.c makes workers
--- that do what a request says. Real loops; where time is told, a clock moved by hand.

local workers = require "spec.workers"

describe("a worker", function()
  local world

  local function open(options)
    world = workers.open(options or { loops = 1 })
    return world
  end

  after_each(function()
    if world then
      pcall(world.let_go, world)
      pcall(world.close, world, 0)
    end
    world = nil
    collectgarbage()
  end)

  local function start(group, options) return (assert(world:start(group, options))) end

  --- Until `condition` holds; what it returns.
  local function until_so(condition)
    for _ = 1, 2000 do
      local so = condition()
      if so then return so end
      os.execute("sleep 0.01")
    end
    error("it never was so")
  end

  local function until_state(worker, state)
    return until_so(function() return worker:facts().state == state end)
  end

  --- Its loop runs it, and nothing else until world:let_go().
  local function held(worker)
    world:let_go(false)
    local ticket = assert(worker:post("hold"))
    assert.is_true(world:held(1))
    return ticket
  end

  local function answer(ticket)
    local word, message, _, times = ticket:await()
    assert.equal(1, times)
    return word, message
  end

  -- -- Requests ----------------------------------------------------------------------------

  it("answers requests one after another, in their order", function()
    open()
    local one, tickets = start("one"), {}
    for i = 1, 200 do tickets[i] = one:post(i % 7 == 0 and "turns 3" or "echo " .. i) end
    for i = 1, 200 do
      assert.same({ "ok", i % 7 == 0 and "" or tostring(i) }, { answer(tickets[i]) })
    end
    local served = {}
    for _, line in ipairs(world:log()) do
      local i = line:match("echo (%d+)")
      if i then served[#served + 1] = tonumber(i) end
    end
    for i = 2, #served do assert.is_true(served[i - 1] < served[i]) end
    assert.equal(200 - 28, #served)
  end)

  it("takes as many as its queue has room for, besides the one under way", function()
    open()
    local one = start("one", { queue = 3 })
    local first = held(one)
    local waiting = { one:post("echo 1"), one:post("echo 2"), one:post("echo 3") }
    assert.equal(3, one:facts().queue)
    local refused, message, code = one:post("echo 4")
    assert.same({ nil, "limit" }, { refused, code })
    assert.matches("the worker 'one' has as many", message, 1, true)
    world:let_go()
    for _, ticket in ipairs { first, table.unpack(waiting) } do
      assert.equal("ok", (answer(ticket)))
    end
    assert.is_truthy(one:post("echo 5"))
    assert.equal(1, world:counts().full)
  end)

  it("goes on after a wake, also one that came before it waited", function()
    open()
    local one = start("one")
    local ticket = one:post("wait")
    assert.is_nil(ticket:await(20))
    assert.equal("waiting", one:facts().state)
    one:wake()
    assert.equal("ok", (answer(ticket)))
    assert.equal("ok", (answer(one:post("eager"))))
    one:wake() -- of no turn: the next one waits all the same
    local other = one:post("wait")
    assert.is_nil(other:await(20))
    one:wake()
    assert.equal("ok", (answer(other)))
  end)

  it("lets others of its loop have their turns when it has used up its own", function()
    open()
    local a, b, c = start("a"), start("b"), start("gate")
    local first = held(c)
    local one, two = a:post("turns 20"), b:post("turns 20")
    world:let_go()
    answer(first)
    answer(one)
    answer(two)
    local row, last, longest = 0, nil, 0
    for _, line in ipairs(world:log()) do
      local group = line:match("^([ab]) again")
      if group then
        row = group == last and row + 1 or 1
        last, longest = group, math.max(longest, row)
      end
    end
    assert.is_true(longest <= 2, longest .. " turns in a row")
  end)

  it("answers whom it serves for, whatever its kind forgets", function()
    open()
    local one = start("one")
    local word, message = answer(one:post("mute"))
    assert.equal("leader_died", word)
    assert.matches("'one' had its turn and did not answer", message, 1, true)
    assert.equal("ok", (answer(one:post("echo"))))
  end)

  -- -- Rings -------------------------------------------------------------------------------

  local rings = {
    { "itself", "ask a echo" },
    { "one that asks it", "ask b ask a echo" },
    { "one over two others", "ask b ask c ask a echo" },
    { "one in a ring it is not part of", "ask b ask c ask b echo" },
  }
  for _, case in ipairs(rings) do
    it("that asks " .. case[1] .. " is told at once", function()
      open { loops = 2 }
      local a = start("a")
      start("b")
      start("c")
      assert.equal("infinite_recursion", (answer(a:post(case[2], true))))
      assert.equal(1, world:counts().rings)
      assert.equal("ok", (answer(a:post("ask b ask c echo", true))))
    end)
  end

  it("may send to itself, and to who asks it", function()
    open()
    local a = start("a")
    start("b")
    assert.equal("ok", (answer(a:post("send a echo", true))))
    assert.equal("ok", (answer(a:post("ask b send a echo", true))))
    assert.equal(0, world:counts().rings)
  end)

  it("is told if what waits for it is forwarded to whom it asks", function()
    open { loops = 1 }
    local a, b, c = start("a"), start("b"), start("c")
    local asked = a:post("ask b ask c wait", true)
    until_state(c, "waiting")
    -- c waits; so b waits for c, a for b. What b would have to wait for goes to a.
    local lost = start("d"):post("ask c echo", true)
    until_so(function() return c:facts().queue == 1 end)
    assert.equal(1, c:forward(start("d")))
    assert.equal("infinite_recursion", (answer(lost)))
    c:wake()
    assert.equal("ok", (answer(asked)))
    assert.equal("ok", (answer(b:post("echo"))))
  end)

  -- -- Groups ------------------------------------------------------------------------------

  it("is one for its group", function()
    open()
    local one, made = world:start("one", { label = "first" })
    assert.is_true(made)
    local again, made_again = world:start("one", { label = "second" })
    assert.is_false(made_again)
    assert.equal(one:facts().actor, again:facts().actor)
    assert.equal("first", again:facts().label)
    assert.equal(one:facts().actor, world:find("one"):facts().actor)
    assert.is_nil(world:find("two"))
    assert.equal(1, world:counts().started)
  end)

  it("has a group of 1 to 1,024 bytes", function()
    open()
    for _, group in ipairs { "", ("x"):rep(1025) } do
      assert.equal("invalid_argument", select(3, world:start(group)))
    end
    assert.is_truthy(world:start(("x"):rep(1024)))
    assert.equal(0, world:close(100))
  end)

  it("moves to a group that nobody has", function()
    open { loops = 2 }
    local one = start("one")
    local loop = one:facts().loop
    start("taken")
    assert.same({ "ok", "taken" }, { answer(one:post("move taken")) })
    for i = 1, 50 do assert.same({ "ok", "moved" }, { answer(one:post("move place " .. i)) }) end
    assert.same({ "ok", "moved" }, { answer(one:post("move place 50")) })
    assert.is_nil(world:find("one"))
    assert.is_nil(world:find("place 49"))
    assert.equal(one:facts().actor, world:find("place 50"):facts().actor)
    assert.equal("place 50", one:facts().group)
    assert.equal(loop, one:facts().loop)
    assert.is_true(select(2, world:start("one")))
  end)

  it("is one of so many", function()
    open { loops = 1, most = 2 }
    local one = start("one")
    start("two")
    local _, message, code = world:start("three")
    assert.equal("limit", code)
    assert.matches("2 workers", message, 1, true)
    answer(one:stop())
    until_so(function() return world:start("three") end)
  end)

  it("that is replaced ends after its request, and the new one answers the others", function()
    open()
    local old = start("one", { queue = 4 })
    local first = held(old)
    local waiting = {}
    for i = 1, 4 do waiting[i] = old:post("echo " .. i) end
    local new, made = world:start("one", { replace = true, queue = 2 })
    assert.is_true(made)
    assert.equal("limit", select(3, new:post("echo 5"))) -- what was accepted goes before
    assert.equal("leader_died", select(3, old:post("echo 6")))
    assert.equal(new:facts().actor, world:find("one"):facts().actor)
    world:let_go()
    for _, ticket in ipairs { first, table.unpack(waiting) } do
      assert.equal("ok", (answer(ticket)))
    end
    answer(old:stop())
    assert.same({ 1, 4 }, { old:facts().requests, new:facts().requests })
    assert.equal(1, world:counts().replaced)
    assert.equal(new:facts().actor, world:find("one"):facts().actor)
  end)

  it("gives what waits for it to another", function()
    open()
    local one, two = start("one"), start("two", { queue = 2 })
    local first = held(one)
    local waiting = {}
    for i = 1, 4 do waiting[i] = one:post("echo " .. i) end
    assert.equal(4, one:forward(two))
    assert.equal(0, one:forward(two))
    assert.equal(0, one:forward(one))
    world:let_go()
    assert.equal("ok", (answer(first)))
    for i, word in ipairs { "ok", "ok", "limit", "limit" } do
      assert.equal(word, (answer(waiting[i])))
    end
    assert.equal(2, two:facts().requests)
    answer(two:stop())
    assert.equal(0, one:forward(two))
    assert.equal(2, world:counts().forwarded)
  end)

  -- -- Ends --------------------------------------------------------------------------------

  it("that is stopped answers what it has before", function()
    open()
    local one = start("one", { stop = "sleep 5" })
    local first = held(one)
    local last = one:post("echo last")
    local ending = one:stop()
    local _, message, code = one:post("echo late")
    assert.equal("leader_died", code)
    assert.matches("the worker 'one' has ended, or is about to", message, 1, true)
    assert.is_nil(ending:await(20))
    world:let_go()
    assert.equal("ok", (answer(first)))
    assert.equal("ok", (answer(last)))
    assert.equal("ok", (answer(ending)))
    assert.equal("ok", (answer(one:stop()))) -- it has ended: told at once
    assert.equal("ended", one:facts().state)
    assert.is_nil(world:find("one"))
    assert.equal(1, world:counts().stopped)
    assert.same({ "one ends: stopped", "one sleep 5", "one again" },
      { table.unpack(world:log(), 3) })
  end)

  it("that is killed tells all who wait, at once", function()
    open()
    local one = start("one")
    local under_way = one:post("wait", true)
    until_state(one, "waiting")
    local waiting = one:post("echo", true)
    one:kill("it took too much")
    for _, ticket in ipairs { under_way, waiting } do
      assert.same({ "leader_died", "the worker 'one' ended: it took too much" },
        { answer(ticket) })
      assert.equal("limit", select(3, ticket:await()))
    end
    answer(one:stop())
    assert.equal(1, world:counts().killed)
    assert.equal(0, world:close(0))
    assert.same({ "one wait", "one gives up" }, world:log())
  end)

  it("that is killed stays until what it cannot give up is over", function()
    open()
    world:let_go(false)
    local one = start("one")
    local under_way = one:post("slow")
    assert.is_true(world:held(1))
    one:kill("no more")
    assert.equal("leader_died", (answer(under_way)))
    local ending = one:stop()
    assert.is_nil(ending:await(20))
    assert.equal("ending", one:facts().state)
    assert.equal("leader_died", select(3, one:post("echo")))
    world:let_go()
    assert.equal("ok", (answer(ending)))
    assert.equal(0, world:close(0))
  end)

  it("that is killed with its turns used up has no other", function()
    open()
    local one = start("one")
    local loops = one:post("turns 1000000000")
    until_so(function() return #world:log() > 10 end)
    one:kill("it never ends")
    assert.equal("leader_died", (answer(loops)))
    assert.equal("ok", (answer(one:stop())))
  end)

  it("that breaks tells who waits why", function()
    open()
    for request, why in pairs { ["break a leg"] = "a leg", silent = "it could not go on" } do
      local one = start("one")
      local first = held(one)
      local broken, waiting = one:post(request), one:post("echo")
      world:let_go()
      answer(first)
      assert.equal(request == "silent" and "leader_died" or "unavailable", (answer(broken)))
      assert.same({ "leader_died", "the worker 'one' ended: " .. why }, { answer(waiting) },
        request)
      answer(one:stop())
    end
    assert.equal(2, world:counts().broken)
  end)

  it("ends when it has been idle for so long", function()
    open { loops = 1, clock = true }
    local other = start("other")
    -- A loop reads the clock once a turn, and fires timers in the next one.
    local function advance(ms)
      world:advance(ms)
      answer(other:post("sleep 0"))
    end
    local one = start("one", { timeout = 100 })
    advance(99)
    assert.equal("ok", (answer(one:post("echo"))))
    advance(99)
    assert.equal("idle", one:facts().state)
    local ending = one:post("sleep 500") -- waiting is not idleness
    until_state(one, "waiting")
    advance(499)
    assert.is_nil(ending:await(20))
    advance(1)
    assert.equal("ok", (answer(ending)))
    until_state(one, "idle")
    advance(100)
    until_state(one, "ended")
    assert.equal(1, world:counts().idle)
    assert.is_nil(world:find("one"))
  end)

  -- -- Closing -----------------------------------------------------------------------------

  it("answers all it has when all are closed", function()
    open { loops = 2 }
    local tickets = {}
    for i = 1, 30 do start("w" .. i) end
    for i = 1, 300 do
      local next_one = "w" .. i * 7 % 30 + 1
      tickets[i] = assert(world:find("w" .. i % 30 + 1):post(
        ({ "send " .. next_one .. " echo", "turns 5", "sleep 3", "echo" })[i % 4 + 1]))
    end
    assert.equal(0, world:close(-1))
    for _, ticket in ipairs(tickets) do assert.equal("ok", (answer(ticket))) end
    for _, line in ipairs(world:log()) do
      assert.is_nil(line:match("ends: [^c]"), line)
    end
  end)

  it("finds whom it asks while all are closed", function()
    open { loops = 1 }
    local a = start("a", { stop = "send b echo farewell" })
    start("b", { stop = "sleep 30" })
    start("c")
    local late = a:post("sleep 50")
    local asks = a:post("ask b ask c sleep 20", true)
    assert.equal(0, world:close(-1))
    assert.equal("ok", (answer(late)))
    assert.equal("ok", (answer(asks)))
    local text = table.concat(world:log(), "\n")
    assert.matches("a ends: closed\na send b echo farewell", text, 1, true)
    assert.is_nil(text:match("\nb ends.*\nb echo"))
  end)

  it("that does not get done is killed when the time is over, and costs others nothing", function()
    open()
    local stuck, well = start("stuck"), start("well")
    local ticket = stuck:post("wait")
    until_state(stuck, "waiting")
    assert.equal(0, world:close(200))
    local word, message = answer(ticket)
    assert.equal("leader_died", word)
    assert.matches("being closed", message, 1, true)
    assert.equal("unavailable", select(3, well:post("echo")))
    assert.equal("ended", well:facts().state)
    assert.matches("well ends: closed", table.concat(world:log(), "\n"), 1, true)
  end)

  it("cannot be started any more, nor be asked from outside, while all are closed", function()
    open()
    local one = start("one")
    local tries = one:post("sleep 30")
    local starts = one:post("start another")
    assert.equal(0, world:close(-1))
    assert.equal("ok", (answer(tries)))
    assert.equal("unavailable", (answer(starts)))
  end)

  -- -- Seen from outside -------------------------------------------------------------------

  it("is seen with what it does", function()
    open()
    local one = start("job one", { label = "reports" })
    start("job two")
    start("other")
    answer(one:post("fail"))
    local first = held(one)
    local waiting = one:post("echo")
    local facts = one:facts()
    assert.same({ "job one", "reports", "running", 1, 1, 1 },
      { facts.group, facts.label, facts.state, facts.queue, facts.requests, facts.failures })
    assert.is_true(math.abs(facts.started_ms - os.time() * 1000) < 60000)
    assert.equal(3, #world:each())
    local jobs = world:each("job ")
    table.sort(jobs, function(a, b) return a.group < b.group end)
    assert.same({ "job one", "job two" }, { jobs[1].group, jobs[2].group })
    assert.equal("reports", jobs[1].label)
    world:let_go()
    answer(first)
    answer(waiting)
    until_state(one, "idle")
    assert.is_true(one:facts().busy_ns > 0)
    local counts = world:counts()
    assert.same({ 3, 3, 3, 3, 1 },
      { counts.workers, counts.started, counts.posted, counts.answered, counts.failed })
  end)
end)
