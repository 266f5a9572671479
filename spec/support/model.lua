--- What a store should do, in the simplest way that could be right: SEMANTICS over one Lua table.
--- It is slow, keeps everything in memory and knows no concurrency; the specs compare the
--- engine with it, answer by answer.

local HOPS = 64

---@class spec.Model
---@field entries table<string, spec.ModelEntry>

---@class spec.ModelEntry
---@field kind "simple"|"composite"|"link"
---@field value string? of a value; of a link its target
---@field packed boolean? came with a pack, and is replaced by the next one
local Model = {}
Model.__index = Model

local model = {}

---@return spec.Model
function model.new()
  return setmetatable({ entries = {} }, Model)
end

---@param path cairn.path
---@return string? normal
---@return nil
---@return string? code
function model.normalize(path)
  if type(path) == "table" then
    local parts = {}
    for i, part in ipairs(path) do
      local normal, _, code = model.normalize(part)
      if not normal then return nil, nil, code end
      parts[i] = normal
    end
    return model.normalize(table.concat(parts, "/"))
  end
  local segments = {}
  for segment in path:gmatch("[^/]+") do
    if segment == "." or segment == ".." or segment:find("\0", 1, true) then
      return nil, nil, "invalid_path"
    end
    segments[#segments + 1] = segment
  end
  local normal = table.concat(segments, "/")
  if #normal > 2048 then return nil, nil, "invalid_path" end
  return normal
end

local function parent_of(path)
  return path:match("^(.*)/[^/]+$") or ""
end

local function failure(code)
  return nil, code, code
end

--- Where a path leads: its links replaced, but the last one only if `to_the_end`. The entry there,
--- if any; "not_a_group" in the place of it if a value stands in the way.
function Model:locate(path, to_the_end)
  local normal, _, code = model.normalize(path)
  if not normal then return nil, code end
  local hops = 0
  local rest, at = normal, ""
  while rest ~= "" do
    local segment, after = rest:match("^([^/]+)/?(.*)$")
    local here = at == "" and segment or at .. "/" .. segment
    local entry = self.entries[here]
    if entry and entry.kind == "link" and (after ~= "" or to_the_end) then
      hops = hops + 1
      if hops > HOPS then return nil, "link_loop" end
      rest = entry.value .. (after ~= "" and "/" .. after or "")
      at = ""
    elseif entry and entry.kind == "simple" and after ~= "" then
      return here .. "/" .. after, "not_a_group"
    else
      at, rest = here, after
    end
  end
  if #at > 2048 then return nil, "invalid_path" end
  if at == "" then return at, { kind = "composite" } end
  return at, self.entries[at]
end

--- As `locate`, with every reason not to find something turned into a failure.
function Model:find(path)
  local at, entry = self:locate(path, true)
  if not at then return nil, nil, entry end
  if type(entry) ~= "table" then return nil, nil, "not_found" end
  return at, entry
end

function Model:make_groups(path)
  if path == "" or self.entries[path] then return end
  self:make_groups(parent_of(path))
  self.entries[path] = { kind = "composite" }
end

--- Where a change at `path` would land, its parent found to be a group or missing. What the
--- parent's own links lead to is followed to the end; the last segment is not.
function Model:land(path)
  local at, entry = self:locate(path, false)
  if not at then return nil, nil, entry end
  if entry == "not_a_group" then return nil, nil, "not_a_group" end
  return at, entry
end

function Model:read(path)
  local _, entry, code = self:find(path)
  if not entry then return failure(code) end
  if entry.kind ~= "simple" then return failure("not_found") end
  return entry.value
end

function Model:type(path)
  local _, entry, code = self:find(path)
  if not entry then return failure(code) end
  return entry.kind
end

function Model:resolve(path)
  local at, problem = self:locate(path, true)
  if not at then return failure(problem) end
  return at
end

--- The names, sorted.
function Model:list(path)
  local at, entry, code = self:find(path)
  if not at then return failure(code) end
  if entry.kind ~= "composite" then return failure("not_a_group") end
  local names = {}
  for child in pairs(self.entries) do
    if parent_of(child) == at then names[#names + 1] = child:match("[^/]+$") end
  end
  table.sort(names)
  return names
end

function Model:write(path, value, options)
  local at, entry, code = self:land(path)
  if not at then return failure(code) end
  if entry and options and options.if_absent then
    return failure(entry.kind == "composite" and "is_group" or "conflict")
  end
  if entry and entry.kind == "composite" then return failure("is_group") end
  self:make_groups(parent_of(at))
  self.entries[at] = { kind = "simple", value = value }
  return true
end

function Model:group(path)
  local at, entry = self:locate(path, true)
  if not at then return failure(entry) end
  if entry == "not_a_group" or entry and entry.kind ~= "composite" then
    return failure("not_a_group")
  end
  self:make_groups(at)
  return true
end

function Model:link(existing, new)
  local target, _, bad = model.normalize(existing)
  if not target then return failure(bad) end
  if target == model.normalize(new) then return true, false end
  local at, entry, code = self:land(new)
  if not at then return failure(code) end
  if entry then return true, false end
  self:make_groups(parent_of(at))
  self.entries[at] = { kind = "link", value = target }
  return true, true
end

--- What was packed before goes, what was written since stays.
function Model:pack(path, children)
  local at, entry = self:locate(path, true)
  if not at then return failure(entry) end
  if at == "" then return failure("invalid_argument") end
  if entry == "not_a_group" or entry and entry.kind ~= "composite" then
    return failure("not_a_group")
  end
  self:make_groups(at)
  for child, old in pairs(self.entries) do
    if old.packed and parent_of(child) == at then self.entries[child] = nil end
  end
  for name, child in pairs(children) do
    local below = at .. "/" .. name
    if not self.entries[below] then
      local is_link = type(child) == "table"
      self.entries[below] = {
        kind = is_link and "link" or "simple", packed = true,
        value = is_link and model.normalize(child.link) or child,
      }
    end
  end
  return true
end

function Model:delete(path, options)
  local at, entry, code = self:land(path)
  if not at or not entry then
    return failure(code == "not_a_group" and "not_found" or code or "not_found")
  end
  if at == "" then return failure("invalid_argument") end
  local below = {}
  for child in pairs(self.entries) do
    if child:sub(1, #at + 1) == at .. "/" then below[#below + 1] = child end
  end
  if #below > 0 and not (options and options.recursive) then return failure("is_group") end
  for _, child in ipairs(below) do self.entries[child] = nil end
  self.entries[at] = nil
  return true
end

--- A copy that can be changed without this one changing.
---@return spec.Model
function Model:copy()
  local other = model.new()
  for path, entry in pairs(self.entries) do other.entries[path] = entry end
  return other
end

function Model:reset()
  self.entries = {}
  return true
end

return model
