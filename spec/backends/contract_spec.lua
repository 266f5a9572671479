--- What every backend promises, whatever it keeps things in: one suite, run against each row of
--- spec/support/backends.lua. Each part is a file in contract/.

local cairn = require "cairn"
local lfs = require "lfs"

local backends = require "spec.support.backends"
local place = require "spec.support.place"

local PARTS = {
  "paths", "reading", "writing", "conditions", "groups", "links", "listing", "stat",
  "deleting", "batches", "transactions", "snapshots", "packs", "streams", "lifetime",
}

for _, backend in ipairs(backends) do
  describe("a " .. backend.name .. " store", function()
    -- What the parts are given: they look at `case.store` when a test runs.
    local case = { backend = backend }

    setup(function()
      case.directory = place.fresh()
      case.url = backend.url(case.directory)
      case.store = assert(cairn.open(case.url))
    end)

    --- The URL of another store of this kind.
    function case.beside(name)
      local directory = case.directory .. "/" .. name
      lfs.mkdir(directory)
      return backend.url(directory)
    end

    teardown(function()
      case.store:close()
      place.remove(case.directory)
    end)
    before_each(function()
      assert(case.store:reset())
    end)

    for _, part in ipairs(PARTS) do
      local file = "spec/backends/contract/" .. part .. ".lua"
      assert(loadfile(file, "t", _ENV))(case) -- _ENV: busted's words live there
    end
  end)
end

if os.getenv("CAIRN_REPORT") then require("spec.support.report").count(backends) end
