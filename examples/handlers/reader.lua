-- A caller of examples/expensive_report.lua: it wants the report of a year.

local cairn = require "cairn"

local reader = {}

-- Half a second, in which others have their turns.
local function compute(base)
  cairn.sleep(500)
  return { title = "Report of " .. base.year, pages = 320, ["cache-control"] = "store, max-age=60" }
end

function reader.handle(_, request, context)
  local report, info, code = context.cache:resolve(
    { kind = "sales", year = request.year }, { path = "report" }, compute,
    { cache_control = "cache" })
  if not report then return nil, info, code end
  return { title = report.title, cache = info.cache, coalesced = info.coalesced }
end

return reader
