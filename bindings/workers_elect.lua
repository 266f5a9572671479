-- workers_elect.lua -- which of several processes leads, on a store that they share.
--
-- Leaders of a name have terms, 1, 2, ...: who writes the entry of the next term first has it,
-- which needs of the store no more than a put that fails where something is. The entry says who
-- it is and until when; its owner alone writes it again, to prolong it. The next term may be
-- begun when the last one has run out. A leader that slept through its own end renews by beginning
-- the next term itself, unless somebody has: its writes carry the term, as a fence (Gray and
-- Cheriton, "Leases", 1989; Burrows, "The Chubby lock service", 2006, on sequencers).

local cairn = ...

local LEASE_MS = 10000
local SPARE = 10 -- the part of a lease that is left to clocks that differ
local TERM = "%016d"
local FRESH = { fresh = true } -- who leads is another process's to say

local lease_class = {}
lease_class.__index = lease_class

local function folder_of(name)
  return "~leaders/" .. cairn.id(name)
end

-- A name that nobody else has.
local function new_name()
  local random = assert(io.open("/dev/urandom", "rb"))
  local bytes = random:read(18)
  random:close()
  return cairn.id(bytes)
end

local function entry(lease, ends)
  return cairn.to_json { owner = lease.owner, name = lease.name, ends = ends }
end

-- The last term there is, 0 for none; nil, message, code if that cannot be told.
local function last_term(chain, folder)
  local names, message, code = chain:list(folder)
  if not names then
    if code == "not_found" then return 0 end
    return nil, message, code
  end
  local last = 0
  for name in names do
    local term = math.tointeger(tonumber(name))
    if term and term > last then last = term end
  end
  return last
end

-- Who leads in a term, and until when; an entry that is being written leads for a lease.
local function read_term(chain, folder, term)
  local text, message, code = chain:read(folder .. "/" .. TERM:format(term), FRESH)
  if not text then return nil, message, code end
  local found = cairn.from_json(text)
  if type(found) ~= "table" or math.type(found.ends) ~= "integer" then
    return nil, ("no lease: '%s/%016d'"):format(folder, term), "corrupt"
  end
  return found
end

-- `ends`: nil if that was not looked at.
local function conflict(name, term, ends)
  return nil, ("'%s' is led by another one, in term %d%s"):format(name, term,
    ends and (", until %d"):format(ends) or ""), "conflict"
end

-- What was before the last two terms is of no use.
local function clear(chain, folder, term)
  for old = term - 2, math.max(1, term - 8), -1 do
    chain:delete(folder .. "/" .. TERM:format(old))
  end
end

local function check_term(lease)
  local term, message, code = last_term(lease.chain, lease.folder)
  if not term then return nil, message, code end
  if term ~= lease.token then
    lease.ends = 0
    return conflict(lease.name, term)
  end
  return true
end

local function put(lease, term, ends, options)
  local ok, message, code = lease.chain:write(lease.folder .. "/" .. TERM:format(term),
    entry(lease, ends), options)
  if not ok then return nil, message, code end
  return true
end

-- Begins the term after `term`. It is looked at afterwards whether that is the last one: who took
-- his time may have written one that was cleared away long ago.
local function begin_term(lease, term)
  local ends = lease.now() + lease.length
  local ok, message, code = put(lease, term + 1, ends, { if_absent = true })
  if not ok and code == "conflict" then return conflict(lease.name, term + 1) end
  if ok then
    lease.token = term + 1 -- not before: what another one has is not its to renew or release
    ok, message, code = check_term(lease)
  end
  if not ok then return nil, message, code end
  lease.ends = ends
  clear(lease.chain, lease.folder, lease.token)
  return true
end

--- `now()` is the time in ms, `chain` the store. An `owner` has what he had before, and did not
--- release: who says who he is leads it no more.
---@return cairn.Lease?
local function elect(chain, name, lease_ms, now, owner)
  local folder = folder_of(name)
  local term, message, code = last_term(chain, folder)
  if not term then return nil, message, code end
  if term > 0 then
    local last
    last, message, code = read_term(chain, folder, term)
    if not last and code == "not_found" then return conflict(name, term + 1) end
    if not last then return nil, message, code end
    if last.ends > now() and last.owner ~= owner then return conflict(name, term, last.ends) end
  end
  local lease = setmetatable({
    name = name, owner = owner or new_name(), chain = chain, folder = folder, ends = 0,
    length = lease_ms or LEASE_MS, now = now,
  }, lease_class)
  local ok
  ok, message, code = begin_term(lease, term)
  if not ok then return nil, message, code end
  return lease
end

-- What has run out is nobody's: whoever read so may be about to begin the next term.
local function prolong(lease)
  local ends = lease.now() + lease.length
  local ok, message, code = check_term(lease)
  if ok then ok, message, code = put(lease, lease.token, ends) end
  -- Somebody may have begun the next term before what was written could be read.
  if ok then ok, message, code = check_term(lease) end
  if not ok then return nil, message, code end
  lease.ends = ends
  return true
end

function lease_class.renew(lease)
  if lease.is_released then
    return nil, ("the lease of '%s' was released"):format(lease.name), "conflict"
  end
  if lease.now() < lease.ends then return prolong(lease) end
  local ok, message, code = check_term(lease)
  if not ok then return nil, message, code end
  return begin_term(lease, lease.token)
end

function lease_class.holds(lease)
  return lease.now() < lease.ends - lease.length // SPARE
end

function lease_class.release(lease)
  local ok, message, code = check_term(lease)
  if ok then ok, message, code = put(lease, lease.token, 0) end
  lease.ends, lease.is_released = 0, true
  if not ok then return nil, message, code end
  return true
end

return elect, new_name
