--- Everything beneath a path, one entry after the other: out of a store, into a store,
--- and as JSON lines in between (`cairn help export` describes these).

local base64 = require "cairn.base64"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local access = require "cairn.program.access"

local exchange = {}

local check = failure.check

--- Larger values pass in pieces of this size.
exchange.PIECE = 1 << 20

local BATCH_ENTRIES, BATCH_BYTES = 512, 4 << 20

---@class cairn.program.Entry
---@field path string
---@field type cairn.kind
---@field size integer
---@field target? string
---@field metadata? table<string, string|number|boolean>
---@field expires? integer ms

-- -- Out of a store ------------------------------------------------------------------

--- The entry at a path, nil if there is none (any more).
---@return cairn.program.Entry?
local function look(store, path)
  local stat, message, code = store:stat(path)
  if not stat then
    if code == "not_found" then return nil end
    failure.raise(code, "%s", message)
  end
  return {
    path = path, type = stat.type, size = stat.size, target = stat.target,
    metadata = stat.metadata, expires = stat.expires,
  }
end

local function walk_group(store, group, visit)
  local names, message, code, closed = access.list(store, group)
  if not names then
    if code == "not_found" then return end
    failure.raise(code, "%s", message)
  end
  for name in names, nil, nil, closed do
    local entry = look(store, access.join(group, name))
    if entry then
      visit(entry)
      if entry.type == "composite" then walk_group(store, entry.path, visit) end
    end
  end
end

--- Calls `visit` with the entry at `path` and all beneath it, groups before their
--- children; links are not followed. The root itself is not visited.
---@param store cairn.Store
---@param path string normal
---@param visit fun(entry: cairn.program.Entry)
function exchange.walk(store, path, visit)
  if path ~= "" then
    local stat = check(store:stat(path))
    visit(look(store, path) or failure.raise("not_found", "'%s' went away", path))
    if stat.type ~= "composite" then return end
  end
  walk_group(store, path, visit)
end

--- The value at a path from `offset`, at most `size` bytes, piece by piece: at least one
--- piece, so that an empty value is seen too.
---@return fun(): string?
function exchange.pieces(store, path, offset, size)
  local at, left = offset or 0, size or math.maxinteger
  local ended = false
  return function()
    if ended then return nil end
    local asked = math.min(left, exchange.PIECE)
    local piece = check(store:read_at(path, at, asked))
    at, left = at + #piece, left - #piece
    ended = #piece < asked or left == 0
    if piece == "" and at > (offset or 0) then return nil end
    return piece
  end
end

-- -- Into a store --------------------------------------------------------------------

---@class cairn.program.Sink
---@field count integer entries so far
---@field skipped integer entries that the store cannot hold
---@field first_skipped? string why the first of them was
local Sink = {}
Sink.__index = Sink

--- Collects changes and makes them in batches, where the store has these.
---@param store cairn.Store
---@return cairn.program.Sink
function exchange.sink(store)
  local self = { store = store, pending = {}, bytes = 0, count = 0, skipped = 0 }
  return setmetatable(self, Sink)
end

-- The result of a change, unless the store cannot hold such an entry: a link that
-- expires, metadata where files have none.
local function keep(self, result, message, code, ...)
  if result ~= nil or code ~= "unsupported" then return check(result, message, code, ...) end
  self.skipped = self.skipped + 1
  self.first_skipped = self.first_skipped or message
  return nil
end

-- Onto a store or a batch, which have the same methods.
local function make(onto, change)
  if change.value then return onto:write(change.path, change.value, change.options) end
  return onto:group(change.path)
end

function Sink:flush()
  local pending = self.pending
  if #pending == 0 then return end
  self.pending, self.bytes = {}, 0
  local done, message, code = self.store:batch(function(batch)
    for _, change in ipairs(pending) do make(batch, change) end
  end, { in_steps = true })
  if code ~= "unsupported" then
    check(done, message, code)
    self.count = self.count + #pending
    return
  end
  -- One by one, for the sake of all the others.
  for _, change in ipairs(pending) do
    if keep(self, make(self.store, change)) then self.count = self.count + 1 end
  end
end

