--- The tests of coalescing.c: one computation for all who ask at the same time.

local place = require "spec.support.place"

describe("computing once for all:", function()
  local program = place.build .. "/spec/coalescing"

  for name in place.run({ program }).out:gmatch("[^\n]+") do
    it(name, function()
      local run = place.run { program, name }
      assert.equal("", run.err)
      assert.equal(0, run.code)
    end)
  end
end)
