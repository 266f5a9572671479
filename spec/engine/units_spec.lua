--- The tests of units.c: what of the C interface Lua cannot see.

local place = require "spec.support.place"

describe("the C interface:", function()
  local program = place.build .. "/spec/units"

  for name in place.run({ program }).out:gmatch("[^\n]+") do
    it(name, function()
      local run = place.run { program, name }
      assert.equal(0, run.code, run.err)
    end)
  end
end)
