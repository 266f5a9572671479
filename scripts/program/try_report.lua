--- What `cairn policy try` says.

local columns = require "cairn.program.columns"
local inspect = require "cairn.program.inspect"
local output = require "cairn.program.output"
local progress = require "cairn.program.progress"

local BYTES = { hit_bytes = true, stored_bytes = true }

local ROWS = {
  { "hits", "hits" },
  { "stale", "  of them stale" },
  { "misses", "misses" },
  { "bypasses", "bypasses" },
  { "hit_bytes", "bytes of hits" },
  { "stored", "kept" },
  { "stored_bytes", "bytes kept" },
  { "stores_asked", "stores asked" },
}

local function amount(name, number)
  return BYTES[name] and progress.size(number) or ("%d"):format(number)
end

local function change(name, live, candidate)
  if live == candidate then return "" end
  local more = candidate > live
  return (more and "+" or "-") .. amount(name, math.abs(candidate - live))
end

local function write_counts(report)
  local rows = {}
  for _, row in ipairs(ROWS) do
    local name, title = table.unpack(row)
    local live, candidate = report.live[name], report.candidate[name]
    if live ~= 0 or candidate ~= 0 then
      rows[#rows + 1] = {
        title, amount(name, live), amount(name, candidate), change(name, live, candidate),
      }
    end
  end
  if #rows == 0 then return end
  output.write("\n")
  columns({ "", ">IN USE", ">CANDIDATE", ">CHANGE" }, rows)
end

-- A table under its name, the lines behind the first as far to the right.
local function write_table(title, value)
  local text = type(value) == "string" and output.name(value) or inspect(value)
  output.write(("  %-10s"):format(title), (text:gsub("\n", "\n" .. (" "):rep(12))), "\n")
end

local function write_differences(report, most)
  for i, difference in ipairs(report.differences) do
    if i > most then break end
    output.write(("\nline %d\n"):format(difference.line))
    write_table("facts", difference.facts)
    write_table("in use", difference.was)
    write_table("candidate", difference.would_be)
  end
  local left = report.different - math.min(most, #report.differences)
  if left > 0 then output.write(("\n%d more are different\n"):format(left)) end
end

---@param report cairn.TryReport
---@param most integer differences to show
return function(report, most)
  local share = report.decisions > 0 and report.different / report.decisions * 100 or 0
  if report.errors > 0 then
    output.write(("the candidate FAILED at %d of %d decisions, which the shipped policy "
      .. "would make\n"):format(report.errors, report.decisions))
  end
  output.write(("%d decisions of %s asked again: %d are different (%.1f %%)\n"):format(
    report.decisions, report.question, report.different, share))
  if report.dropped > 0 then
    output.write(("%d decisions were not recorded\n"):format(report.dropped))
  end
  write_counts(report)
  write_differences(report, most)
end
