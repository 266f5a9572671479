--- Rows of text as a table whose columns stand under each other.

local output = require "cairn.program.output"

local GAP = "  "

local function width(text)
  return utf8.len(text) or #text
end

local function put(cells, widths, to_right)
  local parts = {}
  for i, cell in ipairs(cells) do
    local blanks = (" "):rep(widths[i] - width(cell))
    parts[i] = to_right[i] and blanks .. cell or cell .. blanks
  end
  output.write((table.concat(parts, GAP):gsub(" +$", "")), "\n")
end

--- Writes a heading and rows. A title that begins with `>` has its column moved to the
--- right, for numbers; where no column has a title there is no heading. A row that is a
--- string is a line of its own. The last column may be as wide as it likes.
---@param titles string[]
---@param rows (string[]|string)[]
return function(titles, rows)
  local widths, to_right, heading = {}, {}, {}
  for i, title in ipairs(titles) do
    to_right[i] = title:sub(1, 1) == ">"
    heading[i] = to_right[i] and title:sub(2) or title
    widths[i] = width(heading[i])
  end
  for _, row in ipairs(rows) do
    local cells = type(row) == "table" and row or {}
    for i, cell in ipairs(cells) do widths[i] = math.max(widths[i], width(cell)) end
  end
  if table.concat(heading) ~= "" then put(heading, widths, to_right) end
  for _, row in ipairs(rows) do
    if type(row) == "table" then put(row, widths, to_right) else output.write(row, "\n") end
  end
end
