--- `get` and `put`: one value out, one value in, of any size.

local arguments = require "cairn.program.arguments"
local exchange = require "cairn.program.exchange"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local process = require "cairn.process"
local progress = require "cairn.program.progress"
local access = require "cairn.program.access"
local times = require "cairn.program.times"

local check = failure.check

local values = {}

local function get_as_json(path, pieces, name)
  local parts = {}
  for piece in pieces do parts[#parts + 1] = piece end
  local value = table.concat(parts)
  local target <close> = output.open(name)
  target.write(json.encode(json.object {
    "path", json.bytes(path), "size", #value, "value", json.bytes(value),
  }) .. "\n")
  target.finish()
end

---@param line cairn.program.Line
function values.get(line)
  local path = access.path(line.operands[1])
  local offset, size = arguments.count(line, "offset"), arguments.count(line, "size")
  local name = line.options.output
  local store <close> = access.open_to_read()
  local frozen <close> = access.freeze(store)
  local pieces = exchange.pieces(frozen, path, offset, size)
  if output.as_json then return get_as_json(path, pieces, name) end

  local first = pieces() -- before a file is made for what is not there
  local target <close> = output.open(name)
  local shown <close> = progress.start("get", "bytes")
  local done, piece = 0, first
  local total = name and not offset and not size and frozen:stat(path)
  while piece do
    target.write(piece)
    done = done + #piece
    if name then shown:update(done, total and total.type == "simple" and total.size or 0) end
    piece = pieces()
  end
  target.finish()
end

local function write_options(options)
  local metadata
  for _, text in ipairs(options.meta or {}) do
    local name, value = text:match("^([^=]+)=(.*)$")
    if not name then failure.usage("--meta needs NAME=TEXT, not '%s'", text) end
    metadata = metadata or {}
    metadata[name] = value
  end
  return {
    metadata = metadata,
    expires = options.expires and times.parse(options.expires),
    if_absent = options["if-absent"],
    compress = options.compress,
    sync = options.sync,
  }
end

-- A function that gives pieces, and the size in all where it is known.
local function open_input(name)
  local file, size = io.stdin, 0
  if name and name ~= "-" then
    file = check(io.open(name, "rb"))
    local _, bytes = process.kind(name)
    size = math.tointeger(bytes) or 0
  end
  return function(bytes)
    local piece, message = file:read(bytes)
    if message then failure.raise("io", "%s: %s", name or "standard input", message) end
    return piece
  end, size
end

local function put_stream(store, path, read, total, options)
  local shown <close> = progress.start("put", "bytes")
  local piece = read(exchange.PIECE) or ""
  if #piece < exchange.PIECE then return check(store:write(path, piece, options)) end
  local writer <close> = check(store:writer())
  local done = 0
  while piece do
    check(writer:append(piece))
    done = done + #piece
    shown:update(done, total)
    piece = read(exchange.PIECE)
  end
  check(writer:commit(path, options))
end

---@param line cairn.program.Line
function values.put(line)
  local path, value = access.path(line.operands[1]), line.operands[2]
  if value and line.options.file then failure.usage("give a VALUE or --file, not both") end
  local options = write_options(line.options)
  local read, total = nil, nil
  if not value then read, total = open_input(line.options.file) end
  local store <close> = access.open_to_write()
  if read and options.compress then value = read("a") end
  if value then
    check(store:write(path, value, options))
  else
    put_stream(store, path, read, total, options)
  end
end

return values
