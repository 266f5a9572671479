--- The workers that a process has in common, and mistakes in the calls of them.

local cairn = require "cairn"

local place = require "spec.support.place"
local workplace = require "spec.support.workplace"

describe("the workers of a process", function()
  local here

  before_each(function() here = workplace.new() end)
  after_each(function() here:close() end)

  -- In a process of its own: they are shared by all that is in it.
  local function run(script)
    local path = here.directory .. "/script.lua"
    place.put(path, script)
    local process = place.run({ place.build .. "/cairn", "run", path }, {
      env = { LUA_PATH = here.directory .. "/?.lua;;", XDG_RUNTIME_DIR = here.directory },
    })
    assert.equal("", process.err)
    assert.equal(0, process.code)
    return process.out
  end

  it("are one set, for its handlers as well", function()
    here:handler("inner", [[local cairn = require "cairn"
      return { handle = function(_, request)
        local other, made = cairn.worker { handler = "agent", group = "shared" }
        return { made = made, value = other:ask { op = "echo", value = request } }
      end }]])
    assert.equal("true\ttrue\nfalse\tfrom within\n1\t2\n", run [[
      local cairn = require "cairn"
      print(rawequal(cairn.workers(), cairn.workers()),
        select(2, cairn.worker { handler = "agent", group = "shared" }))
      local inner = cairn.worker { handler = "inner", group = "inner", static = true }
      local answer = inner:ask "from within"
      print(answer.made, answer.value)
      print(#cairn.workers():list "shared", cairn.workers():stats().workers)
    ]])
  end)

  it("end with it, in order", function()
    here:handler("says", [[return {
      handle = function(state) state.count = (state.count or 0) + 1 end,
      shutdown = function(state, _, why) print(state.count, why) end,
    }]])
    assert.equal("100\tclosed\n", run [[
      local cairn = require "cairn"
      local worker = assert(cairn.worker { handler = "says", group = "s", static = true })
      for _ = 1, 100 do assert(worker:send {}) end
    ]])
  end)

  it("can be closed, and are made anew", function()
    assert.equal("true\ttrue\ttrue\n", run [[
      local cairn = require "cairn"
      local first = cairn.workers()
      local _, made = first:worker { handler = "agent", group = "a" }
      first:close()
      local second = cairn.workers()
      local _, again = second:worker { handler = "agent", group = "a" }
      print(made, again, not rawequal(first, second))
    ]])
  end)
end)

describe("a mistake in the call of workers", function()
  local here, workers, worker

  setup(function()
    here = workplace.new()
    workers = here:open { loops = 1 }
    worker = assert(workers:worker { handler = "agent", group = "w" })
  end)
  teardown(function() here:close() end)

  local function start(options)
    return function() return workers:worker(options) end
  end

  local circle = {}
  circle.circle = circle

  local mistakes = {
    { "an option of the set that there is not", "loop",
      function() return cairn.workers { loop = 1 } end },
    { "loops that are none", "options.loops: an integer from 1 to 64",
      function() return cairn.workers { loops = 0 } end },
    { "loops that are no number", "options.loops",
      function() return cairn.workers { loops = "2" } end },
    { "a drain below zero", "options.drain",
      function() return cairn.workers { drain = -1 } end },
    { "a slice that is none", "options.slice",
      function() return cairn.workers { slice = 0 / 0 } end },
    { "a cache that is none", "cache",
      function() return cairn.workers { cache = io.stdout, control = false } end },
    { "a clock that is none", "clock",
      function() return cairn.workers { clock = io.stdout, control = false } end },
    { "options that are none", "options: table expected, got string",
      function() return cairn.workers "x" end },
    { "an option of a worker that there is not", "there is no option 'handlr'",
      start { handlr = "agent" } },
    { "no handler", "options.handler", start { group = "x" } },
    { "a message that is none", "options.message", start { handler = "agent", message = "x" } },
    { "an empty group", "options.group", start { handler = "agent", group = "" } },
    { "a group of 1,025 bytes", "options.group",
      start { handler = "agent", group = ("g"):rep(1025) } },
    { "a strategy that there is not", "options.error_strategy",
      start { handler = "agent", error_strategy = "retry" } },
    { "a timeout below zero", "options.timeout", start { handler = "agent", timeout = -1 } },
    { "a queue for none", "options.queue", start { handler = "agent", queue = 0 } },
    { "no steps", "options.steps", start { handler = "agent", steps = 0 } },
    { "hardly any memory", "options.memory", start { handler = "agent", memory = 1 } },
    { "an option of what is durable that there is not", "options.durable: there is no option 'x'",
      start { handler = "agent", durable = { x = 1 } } },
    { "a durable worker that moves", "stays on its group",
      start { handler = "agent", durable = true, static = false } },
    { "a durable worker where nothing is kept", "options.durable: these workers have no cache",
      start { handler = "agent", durable = true } },
    { "a lease that is too short", "options.durable.lease",
      start { handler = "agent", durable = { lease = 1 } } },
    { "a message that holds a function, in a group", "message.deep.f",
      start { handler = "agent", group = "f", message = { deep = { f = print } } } },
    { "a message that holds a function", "message.deep.f",
      start { handler = "agent", message = { deep = { f = print } } } },
    { "a request of a function", "request.a.b",
      function() return worker:ask { a = { b = print } } end },
    { "a request of a userdata", "request.a[2]",
      function() return worker:send { a = { 1, io.stdout } } end },
    { "a request with a number as a key", "request.a: the key 1.5",
      function() return worker:ask { a = { [1.5] = 1 } } end },
    { "a request that holds itself", "request", function() return worker:ask(circle) end },
    { "no request", "request", function() return worker:ask(nil) end },
    { "an option of asking that there is not", "there is no option 'timeuot'",
      function() return worker:ask({}, { timeuot = 1 }) end },
    { "to ask for less than no time", "options.timeout",
      function() return worker:ask({}, { timeout = -1 }) end },
    { "a group that is no name", "group", function() return workers:find {} end },
    { "to forward to nobody", "cairn.Worker", function() return workers:forward_work(worker) end },
    { "a grouper that gives no name", "grouper: a string of 1 to 1024 bytes expected, got number",
      function() return workers:group({}, {}, { grouper = function() return 1 end }) end },
    { "to await what is no leader", "cairn.Leader",
      function() return workers:await("x", {}, {}) end },
    { "a monitor that never looks", "options.every",
      function() return workers:start_monitor(nil, { every = 0 }) end },
    { "an election without a store", "options.cache", function() return workers:elect "name" end },
    { "an election without a name", "name", function() return workers:elect "" end },
    { "less than no sleep", "ms", function() return cairn.sleep(-1) end },
  }
  for _, case in ipairs(mistakes) do
    local what, named, call = table.unpack(case)
    it("raises with its name: " .. what, function()
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches(named, message, 1, true)
    end)
  end

  it("is where the caller is", function()
    local _, message = pcall(function() workers:worker { handler = 1 } end)
    assert.matches("^[^\n]*workers_mistakes_spec%.lua:%d+: bad argument #1 to 'worker'", message)
  end)
end)
