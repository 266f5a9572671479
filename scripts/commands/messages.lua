--- `cairn msg put|get|id|verify`: messages as JSON.

local access = require "cairn.program.access"
local cairn = require "cairn"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local terminal = require "cairn.terminal"

local check = failure.check

local messages = {}

local INDENT = 2

-- The text of a file or of standard input.
local function read_input(name)
  local file, called = io.stdin, "standard input"
  if name and name ~= "-" then
    local message
    file, message = io.open(name, "rb")
    if not file and name:find('^%s*[{"]') then
      failure.usage("a FILE is wanted, not the JSON itself: that goes to standard input")
    end
    file, called = check(file, message), name
  end
  local text, message = file:read("a")
  if file ~= io.stdin then file:close() end
  if not text then failure.raise("io", "%s: %s", called, message) end
  return text, called
end

-- One message or string of bytes.
local function read_value(name)
  local text, called = read_input(name)
  local value, message, code = cairn.from_json(text)
  if value == nil then failure.raise(code, "%s: %s", called, message) end
  local kind = cairn.kind(value)
  if kind ~= "message" and kind ~= "bytes" then
    failure.raise("invalid_argument", "%s: a message or a string expected, not %s %s", called,
      kind == "integer" and "an" or "a", kind)
  end
  return value, kind
end

local function id_options(line)
  return {
    ids = line.options.reference and "reference" or nil,
    committed = line.options.committed,
  }
end

local function cache_options(line)
  return { ids = line.options.reference and "reference" or nil }
end

local function tell(name, value)
  if output.as_json then return output.json(json.object { name, value }) end
  output.write(output.name(value), "\n")
end

---@param line cairn.program.Line
function messages.put(line)
  local value, kind = read_value(line.operands[1])
  local cache <close> = access.cache_to_write(cache_options(line))
  local options = { sync = line.options.sync }
  if kind == "bytes" then return tell("path", check(cache:write_binary(value, options))) end
  tell("id", check(cache:write(value, options)))
end

-- -- get -----------------------------------------------------------------------------

local function write_json(value, pretty)
  local text = check(cairn.to_json(value, pretty and INDENT or 0))
  output.write(output.json_text(text), "\n")
end

local function write_http(value, path)
  if type(value) ~= "table" then
    failure.raise("invalid_argument", "'%s' is a value, which has no HTTP form", path)
  end
  local form = check(cairn.to_http(value))
  if output.as_json then return write_json(form) end
  local names = {}
  for name in pairs(form.fields) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    output.write(output.text(name .. ": " .. form.fields[name]), "\n")
  end
  output.write("\n", output.text(form.body or ""))
end

---@param line cairn.program.Line
function messages.get(line)
  local options = line.options
  if options.http and options.stored then failure.usage("give --http or --stored, not both") end
  local path = access.path(line.operands[1])
  local cache <close> = access.cache_to_read(cache_options(line))
  local value = check(cache:read(path, { verify = options.verify, stored = options.stored }))
  if options.http then return write_http(value, path) end
  write_json(value, options.indent or not output.as_json and terminal.is_terminal(1))
end

-- -- id and verify -------------------------------------------------------------------

---@param line cairn.program.Line
function messages.id(line)
  if line.options.base and line.options.committed then
    failure.usage("give --base or --committed, not both")
  end
  local value, kind = read_value(line.operands[1])
  if not line.options.base then return tell("id", check(cairn.id(value, id_options(line)))) end
  if kind == "bytes" then
    failure.raise("invalid_argument", "bytes have no signature base: their id is their hash")
  end
  local base = check(cairn.id_base(value, id_options(line)))
  if output.as_json then return output.json(json.object { "base", json.bytes(base) }) end
  output.write(output.text(base), "\n")
end

local function verify_file(line)
  local value, kind = read_value(line.options.file)
  if kind == "bytes" then
    failure.raise("invalid_argument", "%s: a message expected, not bytes", line.options.file)
  end
  check(cairn.verify(value, line.operands[1], id_options(line)))
  return line.operands[1] or check(cairn.id(value, {
    ids = line.options.reference and "reference" or nil, committed = true,
  }))
end

---@param line cairn.program.Line
function messages.verify(line)
  local id = line.operands[1]
  if line.options.file then return tell("verified", verify_file(line)) end
  if not id then failure.usage("give an ID, or a message with --file") end
  local cache <close> = access.cache_to_read(cache_options(line))
  check(cache:verify(id))
  tell("verified", id)
end

return messages
