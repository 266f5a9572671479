--- Durable workers that come back from their log alone: what cannot be written down, and what is
--- ended while it is done again.

local cairn = require "cairn"

local workplace = require "spec.support.workplace"

local eventually, until_state = workplace.eventually, workplace.until_state

local COUNTER = [[
local cairn = require "cairn"

local doing = {}

function doing.count(state) return state.count end
function doing.add(state, request, context)
  state.count = state.count + 1
  if request.nap and context.replaying then cairn.sleep(request.nap) end
end
function doing.spoil(state)
  state.count = state.count + 1
  state.spoilt = 0 / 0
end

return {
  init = function() return { count = 0 } end,
  handle = function(state, request, context) return doing[request.op](state, request, context) end,
}
]]

describe("a durable worker with nothing but its log", function()
  local here, cache, workers

  before_each(function()
    here = workplace.new()
    here:handler("counter", COUNTER)
    cache = assert(cairn.cache { store = "memory:" })
    workers = here:open { cache = cache, loops = 1, timeout = 0 }
  end)
  after_each(function()
    here:close()
    cache:close()
  end)

  local function counter(durable)
    return assert(workers:worker { handler = "counter", group = "c", durable = durable or true })
  end

  local function crash(worker)
    worker:kill "a crash"
    eventually(function() return worker:info().state == "ended" end)
  end

  it("is there again with a state that cannot be written down", function()
    local worker = counter { every = 3 }
    assert(worker:ask { op = "add" })
    assert(worker:ask { op = "spoil" })
    for round = 1, 3 do
      crash(worker)
      worker = counter { every = 3 }
      assert(worker:ask { op = "add" })
      assert.equal(2 + round, worker:ask { op = "count" })
    end
  end)

  it("outlives a request that cannot be written down", function()
    local worker = counter()
    assert(worker:ask { op = "add" })
    local none, message, code = worker:ask { op = "add", by = 0 / 0 }
    assert.is_nil(none)
    assert.equal("invalid_argument", code)
    assert.matches("not finite", message, 1, true)
    assert.equal(1, worker:ask { op = "count" })
  end)

  it("leaves nothing out that it was killed at", function()
    local options = { interval = 100000 }
    local worker = counter(options)
    for _ = 1, 3 do assert(worker:ask { op = "add", nap = 40 }) end
    for _ = 1, 4 do
      crash(worker)
      worker = counter(options)
      worker:send { op = "count" }
      until_state(worker, "waiting")
    end
    crash(worker)
    assert.equal(3, counter(options):ask { op = "count" })
  end)
end)
