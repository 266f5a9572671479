--- What a worker may use, and what goes wrong between workers: neither is the trouble of others.

local cairn = require "cairn"

local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

local GREEDY = [[
local cairn = require "cairn"

local doing = {}

function doing.loop() while true do end end
function doing.caught() while true do pcall(function() while true do end end) end end
function doing.handled() while true do xpcall(function() while true do end end, print) end end
function doing.nested()
  local function deep(n)
    if n == 0 then while true do end end
    return coroutine.wrap(deep)(n - 1)
  end
  return deep(20)
end
function doing.yielding()
  local turn = coroutine.wrap(function() while true do coroutine.yield() end end)
  while true do turn() end
end
function doing.pattern() return (("a"):rep(50000) .. "b"):find(".-.-.-.-.-.-.-.-c") or 0 end
function doing.rep() return #(("x"):rep(1 << 40)) end
function doing.hoard() return #(("x"):rep(12 << 20)) end
function doing.reps() local s = "x" while true do s = s:rep(2) end end
function doing.concat() local t = {} while true do t[#t + 1] = ("y"):rep(1000) end end
function doing.sort()
  local t = {}
  for i = 1, 100000 do t[i] = i end
  while true do table.sort(t, function(a, b) return a > b end) end
end
function doing.metamethod()
  local t = setmetatable({}, { __index = function(t, k) while true do end end })
  return t.x
end
function doing.closing()
  local held <close> = setmetatable({}, { __close = function() while true do end end })
  while true do end
end
function doing.recursion() local function f() return 1 + f() end return f() end
function doing.grow(state, request)
  state.kept = state.kept or {}
  state.kept[#state.kept + 1] = ("z"):rep(request.bytes) .. #state.kept
  return #state.kept
end
function doing.garbage(_, request)
  local sum = 0
  for i = 1, request.times do sum = sum + #(("g"):rep(1000) .. i) end
  return sum
end
function doing.sleepy(_, request)
  for _ = 1, request.times do
    for _ = 1, request.steps do end
    cairn.sleep(1)
  end
end
function doing.echo(_, request) return request.value end
function doing.answer(_, request) return ("a"):rep(request.bytes) end

return { handle = function(state, request) return doing[request.op](state, request) end }
]]

describe("a worker that takes too much", function()
  local here, workers

  before_each(function()
    here = workplace.new()
    here:handler("greedy", GREEDY)
    workers = here:open { loops = 1, steps = 20000000, memory = 4 << 20, message = 1 << 20 }
  end)
  after_each(function() here:close() end)

  local function greedy(group, options)
    local all = { handler = "greedy", group = group, static = true, timeout = 0,
      error_strategy = "ignore" }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert(workers:worker(all))
  end

  local endless = {
    { "loops for ever", "loop", "steps" },
    { "loops in pcall, again and again", "caught", "steps" },
    { "loops in xpcall, again and again", "handled", "steps" },
    { "loops in nested coroutines", "nested", "steps" },
    { "resumes a coroutine for ever", "yielding", "steps" },
    { "matches a pattern that takes for ever", "pattern", "steps" },
    { "sorts for ever", "sort", "steps" },
    { "calls itself for ever", "recursion", "over its limit" },
    { "loops in a metamethod", "metamethod", "steps" },
    { "loops in what closes its variables", "closing", "steps" },
    { "makes a string that takes for ever", "rep", "steps" },
    { "makes one huge string", "hoard", "memory" },
    { "makes ever larger strings", "reps", "memory" },
    { "keeps ever more strings", "concat", "memory" },
  }
  for _, case in ipairs(endless) do
    local what, op, limit = table.unpack(case)
    it("is ended when it " .. what .. ", and others keep their turns", function()
      local bad, good = greedy "bad", greedy "good"
      assert(bad:send { op = op })
      local answers = 0
      local waiting = cairn.now() + 60000
      repeat
        assert.equal("here", good:ask { op = "echo", value = "here" })
        answers = answers + 1
      until bad:info().state == "ended" or cairn.now() > waiting
      assert.equal("ended", bad:info().state)
      assert.is_true(answers >= 1)
      local _, message, code = greedy("again"):ask { op = op }
      assert.equal("leader_died", code)
      assert.matches(limit, message, 1, true)
      assert.matches("greedy.lua:%d+", message)
      assert.equal("fine", good:ask { op = "echo", value = "fine" })
      assert.equal(2, workers:stats().broken)
    end)
  end

  it("is ended soon when it calls itself for ever, with all the memory for that", function()
    local worker = greedy("deep", { memory = 64 << 20, steps = 1000000000 })
    local _, message, code = worker:ask({ op = "recursion" }, { timeout = 20000 })
    assert.equal("leader_died", code)
    assert.matches("^[^\n]*greedy.lua:%d+: ", message)
  end)

  it("has so many instructions for each request, not for all", function()
    local worker = greedy("steps", { steps = 200000 })
    for _ = 1, 20 do assert(worker:ask { op = "garbage", times = 500 }) end
    assert.equal("leader_died", select(3, worker:ask { op = "garbage", times = 500000 }))
  end)

  it("has so many instructions for all turns of a request", function()
    local worker = greedy("turns", { steps = 100000 })
    assert.is_true(worker:ask { op = "sleepy", times = 4, steps = 10000 })
    local _, message, code = worker:ask { op = "sleepy", times = 40, steps = 10000 }
    assert.equal("leader_died", code)
    assert.matches("steps", message, 1, true)
  end)

  it("may throw away what it likes", function()
    local worker = greedy("garbage", { memory = 1 << 20, steps = 1000000000 })
    for _ = 1, 5 do assert(worker:ask { op = "garbage", times = 20000 }) end
    assert.is_true(worker:info().memory < 2 << 20)
  end)

  it("is ended when its state has grown too large over many requests", function()
    local worker = greedy("grows", { memory = 1 << 20 })
    local kept, message, code = 0, nil, nil
    for i = 1, 400 do
      local count
      count, message, code = worker:ask { op = "grow", bytes = 10000 }
      if not count then break end
      kept = i
    end
    assert.equal("leader_died", code)
    assert.matches("of 1048576", message, 1, true)
    assert.is_true(kept > 50 and kept < 120, kept)
    assert.equal("fine", greedy("good"):ask { op = "echo", value = "fine" })
  end)

  it("is refused a message, a request and an answer that are too large", function()
    local worker = greedy "sizes"
    assert.equal("ok", worker:ask { op = "echo", value = "ok", filler = ("f"):rep(900000) })
    local none, message, code = worker:ask { op = "echo", value = ("v"):rep(1 << 20) }
    assert.is_nil(none)
    assert.equal("limit", code)
    assert.matches("request of %d+ bytes", message)
    assert.equal("limit", select(3, worker:send { filler = ("f"):rep(1 << 20) }))
    none, message, code = workers:worker { handler = "greedy", group = "big",
      message = { filler = ("f"):rep(1 << 20) } }
    assert.is_nil(none)
    assert.equal("limit", code)
    assert.matches("message", message, 1, true)
    assert.is_nil((workers:find "big"))
    assert.equal("ok", worker:ask { op = "echo", value = "ok" })
  end)

  it("is refused where there are as many as there may be", function()
    workers = here:open { most = 3 }
    for i = 1, 3 do greedy("w" .. i) end
    local none, message, code = workers:worker { handler = "greedy", group = "w4" }
    assert.is_nil(none)
    assert.equal("limit", code)
    assert.matches("3", message, 1, true)
    assert.is_false(select(2, workers:worker { handler = "greedy", group = "w3" }))
    assert(workers:find("w1"):stop())
    assert.is_true(select(2, workers:worker { handler = "greedy", group = "w4" }))
  end)
end)

describe("a queue", function()
  local here, workers

  before_each(function()
    here = workplace.new()
    workers = here:open()
  end)
  after_each(function() here:close() end)

  it("that is full says so at once, to who asks and to who sends", function()
    local open = workplace.gate(workers, "gate")
    local worker = assert(workers:worker { handler = "agent", group = "q", static = true,
      queue = 3 })
    worker:send { op = "gate", name = "gate" }
    until_state(worker, "waiting")
    for i = 1, 3 do assert(worker:send { op = "note", text = i }) end
    assert.equal(3, worker:info().queue)
    for _, method in ipairs { "send", "ask" } do
      local none, message, code = worker[method](worker, { op = "note", text = "late" })
      assert.is_nil(none)
      assert.equal("limit", code)
      assert.matches("'q'", message, 1, true)
    end
    assert.equal(2, workers:stats().full)
    open()
    assert.same({ notes = { 1, 2, 3, 4 } }, eventually(function()
      return worker:ask { op = "note", text = 4 }
    end))
  end)

  it("that is too short for what is forwarded refuses the rest, which are told", function()
    local open = workplace.gate(workers, "gate")
    local function worker(group, queue)
      return assert(workers:worker { handler = "agent", group = group, static = true,
        queue = queue, timeout = 0 })
    end
    local from, to = worker("from", 10), worker("to", 2)
    from:send { op = "gate", name = "gate" }
    to:send { op = "gate", name = "gate" }
    until_state(from, "waiting")
    until_state(to, "waiting")
    local askers = {}
    for i = 1, 4 do
      askers[i] = worker("asker" .. i, 10)
      askers[i]:send { op = "ask", group = "from", request = { op = "note", text = i } }
      until_state(from, "waiting", i)
    end
    assert.equal(4, workers:forward_work(from, to))
    assert.same({ 0, 2 }, { from:info().queue, to:info().queue })
    local stats = workers:stats()
    assert.same({ 2, 2 }, { stats.forwarded, stats.failed })
    open()
    until_state(to, "idle", 0)
    assert.same({ notes = { 1, 2, "x" } }, to:ask { op = "note", text = "x" })
  end)
end)

describe("workers that wait for each other", function()
  local here, workers

  before_each(function()
    here = workplace.new()
    workers = here:open()
  end)
  after_each(function() here:close() end)

  local function agent(group)
    return assert(workers:worker { handler = "agent", group = group, static = true, timeout = 0 })
  end

  it("are told when one asks itself", function()
    local reply = agent("a"):ask { op = "self" }
    assert.is_nil(reply.answer)
    assert.equal("infinite_recursion", reply.code)
    assert.equal(1, workers:stats().rings)
  end)

  for count = 2, 4 do
    it(("are told when %d of them are a ring"):format(count), function()
      for i = 1, count do agent("a" .. i) end
      local request = { op = "ask", group = "a1", request = { op = "echo" } }
      for i = count, 2, -1 do request = { op = "ask", group = "a" .. i, request = request } end
      local reply = assert(workers:find("a1"):ask(request, { timeout = 20000 }))
      for _ = 2, count do reply = reply.answer end
      assert.equal("infinite_recursion", reply.code)
      assert.is_nil(reply.answer)
      assert.equal("fine", workers:find("a1"):ask { op = "echo", value = "fine" })
    end)
  end

  it("are told when a ring goes over who computes for others", function()
    here:handler("leads", [[local cairn = require "cairn"
      return { handle = function(_, request)
        local workers = cairn.workers()
        local role, leader = workers:find_or_register("", "", { group = "sum" })
        if role == "wait" then
          return { role = role, code = select(3, workers:await(leader, "", "")) }
        end
        local answer, message, code = workers:find(request.group):ask { name = "sum" }
        workers:unregister_notify(leader, "", { sum = 1 })
        return answer or { code = code }
      end }]])
    local leads = assert(workers:worker { handler = "leads", group = "l", static = true })
    assert(workers:worker { handler = "leads", group = "m", static = true })
    local answer = leads:ask({ group = "m" }, { timeout = 20000 })
    assert.same({ role = "wait", code = "infinite_recursion" }, answer)
  end)

  it("are told when one stops whom it keeps waiting", function()
    here:handler("stops", [[local cairn = require "cairn"
      return { handle = function(_, request)
        return { select(3, cairn.workers():find(request.group):stop()) }
      end }]])
    local stops = assert(workers:worker { handler = "stops", group = "s", static = true })
    assert.same({ "infinite_recursion" }, stops:ask { group = "s" })
    local waits = agent "w"
    local reply = waits:ask({ op = "ask", group = "s", request = { group = "w" } },
      { timeout = 20000 })
    assert.same({ answer = { "infinite_recursion" } }, reply)
    assert.is_true(waits:stop())
  end)

  it("may meet at one that waits for none of them", function()
    local common = agent "common"
    for i = 1, 20 do
      agent("a" .. i):send { op = "ask", group = "common",
        request = { op = "note", text = "from " .. i } }
    end
    eventually(function() return #(common:ask({ op = "get" }).state.notes or {}) == 20 end)
    assert.equal(0, workers:stats().rings)
  end)

  it("are told which key of an answer cannot be copied", function()
    here:handler("leaks", "return { handle = function() return { a = { b = print } } end }")
    local leaks = assert(workers:worker { handler = "leaks", group = "l", static = true,
      error_strategy = "ignore" })
    local none, message, code = leaks:ask {}
    assert.is_nil(none)
    assert.equal("unavailable", code)
    assert.matches("a.b: a function", message, 1, true)
    assert.equal("unavailable", select(3, leaks:ask {}))
  end)

  it("cannot wait where C is in the way, and are told so", function()
    here:handler("sorts", [[local cairn = require "cairn"
      return { handle = function()
        table.sort({ 3, 2, 1 }, function(a, b) cairn.sleep(1) return a < b end)
      end }]])
    local _, message = assert(workers:worker { handler = "sorts", group = "s" }):ask {}
    assert.matches("cannot wait for time to pass here", message, 1, true)
  end)

  local ends = {
    { "raises", function(leader) leader:send { op = "go" } end, "throw" },
    { "goes beyond a limit", function(leader) leader:send { op = "go" } end, "limit" },
    { "is killed", function(leader) leader:kill "enough" end, "enough" },
  }
  for _, case in ipairs(ends) do
    local what, finish, reason = table.unpack(case)
    it("are all told at once when the one that they wait for " .. what, function()
      here:handler("leader", [[local cairn = require "cairn"
        return { handle = function(_, request)
          local workers = cairn.workers()
          local _, gate = workers:find_or_register("", "", { group = "gate" })
          workers:await(gate, "", "")
          if request.how == "throw" then error("throw it") end
          while request.how == "limit" do end
        end }]])
      local open = workplace.gate(workers, "gate")
      local leader = assert(workers:worker { handler = "leader", group = "leader", static = true,
        timeout = 0, steps = 100000 })
      leader:send { how = reason }
      until_state(leader, "waiting")
      for i = 1, 10 do
        agent("a" .. i):send { op = "ask", group = "leader", request = { how = "never" } }
        until_state(leader, "waiting", i)
      end
      if what == "is killed" then finish(leader) else open() end
      for i = 1, 10 do
        until_state(workers:find("a" .. i), "idle")
      end
      eventually(function() return not workers:find "leader" end)
      local _, message, code = leader:ask { how = "late" }
      assert.equal("leader_died", code)
      assert.is_string(message)
    end)
  end

  it("are told why the one that they wait for ended", function()
    local open = workplace.gate(workers, "gate")
    local victim = agent "victim"
    victim:send { op = "gate", name = "gate" }
    until_state(victim, "waiting")
    here:handler("keeps", [[local cairn = require "cairn"
      return { handle = function(state, request)
        if request == "look" then return state end
        state.message, state.code = select(2, cairn.workers():find "victim":ask { op = "echo" })
      end }]])
    local keeps = assert(workers:worker { handler = "keeps", group = "k", static = true })
    keeps:send "go"
    until_state(victim, "waiting", 1)
    victim:kill "the reason"
    local state = keeps:ask "look"
    assert.equal("leader_died", state.code)
    assert.matches("the reason", state.message, 1, true)
    open()
  end)

  it("are served what was asked before a stop", function()
    local open = workplace.gate(workers, "gate")
    local worker = agent "w"
    worker:send { op = "gate", name = "gate" }
    until_state(worker, "waiting")
    here:handler("keeps", [[local cairn = require "cairn"
      return { handle = function(state, request)
        if request == "look" then return state end
        state.answer = cairn.workers():find "w":ask { op = "echo", value = "served" }
      end }]])
    local keeps = assert(workers:worker { handler = "keeps", group = "k", static = true })
    keeps:send "go"
    until_state(worker, "waiting", 1)
    assert.equal("timeout", select(3, worker:stop { timeout = 0 }))
    assert.equal("leader_died", select(3, worker:send { op = "echo" }))
    open()
    assert.equal("served", keeps:ask("look").answer)
    assert.is_true(worker:stop())
  end)
end)
