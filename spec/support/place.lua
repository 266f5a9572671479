--- Where a spec works: directories of its own, the build under test, other processes.

local lfs = require "lfs"
local uv = require "luv"

local place = {}

--- The build under test; CAIRN_BUILD names another than `build`, e.g. build/asan.
place.build = os.getenv("CAIRN_BUILD") or "build"

if place.build:sub(1, 1) ~= "/" then
  place.build = lfs.currentdir() .. "/" .. place.build
end

--- An empty directory that nobody else uses.
---@return string
function place.fresh()
  return assert(uv.fs_mkdtemp("/tmp/cairn-spec-XXXXXX"))
end

--- Removes a directory with everything in it; links are not followed.
---@param path string
function place.remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then place.remove(path .. "/" .. name) end
    end
  end
  os.remove(path)
end

--- Every file and link beneath a directory, as sorted paths relative to it.
---@param path string
---@return string[]
function place.files(path)
  local found = {}
  local function walk(at)
    for name in lfs.dir(path .. at) do
      if name ~= "." and name ~= ".." then
        local below = at .. "/" .. name
        if lfs.symlinkattributes(path .. below, "mode") == "directory" then
          walk(below)
        else
          found[#found + 1] = below:sub(2)
        end
      end
    end
  end
  walk("")
  table.sort(found)
  return found
end

---@param path string
---@return string
function place.content(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

---@param path string
---@param bytes string
function place.put(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

---@class spec.Process
---@field pid integer
---@field code integer? exit code, once it has ended
---@field signal integer? what ended it, if a signal did
---@field out string what it printed so far
---@field err string what it complained so far

-- A stock interpreter loads a module with AddressSanitizer in it only if that library came
-- first; scripts/test names it here.
local preload = os.getenv("CAIRN_PRELOAD")

local function is_stock(words)
  for _, word in ipairs(words) do
    if word:match("lua5%.4$") then return true end
  end
  return false
end

--- The environment of a program, as `name=value` strings; nil: ours.
local function environment_of(words, extra)
  local stock = preload and is_stock(words)
  if not extra and not stock then return nil end
  local merged = uv.os_environ()
  for name, value in pairs(extra or {}) do merged[name] = value end
  if stock then
    merged.LD_PRELOAD, merged.ASAN_OPTIONS = preload, "detect_leaks=0"
  end
  local list = {}
  for name, value in pairs(merged) do list[#list + 1] = name .. "=" .. value end
  return list
end

--- Starts a program. Its output is collected; `place.wait` and `place.until_said` let it come in.
---@param words string[] program and arguments
---@param options? { cwd: string?, env: table<string, string>? }
---@return spec.Process
function place.start(words, options)
  options = options or {}
  local process = { out = "", err = "", open = 3 }
  local pipes = { out = uv.new_pipe(), err = uv.new_pipe() }
  local handle
  local function ended()
    process.open = process.open - 1
  end
  handle, process.pid = uv.spawn(words[1], {
    args = table.move(words, 2, #words, 1, {}),
    stdio = { nil, pipes.out, pipes.err },
    cwd = options.cwd,
    env = environment_of(words, options.env),
  }, function(code, signal)
    process.code, process.signal = code, signal
    handle:close(ended)
  end)
  assert(handle, process.pid)
  for stream, pipe in pairs(pipes) do
    pipe:read_start(function(_, bytes)
      if bytes then
        process[stream] = process[stream] .. bytes
      else
        pipe:close(ended)
      end
    end)
  end
  return process
end

--- Lets the world go on until `arrived()` or for `seconds`; says whether it did arrive.
local function turn_until(arrived, seconds)
  local late = false
  local timer = uv.new_timer()
  uv.update_time() -- the loop's clock stood still since it last ran: a minute may have gone by
  timer:start(math.floor(seconds * 1000), 0, function() late = true end)
  while not late and not arrived() do uv.run("once") end
  timer:close()
  uv.run("nowait")
  return not late
end

--- Waits for the end of a process and of its output.
---@param process spec.Process
---@param seconds? number at most; default 120
---@return spec.Process
function place.wait(process, seconds)
  local ended = turn_until(function() return process.open == 0 end, seconds or 120)
  if not ended then
    uv.kill(process.pid, "sigkill")
    error("process " .. process.pid .. " did not end; it said: " .. process.out .. process.err)
  end
  return process
end

--- Waits until a process has printed something that matches.
---@param process spec.Process
---@param pattern string
---@param seconds? number at most; default 60
function place.until_said(process, pattern, seconds)
  local said = turn_until(function()
    return process.out:find(pattern) or process.open == 0
  end, seconds or 60)
  if not (said and process.out:find(pattern)) then
    error(("no %q came, but: %s%s"):format(pattern, process.out, process.err))
  end
end

---@param process spec.Process
---@param signal string "sigkill", ...
function place.signal(process, signal)
  assert(uv.kill(process.pid, signal))
end

--- Runs a program to its end.
---@param words string[]
---@param options? { cwd: string?, env: table<string, string>?, seconds: number? }
---@return spec.Process
function place.run(words, options)
  return place.wait(place.start(words, options), options and options.seconds)
end

return place
