--- What cache_sharing.c checks: one cache in many Lua states, on as many threads.
--- CAIRN_STRESS_SECONDS makes it longer.

local place = require "spec.support.place"

local STATES = 4
local TURNS = 60 * tonumber(os.getenv("CAIRN_STRESS_SECONDS") or "3")

describe("a cache that several Lua states have", function()
  it("is one, until the last of them lets go", function()
    local directory = place.fresh()
    finally(function() place.remove(directory) end)
    local process = place.run(
      { place.build .. "/spec/cache_sharing", directory, "--turns", tostring(TURNS) },
      { seconds = 200 })
    assert.equal("", process.err)
    assert.equal(0, process.code, process.out)
    local messages = tonumber(process.out:match("^(%d+) messages, %d+ results kept\n$"))
    -- Of each state its own in each turn; what all write is written once.
    assert.is_true(messages >= STATES * TURNS + TURNS, process.out)
  end)
end)
