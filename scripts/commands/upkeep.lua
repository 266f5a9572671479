--- `purge`, `sweep` and `stats`: a cache is looked after.

local access = require "cairn.program.access"
local cairn = require "cairn"
local columns = require "cairn.program.columns"
local failure = require "cairn.program.failure"
local json = require "cairn.program.json"
local output = require "cairn.program.output"
local progress = require "cairn.program.progress"

local check = failure.check

local upkeep = {}

---@param line cairn.program.Line
function upkeep.purge(line)
  local options, what = line.options, line.operands[1]
  if options.prefix and options.tag then failure.usage("give --prefix or --tag, not both") end
  if what == "" then failure.usage("WHAT must not be empty") end
  local by = options.prefix and "prefix" or options.tag and "tag" or "path"
  local cache <close> = access.existing_cache()
  local count = check(cache:purge { [by] = what, soft = options.soft })
  if output.as_json then return output.json(json.object { "purged", count }) end
  output.write(("%d %s %s\n"):format(count, count == 1 and "result" or "results",
    options.soft and "stale from now on" or "removed"))
end

function upkeep.sweep()
  local cache <close> = access.existing_cache()
  local result = check(cache:sweep())
  if output.as_json then return output.json(json.plain(result)) end
  output.write(("%d values removed, %s; %d kept\n"):format(result.removed,
    progress.size(result.removed_bytes), result.kept))
end

-- -- stats ---------------------------------------------------------------------------

local function write_numbers(title, numbers)
  local names, rows = {}, {}
  for name in pairs(numbers) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do rows[i] = { "  " .. name, ("%d"):format(numbers[name]) } end
  output.write(output.name(title), "\n")
  columns({ "", ">" }, rows)
end

function upkeep.stats()
  for _, where in ipairs(access.stores_to_read()) do
    local store <close> = check(cairn.open(where))
    local url, numbers = store:url(), check(store:stats())
    if output.as_json then
      output.json(json.object { "store", json.bytes(url), "stats", json.plain(numbers) })
    else
      write_numbers(url, numbers)
    end
  end
  local cache <close> = access.cache_to_read()
  check(cache:trim(math.maxinteger)) -- nothing is too much: it only counts
  local results = { bytes = cache:stats().result_bytes }
  if output.as_json then return output.json(json.object { "results", json.plain(results) }) end
  write_numbers("results", results)
end

return upkeep
