--- What worker_stress.c checks: workers that are asked, ended and closed from all sides at once.
--- CAIRN_STRESS_SECONDS makes it longer.

local place = require "spec.support.place"

local SECONDS = os.getenv("CAIRN_STRESS_SECONDS") or "3"

describe("workers under load", function()
  it("answer each request once, whoever ends them, and lose none in a clean stop", function()
    local process = place.run({ place.build .. "/spec/worker_stress", "--seconds", SECONDS },
      { seconds = tonumber(SECONDS) * 10 + 120 })
    assert.equal("", process.err)
    assert.equal(0, process.code, process.out)
    local requests, what = process.out:match("^(%d+) requests in %d+ rounds, 0 mistakes: (.*)")
    assert.is_true(tonumber(requests) > 1000)
    for count, name in what:gmatch("(%d+) (%a+)") do
      assert.is_true(tonumber(count) > 0, "it comes to " .. name)
    end
  end)
end)
