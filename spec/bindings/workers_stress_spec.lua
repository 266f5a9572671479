--- What workers_stress.c and .lua check: workers that are started, asked, stopped, killed and
--- changed by several Lua states at once. CAIRN_STRESS_SECONDS makes it longer.

local place = require "spec.support.place"

local SECONDS = os.getenv("CAIRN_STRESS_SECONDS") or "3"

describe("workers of a process", function()
  it("answer what they are asked, whatever all its threads do to them", function()
    local directory = place.fresh()
    local process = place.run({
      place.build .. "/spec/workers_stress", "spec/bindings/workers_stress.lua", directory,
      "--seconds", SECONDS,
    }, { env = { XDG_RUNTIME_DIR = directory }, seconds = tonumber(SECONDS) * 10 + 120 })
    place.remove(directory)
    assert.equal("", process.err)
    assert.equal(0, process.code, process.out)
    local answers, versions, sets, kept = process.out:match("^(%d+) answers, (%d+) versions, "
      .. "(%d+) sets closed, (%d+) kept, %d+ states, 0 mistakes")
    assert.is_true(tonumber(answers) > 100)
    assert.is_true(tonumber(versions) > 5)
    assert.is_true(tonumber(sets) > 0)
    assert.is_true(tonumber(kept) > 10)
  end)
end)
