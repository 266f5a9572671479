--- The conformance report: one line a backend, printed after the suite.

local busted = require "busted"

local report = {}

--- Counts the tests whose outermost block is a backend's, by how they ended. Tests that say
--- "unsupported" hold the backend to refusing what it cannot do.
---@param backends spec.Backend[]
function report.count(backends)
  local tallies = {}
  for _, backend in ipairs(backends) do
    tallies["a " .. backend.name .. " store"] = { passed = 0, failed = 0, unsupported = 0 }
  end

  busted.subscribe({ "test", "end" }, function(element, block, status)
    while block and not tallies[block.name] do block = busted.parent(block) end
    if block then
      local tally = tallies[block.name]
      if status ~= "success" then
        tally.failed = tally.failed + 1
      elseif element.name:find("unsupported", 1, true) then
        tally.unsupported = tally.unsupported + 1
      else
        tally.passed = tally.passed + 1
      end
    end
    return nil, true -- let the others hear it
  end)

  busted.subscribe({ "suite", "end" }, function()
    for _, backend in ipairs(backends) do
      local tally = tallies["a " .. backend.name .. " store"]
      print(("conformance %-8s %4d passed %4d failed %4d unsupported as declared"):format(
        backend.name, tally.passed, tally.failed, tally.unsupported))
    end
    return nil, true
  end)
end

return report
