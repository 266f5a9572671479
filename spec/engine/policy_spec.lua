--- The tests of policy_units.c: the seam above, with a policy in C.

local place = require "spec.support.place"

describe("the seam to policies:", function()
  local program = place.build .. "/spec/policy_units"

  for name in place.run({ program }).out:gmatch("[^\n]+") do
    it(name, function()
      local run = place.run { program, name }
      assert.equal(0, run.code, run.err)
    end)
  end
end)
