--- `ln`, `mkgroup` and `rm`.

local failure = require "cairn.program.failure"
local output = require "cairn.program.output"
local progress = require "cairn.program.progress"
local access = require "cairn.program.access"

local check = failure.check

local changes = {}

---@param line cairn.program.Line
function changes.ln(line)
  local existing, new = access.path(line.operands[1]), access.path(line.operands[2])
  local store <close> = access.open_to_write()
  local _, made = check(store:link(existing, new))
  if made or existing == new then return end
  local there = check(store:stat(new))
  if there.target == existing then return end
  failure.raise("conflict", "'%s' exists already and was kept", new)
end

---@param line cairn.program.Line
function changes.mkgroup(line)
  local store <close> = access.open_to_write()
  for _, path in ipairs(line.operands) do check(store:group(path)) end
end

-- -- rm ------------------------------------------------------------------------------

local BATCH = 500

-- Removes the leaves of a tree, group by group, so that it can be told how far it is.
-- What it raises (an entry that makes no sense) is left to the removal of the group too.
local function thin_out(store, group, shown, done)
  local doomed = {}
  local function strike()
    if #doomed == 0 then return end
    -- What fails here (somebody else was faster) is left to the removal of the group.
    store:batch(function(batch)
      for _, path in ipairs(doomed) do batch:delete(path) end
    end, { in_steps = true })
    done = done + #doomed
    doomed = {}
    shown:update(done)
  end
  local names, message, code, closed = access.list(store, group)
  check(names, message, code)
  for name, kind in names, nil, nil, closed do
    local path = access.join(group, name)
    if kind == "composite" then done = thin_out(store, path, shown, done) end
    doomed[#doomed + 1] = path
    if #doomed == BATCH then strike() end
  end
  strike()
  return done
end

local function remove(store, path, recursive, shown)
  if path == "" then
    output.problem("rm", failure.new("the root cannot be removed, only what is in it",
      "invalid_argument"))
    return false
  end
  local stat = recursive and shown:visible() and store:stat(path)
  if stat and stat.type == "composite" then
    local ok, problem = pcall(thin_out, store, path, shown, 0)
    if not ok and not failure.is(problem) then error(problem, 0) end
  end
  local done, message, code = store:delete(path, { recursive = recursive })
  if done then return true end
  output.problem("rm", failure.new(message, code))
  return false
end

---@param line cairn.program.Line
function changes.rm(line)
  local recursive = line.options.recursive or false
  local paths = {}
  for i, path in ipairs(line.operands) do paths[i] = access.path(path) end
  local store <close> = access.open_existing()
  local shown <close> = progress.start("rm", "entries")
  local status = 0
  for _, path in ipairs(paths) do
    if not remove(store, path, recursive, shown) then status = 1 end
  end
  return status
end

return changes
