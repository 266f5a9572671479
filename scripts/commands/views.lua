--- `ls`, `tree` and `stat`: what is there.

local arguments = require "cairn.program.arguments"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local access = require "cairn.program.access"
local times = require "cairn.program.times"

local check = failure.check

local views = {}

-- -- ls ------------------------------------------------------------------------------

local function when(ms)
  return ms and times.format(ms) or nil
end

-- Fields in the order in which they are printed; `n` because some may be nil.
local function stat_object(key, name, stat)
  return json.object {
    key, json.bytes(name), "type", stat.type, "size", stat.size,
    "target", json.bytes(stat.target), "created", stat.created, "modified", stat.modified,
    "expires", stat.expires, "metadata", json.metadata(stat.metadata), "store", stat.store,
    n = 18,
  }
end

local function list_long(name, stat)
  if output.as_json then return output.json(stat_object("name", name, stat)) end
  local target = stat.target and " -> " .. output.name(stat.target) or ""
  output.write(("%-9s %12d  %-24s  %s%s\n"):format(stat.type, stat.size,
    when(stat.modified or stat.created) or "-", output.name(name), target))
end

local function list_short(name, kind)
  if output.as_json then
    output.json(json.object { "name", json.bytes(name), "type", kind })
  else
    output.write(output.name(name), "\n")
  end
end

local function list_value(store, path, long)
  local stat = check(store:stat(path))
  if long then return list_long(path, stat) end
  list_short(path, stat.type)
end

-- False when it cannot be told about; that has been said. A child that expired or was
-- removed since is none.
local function list_child(store, group, name)
  local stat, message, code = store:stat(access.join(group, name))
  if stat then
    list_long(name, stat)
  elseif code ~= "not_found" then
    output.problem("ls", failure.new(message, code))
    return false
  end
  return true
end

---@param line cairn.program.Line
function views.ls(line)
  local path, long = access.path(line.operands[1] or ""), line.options.long
  local store <close> = access.open_to_read()
  local frozen <close> = access.freeze(store)
  local names, message, code, closed = access.list(frozen, path)
  if code == "not_a_group" then return list_value(frozen, path, long) end
  check(names, message, code)
  local status = 0
  for name, kind in names, nil, nil, closed do
    if not long then
      list_short(name, kind)
    elseif not list_child(frozen, path, name) then
      status = 1
    end
  end
  return status
end

-- -- tree ----------------------------------------------------------------------------

local LINES = { middle = "├── ", last = "└── ", through = "│   ", blank = "    " }
local PLAIN_LINES = { middle = "|-- ", last = "`-- ", through = "|   ", blank = "    " }

local function lines_for_locale()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local locale = os.getenv(name)
    if locale and locale ~= "" then
      return locale:lower():find("utf%-?8") and LINES or PLAIN_LINES
    end
  end
  return PLAIN_LINES
end

---@class cairn.program.Tree
---@field store cairn.Store
---@field depth integer how far to descend
---@field lines table<string, string>
---@field counts table<cairn.kind, integer>

local draw_group

local function draw_entry(tree, path, name, kind, level, prefix, last)
  tree.counts[kind] = tree.counts[kind] + 1
  local stat = kind == "link" and tree.store:stat(path) or nil
  local target = stat and stat.target
  if output.as_json then
    output.json(json.object {
      "path", json.bytes(path), "type", kind, "depth", level, "target", json.bytes(target), n = 8,
    })
  else
    output.write(prefix, last and tree.lines.last or tree.lines.middle, output.name(name),
      target and " -> " .. output.name(target) or "", "\n")
  end
  if kind == "composite" and level < tree.depth then
    draw_group(tree, path, level + 1, prefix .. (last and tree.lines.blank or tree.lines.through))
  end
end

-- One name ahead, because the last is drawn differently.
function draw_group(tree, group, level, prefix)
  local names, message, code, opened = access.list(tree.store, group)
  local closed <close> = opened -- luacheck: ignore closed
  if not names and code == "not_found" and level > 1 then return end
  check(names, message, code)
  local name, kind = names()
  while name do
    local next_name, next_kind = names()
    draw_entry(tree, access.join(group, name), name, kind, level, prefix, not next_name)
    name, kind = next_name, next_kind
  end
end

local function plural(number, word)
  return ("%d %s%s"):format(number, word, number == 1 and "" or "s")
end

---@param line cairn.program.Line
function views.tree(line)
  local path = access.path(line.operands[1] or "")
  local depth = arguments.count(line, "depth") or math.maxinteger
  local store <close> = access.open_to_read()
  local frozen <close> = access.freeze(store)
  local tree = {
    store = frozen, depth = depth, lines = lines_for_locale(),
    counts = { simple = 0, composite = 0, link = 0 },
  }
  local type_of = check(frozen:type(path))
  if type_of ~= "composite" then failure.raise("not_a_group", "'%s' is a value", path) end
  if not output.as_json then output.write(path == "" and "/" or output.name(path), "\n") end
  if depth > 0 then draw_group(tree, path, 1, "") end
  if output.as_json then return end
  local counts = tree.counts
  output.write("\n", plural(counts.composite, "group"), ", ", plural(counts.simple, "value"), ", ",
    plural(counts.link, "link"), "\n")
end

-- -- stat ----------------------------------------------------------------------------

local function print_field(name, value)
  if value ~= nil then output.write(("%-10s %s\n"):format(name .. ":", value)) end
end

local function print_metadata(metadata)
  local names = {}
  for name in pairs(metadata or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    print_field("metadata", output.name(name) .. " = " .. output.name(tostring(metadata[name])))
  end
end

---@param line cairn.program.Line
function views.stat(line)
  local path = access.path(line.operands[1])
  local store <close> = access.open_to_read()
  local stat = check(store:stat(path))
  if output.as_json then return output.json(stat_object("path", path, stat)) end
  print_field("path", path == "" and "/" or output.name(path))
  print_field("type", stat.type)
  print_field("target", stat.target and output.name(stat.target))
  print_field("size", stat.size)
  print_field("created", when(stat.created))
  print_field("modified", when(stat.modified))
  print_field("expires", when(stat.expires))
  print_metadata(stat.metadata)
  print_field("store", output.name(stat.store))
end

return views
