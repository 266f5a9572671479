--- What `Policies:diff` writes is what `diff -u` means by it.

local place = require "spec.support.place"

local core = {}
assert(loadfile("bindings/policy_diff.lua"))({}, core)

--- Lines drawn from a few, so that many are equal.
local function random_lines(count, kinds)
  local lines = {}
  for i = 1, count do lines[i] = ("line %d\n"):format(math.random(kinds)) end
  return lines
end

local function edited(lines, kinds)
  local result = {}
  for _, line in ipairs(lines) do
    local chance = math.random()
    if chance < 0.1 then
      result[#result + 1] = ("new %d\n"):format(math.random(kinds))
    elseif chance < 0.2 then
      result[#result + 1] = ("line %d\n"):format(math.random(kinds))
      result[#result + 1] = line
    elseif chance > 0.3 then
      result[#result + 1] = line
    end
  end
  return result
end

local function text_of(lines)
  local text = table.concat(lines)
  return math.random() < 0.2 and text:sub(1, -2) or text
end

-- "12,5" or "12": the first line and how many.
local function range(text)
  local first, count = text:match("^(%d+),?(%d*)$")
  return math.tointeger(first), math.tointeger(count ~= "" and count or 1)
end

--- What `difference` makes of `text`, strictly: context and what is removed must be there, and the
--- counts of the hunks be right.
local function applied(text, difference)
  local lines, out, at = {}, {}, 1
  for line in text:gmatch("[^\n]*\n?") do
    if line ~= "" then lines[#lines + 1] = line end
  end
  difference = difference:gsub("\n\\ No newline at end of file\n", "\0")
  local left_from, left_to = 0, 0
  for line in difference:gsub("^%-%-%-[^\n]*\n%+%+%+[^\n]*\n", ""):gmatch("[^\n%z]*[\n%z]") do
    local mark, content = line:sub(1, 1), line:sub(2):gsub("%z$", "")
    if mark == "@" then
      assert.same({ 0, 0 }, { left_from, left_to })
      local from, to = line:match("^@@ %-([%d,]+) %+([%d,]+) @@\n$")
      local first, count = range(from)
      left_from, left_to = count, select(2, range(to))
      for i = at, left_from == 0 and first or first - 1 do out[#out + 1] = lines[i] end
      at = left_from == 0 and first + 1 or first
    else
      if mark ~= "+" then
        assert.equal(lines[at], content)
        at, left_from = at + 1, left_from - 1
      end
      if mark ~= "-" then
        out[#out + 1], left_to = content, left_to - 1
      end
    end
  end
  assert.same({ 0, 0 }, { left_from, left_to })
  for i = at, #lines do out[#out + 1] = lines[i] end
  return table.concat(out)
end

local function changed_lines(difference)
  return select(2, difference:gsub("\n[-+]", "")) - (difference == "" and 0 or 1)
end

describe("a difference", function()
  local directory

  setup(function() directory = place.fresh() end)
  teardown(function() place.remove(directory) end)

  local function by_diffutils(from, to, option)
    place.put(directory .. "/from", from)
    place.put(directory .. "/to", to)
    return place.run({ "/usr/bin/env", "diff", "-u", "--label", "A", "--label", "B", "from", "to",
      option }, { cwd = directory }).out
  end

  it("of equal texts is empty", function()
    assert.equal("", core.unified("", "", "A", "B"))
    assert.equal("", core.unified("a\nb", "a\nb", "A", "B"))
  end)

  -- Where there is but one shortest way, byte for byte.
  local from = {}
  for i = 1, 40 do from[i] = ("line %d\n"):format(i) end
  local function changed(changes)
    local lines = table.move(from, 1, #from, 1, {})
    for i, line in pairs(changes) do lines[i] = line end
    return table.concat(lines)
  end
  local everything = { "one\n" }
  for i = 2, #from do everything[i] = "" end
  local cases = {
    { "a first line", { [1] = "new\n" } },
    { "a last line", { [40] = "new\n" } },
    { "a last line that loses its end", { [40] = "line 40" } },
    { "a line that goes", { [20] = "" } },
    { "lines that come", { [20] = "line 20\none\ntwo\n" } },
    { "two changes that share their surroundings", { [10] = "", [17] = "x\n" } },
    { "two changes that just do not", { [10] = "", [18] = "x\n" } },
    { "changes at both ends", { [1] = "", [40] = "" } },
    { "everything", everything },
  }
  for _, case in ipairs(cases) do
    it("is that of diff -u for " .. case[1], function()
      local a, b = table.concat(from), changed(case[2])
      assert.equal(by_diffutils(a, b), core.unified(a, b, "A", "B"))
      assert.equal(by_diffutils(b, a), core.unified(b, a, "A", "B"))
      assert.equal(by_diffutils(a, ""), core.unified(a, "", "A", "B"))
      assert.equal(by_diffutils("", b), core.unified("", b, "A", "B"))
    end)
  end

  it("of random texts makes one of the other, with no more lines than diff --minimal", function()
    for _ = 1, 150 do
      local kinds = math.random(1, 30)
      local lines = random_lines(math.random(0, 40), kinds)
      local a, b = text_of(lines), text_of(edited(lines, kinds))
      local difference = core.unified(a, b, "A", "B")
      assert.equal(b, applied(a, difference))
      assert.equal(changed_lines(by_diffutils(a, b, "--minimal")), changed_lines(difference))
    end
  end)

  it("of texts with nothing in common takes no time to speak of", function()
    local a, b = {}, {}
    for i = 1, 2000 do a[i], b[i] = "a" .. i .. "\n", "b" .. i .. "\n" end
    a, b = table.concat(a), table.concat(b)
    local started = os.clock()
    assert.equal(b, applied(a, core.unified(a, b, "A", "B")))
    assert.is_true(os.clock() - started < 10)
  end)
end)
