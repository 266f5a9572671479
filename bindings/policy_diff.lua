--- `core.unified`: what makes one text of another, as `diff -u` writes it.
---
--- A shortest way in E. W. Myers' sense ("An O(ND) Difference Algorithm and Its
--- Variations", 1986), looked for from both ends at once, so that memory grows with the
--- lines and not with the square of the differences. Costs time by lines times
--- differences.

local core = select(2, ...)

local CONTEXT = 3 -- unchanged lines around a change

-- With their line feeds: a last line without one is another line.
local function lines_of(text)
  local lines = {}
  for line in text:gmatch("[^\n]*\n?") do
    if line ~= "" then lines[#lines + 1] = line end
  end
  return lines
end

-- -- The shortest way --------------------------------------------------------------------

-- One change more on every diagonal: way[k] is how far in `a` one gets with so many changes
-- on the diagonal where that is k more than in `b`; nil where there is no such place.
-- Returns where the way from the other end is met, if `looking`.
local function extend(way, other, changes, width, height, looking, equal)
  for k = -changes, changes, 2 do
    local x = -1
    local left, above = way[k - 1], way[k + 1]
    if left and left < width then x = left + 1 end
    if above and above - k <= height and above > x then x = above end
    local y = x - k
    if x >= 0 then
      while x < width and y < height and equal(x + 1, y + 1) do x, y = x + 1, y + 1 end
    end
    way[k] = x >= 0 and x or nil
    local met = looking and x >= 0 and other[width - height - k]
    if met and x + met >= width then return x, y end
  end
end

-- A place on a shortest way, about in its middle, counted from the corner of the box.
local function middle(a, b, left, right, top, bottom)
  local width, height = right - left, bottom - top
  local odd = (width - height) % 2 ~= 0
  local forward, backward = { [1] = 0 }, { [1] = 0 }
  local function equal_forward(x, y)
    return a[left + x] == b[top + y]
  end
  local function equal_backward(x, y)
    return a[right + 1 - x] == b[bottom + 1 - y]
  end
  for changes = 0, width + height do
    local x, y = extend(forward, backward, changes, width, height, odd, equal_forward)
    if x then return x, y end
    x, y = extend(backward, forward, changes, width, height, not odd, equal_backward)
    if x then return width - x, height - y end
  end
end

-- Marks in `gone` and `come` which lines a[left + 1 .. right] and b[top + 1 .. bottom] do
-- not have in common.
local function compare(a, b, left, right, top, bottom, gone, come)
  while left < right and top < bottom and a[left + 1] == b[top + 1] do
    left, top = left + 1, top + 1
  end
  while left < right and top < bottom and a[right] == b[bottom] do
    right, bottom = right - 1, bottom - 1
  end
  if left == right or top == bottom then
    for i = left + 1, right do gone[i] = true end
    for i = top + 1, bottom do come[i] = true end
    return
  end
  local x, y = middle(a, b, left, right, top, bottom)
  compare(a, b, left, left + x, top, top + y, gone, come)
  compare(a, b, left + x, right, top + y, bottom, gone, come)
end

-- A run of marked lines can often stand a line further down as well: that is where it is
-- put, so that a new function begins with its own first line and not with the `end` of
-- the one before.
local function slide(lines, marked)
  local first = 1
  while first <= #lines do
    local last = first
    if marked[first] then
      while marked[last + 1] do last = last + 1 end
      while last < #lines and lines[first] == lines[last + 1] do
        marked[first], marked[last + 1] = nil, true
        first, last = first + 1, last + 1
        while marked[last + 1] do last = last + 1 end
      end
    end
    first = last + 1
  end
end

-- -- The text ----------------------------------------------------------------------------

---@class cairn.diff.Change lines from + 1 to from_last of the one for those of the other
---@field from integer
---@field from_last integer
---@field to integer
---@field to_last integer

---@return cairn.diff.Change[]
local function changes_between(a, b)
  local gone, come = {}, {}
  compare(a, b, 0, #a, 0, #b, gone, come)
  slide(a, gone)
  slide(b, come)
  local changes, i, j = {}, 0, 0
  while i < #a or j < #b do
    if gone[i + 1] or come[j + 1] then
      local change = { from = i, to = j }
      while gone[i + 1] do i = i + 1 end
      while come[j + 1] do j = j + 1 end
      change.from_last, change.to_last = i, j
      changes[#changes + 1] = change
    else
      i, j = i + 1, j + 1
    end
  end
  return changes
end

-- "12,5": the first line and how many; of none, the line before.
local function range(before, last)
  local count = last - before
  if count == 1 then return ("%d"):format(last) end
  return ("%d,%d"):format(count == 0 and before or before + 1, count)
end

local function put(out, mark, lines, first, last)
  for i = first, last do
    local line = lines[i]
    out[#out + 1] = mark .. line
    if line:sub(-1) ~= "\n" then out[#out + 1] = "\n\\ No newline at end of file\n" end
  end
end

-- Changes first..last, which are near enough to share their surroundings.
local function put_hunk(out, a, b, changes, first, last)
  local before = math.min(CONTEXT, changes[first].from)
  local after = math.min(CONTEXT, #a - changes[last].from_last)
  local at = changes[first].from - before
  out[#out + 1] = ("@@ -%s +%s @@\n"):format(range(at, changes[last].from_last + after),
    range(changes[first].to - before, changes[last].to_last + after))
  for i = first, last do
    local change = changes[i]
    put(out, " ", a, at + 1, change.from)
    put(out, "-", a, change.from + 1, change.from_last)
    put(out, "+", b, change.to + 1, change.to_last)
    at = change.from_last
  end
  put(out, " ", a, at + 1, at + after)
end

--- "" for equal texts.
---@param from string
---@param to string
---@param from_name string
---@param to_name string
---@return string
function core.unified(from, to, from_name, to_name)
  local a, b = lines_of(from), lines_of(to)
  local changes = changes_between(a, b)
  if #changes == 0 then return "" end
  local out = { ("--- %s\n+++ %s\n"):format(from_name, to_name) }
  local first = 1
  for i = 1, #changes do
    local next_change = changes[i + 1]
    if not next_change or next_change.from - changes[i].from_last > 2 * CONTEXT then
      put_hunk(out, a, b, changes, first, i)
      first = i + 1
    end
  end
  return table.concat(out)
end
