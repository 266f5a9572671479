--- A worker that is killed between being told what another one computed and hearing of it.

local cairn = require "cairn"

local workplace = require "spec.support.workplace"

local until_state = workplace.until_state

describe("a worker that waits for a computation, up to a timeout", function()
  local here, cache, workers

  before_each(function()
    here = workplace.new()
    here:handler("asker", [[
      return { handle = function(_, request, context)
        for _ = 1, request.spin or 0 do end
        if not request.key then return true end
        return (context.cache:resolve({ base = 1 }, { key = request.key },
          function() return "its own" end, { timeout = 300 }))
      end }
    ]])
    cache = assert(cairn.cache { store = "memory:", policies = false })
    workers = here:open { cache = cache, loops = 1, slice = 5000 }
  end)
  after_each(function()
    here:close()
    cache:close()
  end)

  it("can be killed when it was told and has not had its turn", function()
    local asker = assert(workers:worker { handler = "asker", group = "asker" })
    local busy = assert(workers:worker { handler = "asker", group = "busy" })
    assert.is_true(busy:ask {})
    assert(cache:resolve({ base = 1 }, { key = "k" }, function()
      asker:send { key = "k" }
      until_state(asker, "waiting")
      busy:send { spin = 5000000 }
      until_state(busy, "running")
      return "told"
    end))
    asker:kill()
    assert.is_true(busy:ask {})
    cairn.sleep(400) -- its timer would have come by now
    local other = assert(workers:worker { handler = "asker", group = "other" })
    assert.equal("its own", other:ask { key = "another" })
  end)
end)
