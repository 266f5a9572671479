--- Workers, as who starts and asks them meets them.

local cairn = require "cairn"

local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

describe("a worker", function()
  local here, workers

  before_each(function()
    here = workplace.new()
    workers = here:open()
  end)
  after_each(function() here:close() end)

  local function agent(options)
    local all = { handler = "agent", static = true, timeout = 0 }
    for name, value in pairs(options or {}) do all[name] = value end
    return assert(workers:worker(all))
  end

  it("is started once for its group, and found by it", function()
    local first, made = workers:worker { handler = "agent", group = "a", static = true }
    assert.is_true(made)
    local second, again = workers:worker { handler = "agent", group = "a", static = true }
    assert.is_false(again)
    assert.equal("a", first.group)
    assert.same({ notes = { "one" } }, first:ask { op = "note", text = "one" })
    assert.same({ notes = { "one", "two" } }, second:ask { op = "note", text = "two" })
    assert.same({ notes = { "one", "two", "three" } },
      workers:find("a"):ask { op = "note", text = "three" })
    local none, message, code = workers:find("b")
    assert.is_nil(none)
    assert.equal("not_found", code)
    assert.matches("'b'", message, 1, true)
  end)

  it("is not given to who wants another handler", function()
    here:handler("other", "return { handle = function() return 'other' end }")
    agent { group = "a" }
    local none, message, code = workers:worker { handler = "other", group = "a" }
    assert.is_nil(none)
    assert.equal("conflict", code)
    assert.matches("the group 'a' has a worker already, of the handler 'agent'", message, 1, true)
    assert.equal("other", assert(workers:worker {
      handler = "other", group = "a", replace = true,
    }):ask {})
  end)

  it("has the group of its message where none is given", function()
    local worker = agent { message = { name = "one" } }
    assert.equal(workers:group { name = "one" }, worker.group)
    assert.equal(cairn.id { name = "one" }, worker.group)
    assert.same({ state = { name = "one" } }, worker:ask { op = "get" })
    assert.equal(cairn.id {}, agent().group)
  end)

  it("is started by the names of hb_persistent as well", function()
    local worker, made = assert(workers:start_worker({ name = "seed" }, {
      handler = "agent", static_worker = true, worker_timeout = 0, error_strategy = "ignore",
    }))
    assert.is_true(made)
    assert.equal(cairn.id { name = "seed" }, worker.group)
    assert.equal("unavailable", select(3, worker:ask { op = "fail" }))
    assert.same({ state = { name = "seed", failed = 1 } }, worker:ask { op = "get" })
  end)

  it("takes a file as its handler", function()
    local path = here:handler("lone", "return { handle = function() return 'from a file' end }")
    assert.equal("from a file", assert(workers:worker { handler = path, group = "f" }):ask {})
    local none, message, code = workers:worker { handler = "nobody", group = "n" }
    assert.is_nil(none)
    assert.equal("not_found", code)
    assert.matches("nobody", message, 1, true)
    assert.is_nil((workers:find "n"))
  end)

  it("begins with what `init` makes of its message, and keeps what `handle` returns", function()
    here:handler("sum", [[return {
      init = function(message, context)
        return { sum = message.from * 10, group = context.group, name = context.handler }
      end,
      handle = function(state, request)
        if request == "look" then return state end
        return state.sum + request, { sum = state.sum + request, group = state.group }
      end,
    }]])
    local sum = assert(workers:worker { handler = "sum", message = { from = 4 }, group = "s",
      static = true })
    assert.same({ sum = 40, group = "s", name = "sum" }, sum:ask "look")
    assert.equal(42, sum:ask(2))
    assert.equal(45, sum:ask(3))
    assert.same({ sum = 45, group = "s" }, sum:ask "look")
  end)

  it("moves to the group of its answer unless it is static", function()
    here:handler("step", [[return { handle = function(state, request)
      return { name = state.name, count = (state.count or 0) + request.by }
    end }]])
    local moving = assert(workers:worker { handler = "step", message = { name = "m" } })
    local before = moving.group
    assert.same({ name = "m", count = 2 }, moving:ask { by = 2 })
    assert.equal(cairn.id { name = "m", count = 2 }, moving.group)
    assert.is_nil((workers:find(before)))
    assert.equal(moving.group, assert(workers:find(moving.group)):info().group)
    assert.same({ name = "m", count = 5 }, moving:ask { by = 3 })

    local static = assert(workers:worker { handler = "step", message = { name = "s" },
      static = true })
    assert.same({ name = "s", count = 2 }, static:ask { by = 2 })
    assert.equal(cairn.id { name = "s" }, static.group)
    assert.same({ name = "s", count = 2 }, static:ask { by = 2 })
  end)

  it("that moves to a group which is taken leaves it to who has it", function()
    here:handler("become", "return { handle = function(_, request) return request end }")
    local first = assert(workers:worker { handler = "become", message = { n = 1 } })
    local second = assert(workers:worker { handler = "become", message = { n = 2 } })
    assert.same({ n = 1 }, second:ask { n = 1 })
    assert.equal(1, #workers:list(cairn.id { n = 1 }))
    assert.equal(first:info().requests, workers:find(cairn.id { n = 1 }):info().requests)
    assert.same({ n = 3 }, second:ask { n = 3 })
    assert.equal(cairn.id { n = 3 }, second.group)
  end)

  it("answers in the order in which it was asked", function()
    local worker = agent()
    for i = 1, 500 do assert(worker:send { op = "note", text = i }) end
    local expected = {}
    for i = 1, 501 do expected[i] = i end
    assert.same({ notes = expected }, worker:ask { op = "note", text = 501 })
    assert.equal(501, worker:info().requests)
  end)

  local values = {
    { "a string with every byte", "\0\255 \n" }, { "an empty string", "" },
    { "an integer", math.mininteger }, { "a float", 0.1 }, { "a float that is whole", 2.0 },
    { "true", true }, { "false", false }, { "an empty message", {} },
    { "a nested message", { a = { b = { C = "d" } }, list = { 1, { x = "y" }, "z" } } },
  }
  for _, case in ipairs(values) do
    local what, value = table.unpack(case)
    it("gives back " .. what, function()
      here:handler("mirror", "return { handle = function(_, request) return request end }")
      local mirror = assert(workers:worker { handler = "mirror", group = "m", static = true })
      local answer = mirror:ask(value)
      assert.same(value, answer)
      assert.equal(math.type(value), math.type(answer))
      assert.equal(1, select("#", mirror:ask(value)))
    end)
  end

  it("gives true for an answer of nothing", function()
    assert.is_true(agent():ask { op = "echo" })
  end)

  it("gives on what a handler returns as nil, message, code", function()
    local answer, message, code =
      agent():ask { op = "refuse", message = "not today", code = "unauthorized" }
    assert.is_nil(answer)
    assert.equal("not today", message)
    assert.equal("unauthorized", code)
    assert.same({ state = {} }, agent():ask { op = "get" })
  end)

  it("is waited for no longer than told", function()
    local worker, open = agent(), workplace.gate(workers, "gate")
    local answer, message, code = worker:ask({ op = "gate", name = "gate" }, { timeout = 20 })
    assert.is_nil(answer)
    assert.equal("timeout", code)
    assert.matches("20 ms", message, 1, true)
    assert.equal("timeout", select(3, worker:ask({ op = "echo" }, { timeout = 0 })))
    open()
    assert.equal("there", worker:ask({ op = "echo", value = "there" }, { timeout = 20000 }))
  end)

  it("that waits for another has it answer, on any thread", function()
    agent { group = "other" }
    for i = 1, 8 do
      local reply = agent { group = "asks" .. i }:ask {
        op = "ask", group = "other", request = { op = "echo", value = i } }
      assert.same({ answer = i }, reply)
    end
  end)

  it("that waits lets the others of its thread go on", function()
    workers = here:open { loops = 1 }
    local open = workplace.gate(workers, "gate")
    local waiting, other = agent { group = "w" }, agent { group = "o" }
    assert(waiting:send { op = "gate", name = "gate" })
    until_state(waiting, "waiting")
    assert.equal("fine", other:ask { op = "echo", value = "fine" })
    assert.equal("waiting", waiting:info().state)
    open()
    until_state(waiting, "idle")
  end)

  it("stops after the requests that it has, with its shutdown", function()
    here:handler("last", [[local cairn = require "cairn"
      return {
        handle = function(state, request) state.count = (state.count or 0) + request.by end,
        shutdown = function(state, context)
          context.cache:write({ count = state.count, group = context.group })
          assert(cairn.workers():find "witness"):ask { op = "note", text = state.count }
        end,
      }]])
    local cache <close> = assert(cairn.cache { store = "memory:" })
    workers = here:open { cache = cache }
    local witness = agent { group = "witness" }
    local last = assert(workers:worker { handler = "last", group = "last", static = true })
    for _ = 1, 100 do last:send { by = 2 } end
    assert.is_true(last:stop())
    assert.is_true(last:stop())
    assert.same({ notes = { 200 } }, witness:ask({ op = "get" }).state)
    assert.same({ count = 200, group = "last" },
      cache:read(cairn.id { count = 200, group = "last" }))
    assert.is_nil((workers:find "last"))
    assert.equal("leader_died", select(3, last:ask { by = 1 }))
    assert.equal("leader_died", select(3, last:send { by = 1 }))
    assert.equal("ended", last:info().state)
    assert.equal(1, workers:stats().stopped)
  end)

  it("is waited for no longer than told when it stops", function()
    local worker, open = agent(), workplace.gate(workers, "gate")
    worker:send { op = "gate", name = "gate" }
    assert.equal("timeout", select(3, worker:stop { timeout = 10 }))
    open()
    assert.is_true(worker:stop())
  end)

  it("is killed where it is, and who waits is told why", function()
    local worker, open = agent { group = "victim" }, workplace.gate(workers, "gate")
    local asker = agent { group = "asker" }
    asker:send { op = "ask", group = "victim", request = { op = "gate", name = "gate" } }
    until_state(worker, "waiting")
    worker:kill("it was in the way")
    eventually(function() return not workers:find "victim" end)
    local state = asker:ask({ op = "get" }).state
    assert.same({}, state)
    local answer, message, code = worker:ask { op = "echo" }
    assert.is_nil(answer)
    assert.equal("leader_died", code)
    assert.matches("victim", message, 1, true)
    assert.equal(1, workers:stats().killed)
    open()
    assert.is_true(select(2, workers:worker { handler = "agent", group = "victim" }))
  end)

  it("ends when it has been idle for its timeout, by the clock of its set", function()
    local clock = cairn.clock(1000)
    workers = here:open { clock = clock, timeout = 5000 }
    local usual = assert(workers:worker { handler = "agent", group = "usual", static = true })
    local long = agent { group = "long", timeout = 60000 }
    local never = agent { group = "never", timeout = 0 }
    for _, worker in ipairs { usual, long, never } do
      assert(worker:ask { op = "echo" })
      until_state(worker, "idle")
    end
    clock:advance(4000)
    assert(usual:ask { op = "echo" })
    until_state(usual, "idle")
    clock:advance(4000)
    assert(usual:ask { op = "echo" })
    until_state(usual, "idle")
    clock:advance(5000)
    eventually(function() return not workers:find "usual" end)
    assert.equal("idle", long:info().state)
    clock:advance(60000)
    eventually(function() return not workers:find "long" end)
    assert.equal("idle", never:info().state)
    assert.equal(2, workers:stats().idle)
    assert.equal("leader_died", select(3, usual:ask { op = "echo" }))
  end)

  it("calls its shutdown when it was idle too long", function()
    here:handler("lazy", [[return {
      handle = function(state) return true end,
      shutdown = function(_, context, why) context.cache:write { ended = "for being " .. why } end,
    }]])
    local cache <close> = assert(cairn.cache { store = "memory:" })
    local clock = cairn.clock(0)
    workers = here:open { clock = clock, cache = cache, timeout = 10 }
    local lazy = assert(workers:worker { handler = "lazy", group = "l" })
    assert(lazy:ask {})
    until_state(lazy, "idle")
    clock:advance(10)
    eventually(function() return cache:read(cairn.id { ended = "for being idle" }) end)
  end)

  it("that raises ends, unless it is told to ignore that", function()
    local throws = agent { group = "throws" }
    local ignores = agent { group = "ignores", error_strategy = "ignore" }
    local answer, message, code = throws:ask { op = "fail", what = "this went wrong" }
    assert.is_nil(answer)
    assert.equal("leader_died", code)
    assert.matches("this went wrong", message, 1, true)
    eventually(function() return not workers:find "throws" end)

    answer, message, code = ignores:ask { op = "fail", what = "that went wrong" }
    assert.is_nil(answer)
    assert.equal("unavailable", code)
    assert.matches("that went wrong", message, 1, true)
    assert.same({ state = { failed = 1 } }, ignores:ask { op = "get" })
    local info, stats = ignores:info(), workers:stats()
    assert.same({ 2, 1 }, { info.requests, info.failures })
    assert.same({ 1, 2 }, { stats.broken, stats.failed })
  end)

  it("whose handler cannot begin tells that, and is started anew", function()
    here:handler("fussy", [[return {
      init = function(message) return assert(message.wanted, "nothing wanted") end,
      handle = function(state) return state end,
    }]])
    local fussy = assert(workers:worker { handler = "fussy", group = "f" })
    local answer, message, code = fussy:ask {}
    assert.is_nil(answer)
    assert.equal("leader_died", code)
    assert.matches("nothing wanted", message, 1, true)
    eventually(function() return not workers:find "f" end)
    local second, made = workers:worker { handler = "fussy", group = "f",
      message = { wanted = "this" }, static = true }
    assert.is_true(made)
    assert.equal("this", second:ask {})
  end)

  it("that is replaced ends after its request, and what waits is done by who comes", function()
    local open = workplace.gate(workers, "gate")
    local before = agent { group = "g", message = { name = "before" } }
    before:send { op = "gate", name = "gate" }
    until_state(before, "waiting")
    for i = 1, 10 do before:send { op = "note", text = i } end
    local after, made = workers:worker { handler = "agent", group = "g", static = true,
      message = { name = "after" }, replace = true, timeout = 0 }
    assert.is_true(made)
    assert.same({ state = { name = "after", notes = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } } },
      after:ask { op = "get" })
    open()
    eventually(function() return before:info().state == "ended" end)
    assert.equal(1, workers:stats().replaced)
    assert.equal("after", workers:find("g"):ask({ op = "get" }).state.name)
  end)

  it("gets what waits for another", function()
    local open = workplace.gate(workers, "gate")
    local from, to = agent { group = "from" }, agent { group = "to", queue = 4 }
    from:send { op = "gate", name = "gate" }
    until_state(from, "waiting")
    for i = 1, 3 do from:send { op = "note", text = i } end
    assert.equal(3, workers:forward_work(from, to))
    assert.same({ notes = { 1, 2, 3, "mine" } }, to:ask { op = "note", text = "mine" })
    assert.equal(0, workers:forward_work(from, to))
    open()
    assert.same({ state = {} }, from:ask { op = "get" })
    assert.has_error(function() workers:forward_work(from, from) end)
  end)

  it("tells what it is", function()
    local worker = agent { group = "told" }
    assert(worker:ask { op = "echo" })
    until_state(worker, "idle")
    local info = worker:info()
    assert.equal("told", info.group)
    assert.equal("agent", info.handler)
    assert.equal(0, info.queue)
    assert.is_true(info.thread == 1 or info.thread == 2)
    assert.is_true(info.busy > 0)
    assert.is_true(math.abs(info.started - cairn.now()) < 60000)
    assert.equal(1, #workers:list "to")
    assert.equal("told", workers:list("to")[1].group)
    assert.same({}, workers:list "nothing")
    assert.is_true(#workers:list() >= 1)
  end)
end)

describe("a set of workers", function()
  local here

  before_each(function() here = workplace.new() end)
  after_each(function() here:close() end)

  it("does what was accepted before it is closed", function()
    local cache <close> = assert(cairn.cache { store = "memory:" })
    here:handler("writer", [[return {
      handle = function(state, request) state.sum = (state.sum or 0) + request.by end,
      shutdown = function(state, context, why)
        context.cache:write { sum = state.sum, group = context.group, why = why }
      end,
    }]])
    local workers = here:open { cache = cache }
    for i = 1, 10 do
      local worker = assert(workers:worker { handler = "writer", group = "w" .. i, static = true })
      for _ = 1, 200 do assert(worker:send { by = i }) end
    end
    workers:close()
    for i = 1, 10 do
      assert.is_truthy(cache:read(cairn.id { sum = 200 * i, group = "w" .. i, why = "closed" }), i)
    end
    assert.has_error(function() workers:stats() end)
    workers:close()
  end)

  it("that is closed tells so to who still has a worker of it", function()
    local workers = here:open()
    local worker = assert(workers:worker { handler = "agent", group = "a" })
    workers:close()
    for _, method in ipairs { "ask", "send" } do
      local answer, message, code = worker[method](worker, { op = "echo" })
      assert.is_nil(answer)
      assert.equal("unavailable", code)
      assert.matches("closed", message, 1, true)
    end
    assert.is_true(worker:stop())
    worker:kill()
    assert.equal("a", worker.group)
    assert.equal("ended", worker:info().state)
  end)

  it("kills what is not over when it has drained for so long", function()
    local workers = here:open { drain = 50 }
    local worker = assert(workers:worker { handler = "agent", group = "a" })
    worker:send { op = "sleep", ms = 600000 }
    until_state(worker, "waiting")
    local begun = cairn.now()
    workers:close()
    assert.is_true(cairn.now() - begun < 20000)
  end)

  it("cannot be opened where its log or its socket cannot be", function()
    local nowhere = here.directory .. "/agent.lua/nowhere"
    local none, message, code = cairn.workers { control = false, log = nowhere }
    assert.is_nil(none)
    assert.equal("io", code)
    assert.matches(nowhere, message, 1, true)
    none, message = cairn.workers { control = nowhere }
    assert.is_nil(none)
    assert.is_string(message)
  end)

  it("is opened by no worker, and closed by none", function()
    here:handler("opens", [[local cairn = require "cairn"
      return { handle = function(_, request)
        if request == "open" then return { pcall(cairn.workers, { loops = 1 }) } end
        cairn.workers():close()
        return cairn.workers():stats()
      end }]])
    local workers = here:open()
    local worker = assert(workers:worker { handler = "opens", group = "o", static = true })
    local answer = worker:ask "open"
    assert.is_false(answer[1])
    assert.matches("opens no workers of its own", answer[2], 1, true)
    assert.equal(1, worker:ask("close").workers)
    assert.equal(1, workers:stats().workers)
  end)
end)
