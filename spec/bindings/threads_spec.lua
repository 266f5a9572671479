--- Two Lua states on two threads, each with a handle of its own on one store.

local cairn = require "cairn"
local uv = require "luv"

local backends = require "spec.support.backends"
local place = require "spec.support.place"

local COUNT = 500

--- Runs in a thread of its own, in a fresh state: sees nothing of this file.
local function count_up(url, cpath, name, count, transactions)
  package.cpath = cpath
  local store = assert(require("cairn").open(url))
  for i = 1, count do
    assert(store:write(("own/%s/%d"):format(name, i), tostring(i)))
    if transactions then
      assert(store:transaction(function(tx)
        tx:write("counter", tostring(math.tointeger(tx:read("counter")) + 1))
      end, { retries = 100000 }))
    else
      repeat
        local seen = assert(store:read("counter"))
        local ok, message, code = store:write("counter", tostring(math.tointeger(seen) + 1),
          { if_equal = seen })
        assert(ok or code == "conflict", message)
      until ok
    end
  end
  store:close()
end

for _, backend in ipairs(backends) do
  -- A memory store is its opener's own; no other state can open it.
  if backend.lasting then
    describe("two Lua threads on one " .. backend.name .. " store", function()
      it("lose nothing of what they count and write", function()
        local directory = place.fresh()
        finally(function() place.remove(directory) end)
        local url = backend.url(directory)
        local store <close> = assert(cairn.open(url))
        assert(store:write("counter", "0"))
        local threads = {}
        for _, name in ipairs { "one", "two" } do
          threads[#threads + 1] = uv.new_thread(
            count_up, url, package.cpath, name, COUNT, backend.batch)
        end
        for _, thread in ipairs(threads) do thread:join() end
        assert.equal(tostring(2 * COUNT), store:read("counter"))
        for _, name in ipairs { "one", "two" } do
          local there = 0
          for child, value in assert(store:range("own/" .. name)) do
            assert.equal(child, value)
            there = there + 1
          end
          assert.equal(COUNT, there)
        end
      end)
    end)
  end
end
