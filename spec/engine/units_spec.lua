--- The tests of units.c and chain_units.c: what of the C interface Lua cannot see.

local place = require "spec.support.place"

for _, name_of in ipairs { "units", "chain_units" } do
  describe("the C interface:", function()
    local program = place.build .. "/spec/" .. name_of

    for name in place.run({ program }).out:gmatch("[^\n]+") do
      it(name, function()
        local run = place.run { program, name }
        assert.equal(0, run.code, run.err)
      end)
    end
  end)
end
