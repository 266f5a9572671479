--- Versions of policies, as methods of cairn.Policies: versions, show, diff, rollback,
--- promote.
---
--- The user's file is the truth: to go back is to write an earlier version over it, and
--- every engine that watches the directory follows. bindings/lua_policies.c runs this
--- file and says what `core` offers.

local methods, core = ...

local SHOWN = 12 -- characters of a hash that name a version
local LOGS = { "/.versions/log.1.jsonl", "/.versions/log.jsonl" } -- the older first

local function short(hash)
  return hash:sub(1, SHOWN)
end

local function fail(code, format, ...)
  return nil, format:format(...), code
end

local function check_name(name, argument)
  if type(name) ~= "string" then
    error(("bad argument #%d: name: string expected, got %s"):format(argument, type(name)), 3)
  end
end

local function check_version(version, argument, called)
  if version ~= nil and type(version) ~= "string" then
    error(("bad argument #%d: %s: string expected, got %s"):format(argument, called,
      type(version)), 3)
  end
end

-- -- Which version is meant ---------------------------------------------------------------

-- Hashes of all versions of a policy that can be had, the one taken last first; the shipped
-- one, which has no time, is the last.
local function kept(self, name)
  local versions, message, code = core.versions(self, name)
  if not versions then return nil, message, code end
  local seen = {}
  for _, each in ipairs(versions) do seen[each.version] = true end
  local shipped = core.shipped(name)
  local hash = shipped and core.hash(shipped)
  if hash and not seen[hash] then versions[#versions + 1] = { version = hash } end
  return versions
end

local function list_shown(versions)
  local names = {}
  for i, each in ipairs(versions) do names[i] = short(each.version) end
  return #names > 0 and table.concat(names, ", ") or "none"
end

-- The full hash for the first characters of one.
local function find(self, name, version)
  local versions, message, code = kept(self, name)
  if not versions then return nil, message, code end
  local wanted, fitting = version:lower(), {}
  for _, each in ipairs(versions) do
    local fits = each.version:sub(1, #wanted) == wanted
    if fits and wanted ~= "" then fitting[#fitting + 1] = each end
  end
  if #fitting == 1 then return fitting[1].version end
  if #fitting > 1 then
    return fail("invalid_argument", "%s: version '%s' could be %s", name, version,
      list_shown(fitting))
  end
  return fail("not_found", "%s: no version begins with '%s' (kept: %s)", name, version,
    list_shown(versions))
end

local function source_of(self, name, hash)
  local source, message, code = core.version(self, name, hash)
  if source or code ~= "not_found" then return source, message, code end
  local shipped = core.shipped(name)
  if shipped and core.hash(shipped) == hash then return shipped end
  return nil, message, code
end

-- -- Which one decided before -------------------------------------------------------------

-- Going back to a version forgets those that came after it.
local function push(history, hash)
  if not hash then return end
  for i = #history, 1, -1 do
    if short(history[i]) == short(hash) then
      for j = i + 1, #history do history[j] = nil end
      return
    end
  end
  history[#history + 1] = hash
end

local function read_log(path, name, history)
  local from_json = require("cairn").from_json
  local file = io.open(path, "rb")
  if not file then return end
  for line in file:lines() do
    local told = line:find('"loaded"', 1, true) or line:find('"removed"', 1, true)
    local event = told and from_json(line)
    if type(event) == "table" and event.policy == name then
      if event.event == "loaded" and type(event.version) == "string" then
        push(history, event.version)
      elseif event.event == "removed" then
        push(history, history.shipped)
      end
    end
  end
  file:close()
end

-- The versions that decided, one after the other, as far as the log can tell; the shipped
-- one did first, and does where there is no file.
local function history_of(self, name)
  local shipped = core.shipped(name)
  local history = { shipped and core.hash(shipped) }
  history.shipped = history[1]
  for _, log in ipairs(LOGS) do read_log(core.directory(self) .. log, name, history) end
  return history
end

local function nothing_before(self, name, hash)
  return fail("not_found", "%s: there is no version before %s (kept: %s)", name, short(hash),
    list_shown(kept(self, name) or {}))
end

-- Without a log: the order in which they were taken.
local function taken_before(self, name, hash)
  local versions, message, code = kept(self, name)
  if not versions then return nil, message, code end
  for i, each in ipairs(versions) do
    if each.version == hash and versions[i + 1] then return versions[i + 1].version end
  end
  return nothing_before(self, name, hash)
end

local function before(self, name, hash)
  local history = history_of(self, name)
  for i = #history, 1, -1 do
    if short(history[i]) == short(hash) then
      if i > 1 then return find(self, name, history[i - 1]) end
      return nothing_before(self, name, hash)
    end
  end
  return taken_before(self, name, hash)
end

-- -- Methods --------------------------------------------------------------------------------

function methods.versions(self, name)
  check_name(name, 1)
  local source, hash, code = core.source(self, name)
  if not source then return nil, hash, code end
  local versions, message
  versions, message, code = kept(self, name)
  if not versions then return nil, message, code end
  for i, each in ipairs(versions) do
    versions[i] = {
      version = short(each.version), saved = each.saved or 0, current = each.version == hash,
    }
  end
  return versions
end

function methods.show(self, name, version)
  check_name(name, 1)
  check_version(version, 2, "version")
  local source, hash, code
  if not version then
    source, hash, code = core.source(self, name)
    if not source then return nil, hash, code end
    return source, short(hash)
  end
  local message
  hash, message, code = find(self, name, version)
  if not hash then return nil, message, code end
  source, message, code = source_of(self, name, hash)
  if not source then return nil, message, code end
  return source, short(hash)
end

function methods.diff(self, name, from, to)
  check_name(name, 1)
  check_version(from, 2, "from")
  check_version(to, 3, "to")
  local new, new_version, code = methods.show(self, name, to)
  if not new then return nil, new_version, code end
  local message
  if not from then
    from, message, code = find(self, name, new_version)
    if not from then return nil, message, code end
    from, message, code = before(self, name, from)
    if not from then return nil, message, code end
  end
  local old, old_version
  old, old_version, code = methods.show(self, name, from)
  if not old then return nil, old_version, code end
  return core.unified(old, new, name .. "@" .. old_version, name .. "@" .. new_version)
end

-- The text of the user's file; nil if there is none.
local function user_file(self, name)
  local file = io.open(core.directory(self) .. "/" .. name .. ".lua", "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

-- Where going back leads: from a file that was not taken to the version that was taken
-- last, by whomever; otherwise to the one before it.
local function way_back(self, name)
  local source, hash, code = core.source(self, name)
  if not source then return nil, hash, code end
  local text = user_file(self, name)
  if not text or core.hash(text) == hash then return before(self, name, hash) end
  local history = history_of(self, name)
  return find(self, name, history[#history] or hash)
end

function methods.rollback(self, name, version)
  check_name(name, 1)
  check_version(version, 2, "version")
  local hash, message, code
  if version then
    hash, message, code = find(self, name, version)
  else
    hash, message, code = way_back(self, name)
  end
  if not hash then return nil, message, code end
  local source
  source, message, code = source_of(self, name, hash)
  if not source then return nil, message, code end
  hash, message, code = core.install(self, name, source)
  if not hash then return nil, message, code end
  return short(hash)
end

function methods.promote(self, name)
  check_name(name, 1)
  local source, hash, code = core.canary(self, name)
  if not source then return nil, hash, code end
  local message
  hash, message, code = core.install(self, name, source)
  if not hash then return nil, message, code end
  local ended
  ended, message, code = self:abandon(name)
  if not ended and code ~= "not_found" then return nil, message, code end
  return short(hash)
end
