--- `import` and `export`: everything, from one place to another.

local cairn = require "cairn"
local exchange = require "cairn.program.exchange"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local process = require "cairn.process"
local progress = require "cairn.program.progress"
local access = require "cairn.program.access"

local check = failure.check

local copies = {}

-- -- import --------------------------------------------------------------------------

local function tell_counts(entries, skipped, first_skipped)
  output.note("imported %d entries", entries)
  if skipped > 0 then output.note("skipped %d entries, the first: %s", skipped, first_skipped) end
end

---@param sink cairn.program.Sink
local function tell_sink(sink)
  if not output.as_json then return tell_counts(sink.count, sink.skipped, sink.first_skipped) end
  output.json(json.object {
    "entries", sink.count, "skipped", sink.skipped,
    "first_skipped", json.bytes(sink.first_skipped), n = 6,
  })
end

-- Open already is only what we write to.
local function check_source(source, result, message, code)
  if message and message:find("is open already", 1, true) then
    failure.raise(code, "'%s' is the very store to import into", source)
  end
  return check(result, message, code)
end

local function import_hyperbeam(source, store, link_prefix)
  local shown <close> = progress.start("import", "entries")
  local result = check_source(source, cairn.import(source, store, {
    link_prefix = link_prefix,
    progress = function(done, total) shown:update(done, total) end,
  }))
  shown:finish()
  local entries = result.raws + result.links + result.groups
  if output.as_json then
    return output.json(json.object {
      "entries", entries, "values", result.raws, "links", result.links, "groups", result.groups,
      "skipped", result.skipped,
      "first_skipped", json.bytes(result.first_skipped),
      n = 12,
    })
  end
  tell_counts(entries, result.skipped, result.first_skipped)
end

local function import_store(source, store)
  local from <close> = check_source(source, cairn.open(access.for_reading(source)))
  local frozen <close> = access.freeze(from)
  local sink = exchange.sink(store)
  local shown <close> = progress.start("import", "entries")
  exchange.copy(frozen, sink, function(count, bytes) shown:update(count, nil, bytes) end)
  shown:finish()
  tell_sink(sink)
end

local function import_lines(source, store)
  local file, size, name = io.stdin, 0, "standard input"
  if source ~= "-" then
    file, name = check(io.open(source, "rb")), source
    local _, bytes = process.kind(source)
    size = math.tointeger(bytes) or 0
  end
  local sink = exchange.sink(store)
  local shown <close> = progress.start("import", "bytes")
  exchange.import(file, name, sink, function(bytes) shown:update(bytes, size) end)
  shown:finish()
  tell_sink(sink)
end

-- What a source is, by looking at it; a name that exists on disk is that.
local function kind_of(source)
  if source == "-" then return "lines" end
  local kind = process.kind(source)
  if kind == "directory" then return "hyperbeam" end
  if kind then return "lines" end
  if cairn.backends()[source:match("^([^:]+):") or ""] then return "store" end
  failure.raise("not_found", "'%s' is neither a file, a directory, nor a store's URL", source)
end

---@param line cairn.program.Line
copies["import"] = function(line)
  local source, link_prefix = line.operands[1], line.options["link-prefix"]
  local kind = kind_of(source)
  if link_prefix and kind ~= "hyperbeam" then
    failure.usage("--link-prefix is for a directory of HyperBEAM, '%s' is none", source)
  end
  local store <close> = access.open_to_write()
  if kind == "hyperbeam" then return import_hyperbeam(source, store, link_prefix) end
  if kind == "store" then return import_store(source, store) end
  import_lines(source, store)
end

-- -- export --------------------------------------------------------------------------

---@param line cairn.program.Line
function copies.export(line)
  local path, name = access.path(line.operands[1] or ""), line.options.output
  local store <close> = access.open_to_read()
  local frozen <close> = access.freeze(store)
  local shown <close> = progress.start("export", "entries")
  if path ~= "" then check(frozen:stat(path)) end -- before a file is made for nothing
  local target <close> = output.open(name)
  exchange.export(frozen, path, target.write, function(count, bytes)
    shown:update(count, nil, bytes)
  end)
  target.finish()
end

return copies
