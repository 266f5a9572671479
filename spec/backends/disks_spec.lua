--- Disks that are full or read-only: a clear error, and what was there before is still there.

local cairn = require "cairn"
local lfs = require "lfs"

local backends = require "spec.support.backends"
local place = require "spec.support.place"

-- In a process of its own: so it shows whether that survives the full disk.
local FILL = [[
  io.stdout:setvbuf("no")
  local cairn = require "cairn"
  local store = assert(cairn.open(arg[1]))
  assert(store:write("kept/before", "safe", { sync = true }))
  math.randomseed(1)
  local junk = {}
  for i = 1, 4096 do junk[i] = string.char(math.random(0, 255)) end
  junk = table.concat(junk)
  for i = 1, 100000 do
    local ok, message, code = store:write("junk/" .. i, junk, { sync = true })
    if not ok then
      print("refused", code, message)
      print("still", store:read("kept/before"))
      print("half", store:type("junk/" .. i))
      for _ = 1, 1000 do assert(store:read("kept/before")) end -- time to fall over
      print("room", store:delete("junk/1"))
      break
    end
  end
]]

for _, backend in ipairs(backends) do
  if backend.lasting then
    describe("a " .. backend.name .. " store on a disk that fails", function()
      local directory, mount, url

      local function mounting(...)
        return place.run { "/usr/bin/env", "mount", ... }.code == 0
      end

      --- False where nobody may mount.
      local function mounted(options)
        return mounting("-t", "tmpfs", "-o", options, "tmpfs", mount)
      end

      before_each(function()
        directory = place.fresh()
        mount = directory .. "/disk"
        lfs.mkdir(mount)
        url = backend.url(mount)
      end)
      after_each(function()
        collectgarbage()
        place.run { "/usr/bin/env", "umount", "-l", mount }
        place.remove(directory)
      end)

      it("says so when the disk is full, and keeps what was there", function()
        if not mounted("size=3m") then return pending("mounting is not permitted here") end
        place.put(directory .. "/fill.lua", FILL)
        local run = place.run({ "/usr/bin/env", "lua5.4", directory .. "/fill.lua", url },
          { env = { LUA_CPATH = place.build .. "/?.so;;" } })
        local code, message = run.out:match("refused\t(%S+)\t([^\n]*)")
        assert.is_string(code, run.out .. run.err)
        assert.equal("io", code)
        assert.matches("[Nn]o space", message)
        assert.matches("still\tsafe", run.out)
        assert.matches("half\tnil", run.out)
        assert.matches("room\ttrue", run.out)
        assert.equal(0, run.code, run.err)
        -- With room again, everything that was there is there.
        assert.is_true(mounting("-o", "remount,size=64m", mount))
        local store <close> = assert(cairn.open(url))
        assert.equal("safe", store:read("kept/before"))
        for name, value in assert(store:range("junk")) do
          assert.equal(4096, #value, name)
        end
        assert(store:write("more", "room", { sync = true }))
      end)

      it("says so when the disk is read-only, and changes nothing", function()
        if not mounted("size=64m") then return pending("mounting is not permitted here") end
        do
          local store <close> = assert(cairn.open(url))
          assert(store:write("a", "1", { sync = true }))
        end
        assert.is_true(mounting("-o", "remount,ro", mount))
        local store, message, code = cairn.open(url)
        if store then -- it can be read; only a change shows it
          assert.equal("1", store:read("a"))
          local ok
          ok, message, code = store:write("a", "2")
          assert.is_nil(ok)
          store:close()
        end
        assert.equal("io", code)
        assert.matches("[Rr]ead%-only", message)
        assert.is_true(mounting("-o", "remount,rw", mount))
        local again <close> = assert(cairn.open(url))
        assert.equal("1", again:read("a"))
      end)
    end)
  end
end