--- At the end. That nothing at all could be kept is no success.
function Sink:finish()
  self:flush()
  if self.count == 0 and self.skipped > 0 then
    failure.raise("unsupported", "%s", self.first_skipped)
  end
end

--- Entries that have been seen so far.
function Sink:seen()
  return self.count + self.skipped + #self.pending
end

local function add(self, change, bytes)
  self.pending[#self.pending + 1] = change
  self.bytes = self.bytes + bytes
  if #self.pending >= BATCH_ENTRIES or self.bytes >= BATCH_BYTES then self:flush() end
end

local function options_of(entry)
  return { metadata = entry.metadata, expires = entry.expires }
end

function Sink:group(entry)
  add(self, { path = entry.path }, #entry.path)
end

function Sink:value(entry, value)
  local change = { path = entry.path, value = value, options = options_of(entry) }
  add(self, change, #entry.path + #value)
end

--- A value that comes in pieces.
---@return cairn.Writer
function Sink:begin()
  return check(self.store:writer())
end

function Sink:commit(entry, writer)
  self:flush() -- its parent may be among what is pending
  if keep(self, writer:commit(entry.path, options_of(entry))) then self.count = self.count + 1 end
end

-- To be known before something is removed to make room for such a link: one is made
-- beside everything else, once, and removed.
local function check_expiring_links(self, entry)
  if not entry.expires or self.links_expire then return true end
  local probe = (".cairn-import-%08x"):format(math.random(0, 0xffffffff))
  local made, message, code = self.store:link(entry.target, probe, { expires = entry.expires })
  if not made then
    message = message:gsub("%.cairn%-import%-%x+", function() return entry.path end)
    keep(self, nil, message, code)
    return false
  end
  self.store:delete(probe) -- not found: it has expired
  self.links_expire = true
  return true
end

--- Unlike store:link it replaces what is there.
function Sink:link(entry)
  local store, options = self.store, { expires = entry.expires }
  local linked, made = keep(self, store:link(entry.target, entry.path, options))
  if not linked then return end
  if made then
    self.count = self.count + 1
    return
  end
  local there = check(store:stat(entry.path))
  if there.type == "link" and there.target == entry.target
    and there.expires == entry.expires then
    self.count = self.count + 1
    return
  end
  if there.type == "composite" then
    failure.raise("is_group", "cannot put a link at '%s': a group is there", entry.path)
  end
  if not check_expiring_links(self, entry) then return end
  check(store:delete(entry.path))
  check(store:link(entry.target, entry.path, options))
  self.count = self.count + 1
end

--- Everything of one store into a sink.
---@param from cairn.Store
---@param sink cairn.program.Sink
---@param seen fun(count: integer, bytes: integer)
function exchange.copy(from, sink, seen)
  local bytes = 0
  exchange.walk(from, "", function(entry)
    if entry.type == "composite" then
      sink:group(entry)
    elseif entry.type == "link" then
      sink:link(entry)
    elseif entry.size <= exchange.PIECE then
      local value, message, code = from:read(entry.path)
      if not value and code ~= "not_found" then failure.raise(code, "%s", message) end
      if value then sink:value(entry, value) end
      bytes = bytes + entry.size
    else
      local writer <close> = sink:begin()
      for piece in exchange.pieces(from, entry.path) do
        check(writer:append(piece))
        bytes = bytes + #piece
        seen(sink:seen(), bytes)
      end
      sink:commit(entry, writer)
    end
    seen(sink:seen(), bytes)
  end)
  sink:finish()
end

-- -- As lines ------------------------------------------------------------------------

local function head(entry)
  return { "path", json.bytes(entry.path), "type", entry.type }
end

local function line_of(fields, ...)
  local more = table.pack(...)
  table.move(more, 1, more.n, 5, fields)
  fields.n = 4 + more.n
  return json.encode(json.object(fields)) .. "\n"
end

-- A NUL is six bytes in a JSON string: what has them is no text, whatever UTF-8 says.
local function value_bytes(bytes)
  if bytes:find("\0", 1, true) then return json.object { "base64", base64.encode(bytes) } end
  return json.bytes(bytes)
end

local function value_lines(store, entry, write, passed)
  local left = entry.size
  for piece in exchange.pieces(store, entry.path, 0, math.max(1, entry.size)) do
    left = left - #piece
    if left > 0 then
      write(line_of(head(entry), "value", value_bytes(piece), "more", true))
    else
      write(line_of(head(entry), "value", value_bytes(piece),
        "metadata", json.metadata(entry.metadata), "expires", entry.expires))
    end
    passed(#piece)
  end
end

--- What `write` gets is whole lines.
---@param store cairn.Store
---@param path string
---@param write fun(lines: string)
---@param seen fun(count: integer, bytes: integer)
function exchange.export(store, path, write, seen)
  local count, bytes = 0, 0
  local function passed(more)
    bytes = bytes + more
    seen(count, bytes)
  end
  exchange.walk(store, path, function(entry)
    if entry.type == "simple" then
      value_lines(store, entry, write, passed)
    else
      write(line_of(head(entry), "target", json.bytes(entry.target), "expires", entry.expires))
    end
    count = count + 1
    seen(count, bytes)
  end)
end

local TYPES = { simple = true, composite = true, link = true }

-- From a decoded object to an entry; nil and what is wrong with it.
local function entry_of(object)
  if type(object) ~= "table" then return nil, "not an object" end
  local entry = { path = json.to_bytes(object.path), type = object.type, more = object.more }
  if not entry.path then return nil, "'path' must be a string or {\"base64\":...}" end
  if not TYPES[entry.type] then return nil, "'type' must be simple, composite or link" end
  if entry.type == "link" then
    entry.target = json.to_bytes(object.target)
    if not entry.target then return nil, "'target' must be a string or {\"base64\":...}" end
  elseif entry.type == "simple" then
    entry.value = json.to_bytes(object.value)
    if not entry.value then return nil, "'value' must be a string or {\"base64\":...}" end
  end
  if object.expires ~= nil then
    entry.expires = math.tointeger(object.expires)
    if not entry.expires then return nil, "'expires' must be whole milliseconds" end
  end
  if object.metadata ~= nil then
    local message
    entry.metadata, message = json.to_metadata(object.metadata)
    if not entry.metadata then return nil, message end
  end
  return entry
end

---@class cairn.program.Importer
---@field sink cairn.program.Sink
---@field writer? cairn.Writer of the value whose pieces are arriving
---@field path? string its path
local Importer = {}
Importer.__index = Importer

function Importer:piece(entry)
  if self.path and self.path ~= entry.path then
    return ("'%s' ends in the middle"):format(self.path)
  end
  self.writer = self.writer or self.sink:begin()
  self.path = entry.path
  check(self.writer:append(entry.value))
  if entry.more then return end
  self.sink:commit(entry, self.writer)
  self.writer:close()
  self.writer, self.path = nil, nil
end

--- Returns what is wrong with the line, if anything.
---@return string?
function Importer:line(text)
  local object, message = json.decode(text)
  if object == nil then return message end
  local entry
  entry, message = entry_of(object)
  if not entry then return message end
  if entry.type == "simple" and (entry.more or self.path) then return self:piece(entry) end
  if self.path then return ("'%s' ends in the middle"):format(self.path) end
  if entry.type == "composite" then
    self.sink:group(entry)
  elseif entry.type == "link" then
    self.sink:link(entry)
  else
    self.sink:value(entry, entry.value)
  end
end

function Importer.__close(self)
  if self.writer then self.writer:close() end
end

--- Reads lines until the end of the file.
---@param file file*
---@param name string of the file, for messages
---@param sink cairn.program.Sink
---@param seen fun(bytes: integer)
function exchange.import(file, name, sink, seen)
  local importer <close> = setmetatable({ sink = sink }, Importer)
  local number, bytes = 0, 0
  local function refuse(wrong)
    failure.raise("invalid_argument", "%s:%d: %s", name, number, wrong)
  end
  while true do
    local text, trouble = file:read("L")
    if trouble then failure.raise("io", "%s: %s", name, trouble) end
    if not text then break end
    number, bytes = number + 1, bytes + #text
    local wrong = text:find("%S") and importer:line(text)
    if wrong then refuse(wrong) end
    seen(bytes)
  end
  if importer.path then refuse(("'%s' ends in the middle"):format(importer.path)) end
  sink:finish()
end

return exchange
