--- What policies_stress.c checks: decisions while policies change, and what thousands of versions
--- leave behind. CAIRN_STRESS_SECONDS makes it longer.

local place = require "spec.support.place"

local SECONDS = os.getenv("CAIRN_STRESS_SECONDS") or "3"
local RELOADS = tostring(tonumber(SECONDS) * 100)

describe("policies under load", function()
  local directory

  before_each(function() directory = place.fresh() end)
  after_each(function() place.remove(directory) end)

  local function run(...)
    local process = place.run({ place.build .. "/spec/policies_stress", directory, ... },
      { seconds = tonumber(SECONDS) * 10 + 120 })
    assert.equal("", process.err)
    assert.equal(0, process.code, process.out)
    return process.out
  end

  it("decide as one version or the next, whatever happens to the files", function()
    local decisions, versions = run("--seconds", SECONDS):match(
      "^(%d+) decisions by up to (%d+) versions, 0 mistakes")
    assert.is_true(tonumber(decisions) > 1000)
    assert.is_true(tonumber(versions) > 10)
  end)

  it("leave nothing behind of versions that are gone", function()
    assert.matches("grown by %-?%d+ KiB; 0 mistakes", run("--reloads", RELOADS))
  end)
end)
