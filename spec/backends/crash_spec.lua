--- A process that is killed while it writes: what it acknowledged is there, and the tree hangs
--- together.

local cairn = require "cairn"
local uv = require "luv"

local backends = require "spec.support.backends"
local place = require "spec.support.place"

local KILLS = tonumber(os.getenv("CAIRN_KILLS") or 3)

--- Every entry beneath `group` must be what it is listed as; returns how many there are.
local function check_tree(store, group)
  local count = 0
  for name, value, kind in assert(store:range(group)) do
    local path = group == "" and name or group .. "/" .. name
    local stat = assert(store:stat(path))
    assert.equal(kind, stat.type)
    if kind == "simple" then
      assert.equal(#value, stat.size)
      assert.equal(value, store:read(path))
    elseif kind == "composite" then
      assert.equal("composite", store:type(path))
      count = count + check_tree(store, path)
    end
    count = count + 1
  end
  return count
end

for _, backend in ipairs(backends) do
  if backend.lasting then
    describe("a " .. backend.name .. " store whose process was killed", function()
      it("has what was acknowledged, and nothing half", function()
        local directory = place.fresh()
        finally(function() place.remove(directory) end)
        local url = backend.url(directory)
        for kill = 1, KILLS do
          local writer = place.start({
            "/usr/bin/env", "lua5.4", "spec/support/killed_writer.lua", url,
          }, { env = { LUA_CPATH = place.build .. "/?.so;;" } })
          place.until_said(writer, "%d+\n", 60)
          local deadline = uv.hrtime() + (200 + 150 * kill) * 1000000
          while uv.hrtime() < deadline do uv.run("nowait") end
          place.signal(writer, "sigkill")
          place.wait(writer)
          assert.equal("", writer.err)

          local last = assert(math.tointeger(writer.out:match("(%d+)\n[^\n]*$")))
          local store <close> = assert(cairn.open(url))
          assert.is_true(math.tointeger(store:read("acknowledged")) >= last)
          assert.is_true(check_tree(store, "") > 0)
          if backend.batch then
            -- Values of one batch stand and fall together; only deletes of "a" part them.
            for group in assert(store:list()) do
              if group:find("^g") then
                for child in assert(store:list(group)) do
                  local a = store:read({ group, child, "a" })
                  local b = store:read({ group, child, "b" })
                  assert.is_true(a == nil or a == b, group .. "/" .. child)
                end
              end
            end
          end
          assert(store:write("after/the/kill", "v", { sync = true }))
        end
        for _, file in ipairs(place.files(directory .. "/store")) do
          assert.is_nil(file:find("%.tmp"), file) -- nothing stray
        end
      end)
    end)
  end
end
