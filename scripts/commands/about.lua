--- `help` and `stores`: the program about itself.

local arguments = require "cairn.program.arguments"
local cairn = require "cairn"
local failure = require "cairn.program.failure"
local interface = require "cairn.program.interface"
local json = require "cairn.program.json"
local output = require "cairn.program.output"

local about = {}

---@param line cairn.program.Line
function about.help(line)
  local name, second = table.unpack(line.operands)
  if not name then return output.write(arguments.overview()) end
  local command = interface.find(name, second)
    or failure.usage("unknown command '%s'", table.concat(line.operands, " "))
  output.write(arguments.help(command))
end

local function abilities(backend)
  local words = { backend.scope }
  if backend.batch then words[#words + 1] = "atomic batches" end
  if backend.snapshot then words[#words + 1] = "snapshots" end
  if backend.shared then words[#words + 1] = "shared between processes" end
  return table.concat(words, ", ")
end

local function print_backend(name, backend)
  output.write(name, ": ", backend.summary, " (", abilities(backend), ")\n")
  for _, option in ipairs(backend.options) do
    local preset = option.default ~= "" and " [" .. option.default .. "]" or ""
    output.write(("  %-24s %s%s\n"):format(option.name, option.meaning, preset))
  end
  output.write("\n")
end

local function backend_as_json(name, backend)
  local options = {}
  for i, option in ipairs(backend.options) do
    options[i] = json.object {
      "name", option.name, "default", option.default, "meaning", option.meaning,
    }
  end
  output.json(json.object {
    "name", name, "summary", backend.summary, "scope", backend.scope, "batch", backend.batch,
    "snapshot", backend.snapshot, "shared", backend.shared, "options", json.list(options),
  })
end

function about.stores()
  local backends, names = cairn.backends(), {}
  for name in pairs(backends) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local show = output.as_json and backend_as_json or print_backend
    show(name, backends[name])
  end
end

return about
