--- Many threads against one store: what stress.c checks, for a few seconds on every backend.
--- CAIRN_STRESS_SECONDS makes it longer.

local backends = require "spec.support.backends"
local place = require "spec.support.place"

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local SECONDS = os.getenv("CAIRN_STRESS_SECONDS") or "3"

--- Looks at the keys themselves: each lies in a group that has a key, and each chunk belongs to a
--- value.
local function assert_whole(directory)
  local kinds, chunks, values = { [""] = 3 }, {}, {}
  local listing = place.run { place.build .. "/spec/rocks", directory, "keys" }
  assert.equal(0, listing.code, listing.err)
  for key, value in listing.out:gmatch("%S+ (%x+) (%x+)\n") do
    local parent, name = unhex(key):match("^(%Z*)%z(.*)$")
    local path = parent == "" and name or parent .. "/" .. name
    local chunk = parent:match("^/chunks/(.*)$")
    if chunk then
      chunks[chunk] = path
    else
      kinds[path] = tonumber(value:sub(2, 2), 16) -- the low half of the first byte
      values[#values + 1] = unhex(value)
    end
  end
  for path in pairs(kinds) do
    local parent = path:match("^(.*)/") or ""
    assert.equal(3, kinds[parent], path .. " lies in no group")
  end
  local all = table.concat(values, "\n")
  for chunk, path in pairs(chunks) do
    assert.is_truthy(all:find(chunk, 1, true), path .. " belongs to no value")
  end
end

for _, backend in ipairs(backends) do
  describe("threads that share a " .. backend.name .. " store", function()
    it("leave a tree that hangs together", function()
      local directory = place.fresh()
      finally(function() place.remove(directory) end)
      local run = place.run({
        place.build .. "/spec/stress", backend.url(directory), "--seconds", SECONDS,
      }, { seconds = tonumber(SECONDS) * 5 + 120 })
      assert.equal(0, run.code, run.err .. run.out)
      assert.equal("", run.err)
      assert.matches("entries hang together", run.out)
      assert.matches("conflict %d+", run.out) -- they did meet
      if backend.name == "rocksdb" then assert_whole(directory .. "/store") end
    end)
  end)
end
