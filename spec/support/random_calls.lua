--- Random calls of library functions, to compare two implementations of them.
---
--- `random_calls.script` is run by both with a call's arguments and answers with one string:
--- all results, or the error, with their types.

local random_calls = {}

random_calls.script = [[
local function text(value)
  if type(value) ~= "table" then
    return (math.type(value) or type(value)) .. ":" .. tostring(value)
  end
  local out = {}
  for i = -3, 14 do out[#out + 1] = tostring(value[i]) end
  return "{" .. table.concat(out, ",") .. "}" .. tostring(value.n)
end

local function answer(...)
  local out = {}
  for i = 1, select("#", ...) do out[i] = text((select(i, ...))) end
  return table.concat(out, "|")
end

local function words(line)
  local list = {}
  for word in string.gmatch(line, "[^ ]+") do list[#list + 1] = tonumber(word) or word end
  return list
end

local calls = {
  find = function(s, p, a, b) return string.find(s, p, a, b) end,
  match = function(s, p, a) return string.match(s, p, a) end,
  gmatch = function(s, p, a)
    local out = {}
    for x, y, z in string.gmatch(s, p, a) do out[#out + 1] = answer(x, y, z) end
    return table.concat(out, ";")
  end,
  gsub = function(s, p, a, b) return string.gsub(s, p, b, a) end,
  gsub_function = function(s, p, a)
    return string.gsub(s, p, function(x, y)
      if y then return y end
      return x == "a" and "<A>" or nil
    end, a)
  end,
  gsub_table = function(s, p, a)
    return string.gsub(s, p, { a = "1", b = 2, ab = false, [1] = "one", [2] = true }, a)
  end,
  format = function(...) return string.format(...) end,
  pack = function(...) return string.pack(...) end,
  packsize = function(f) return string.packsize(f) end,
  unpack = function(f, s, at) return string.unpack(f, s, at) end,
  there_and_back = function(f, ...) return string.unpack(f, string.pack(f, ...)) end,
  sub = function(s, i, j) return string.sub(s, i, j) end,
  byte = function(s, i, j) return string.byte(s, i, j) end,
  char = function(...) return string.char(...) end,
  rep = function(s, n, sep) return string.rep(s, n, sep) end,
  letters = function(s) return s:upper(), s:lower(), s:reverse(), s:len() end,
  insert = function(l, at, value)
    local t = words(l)
    return t, table.insert(t, at, value)
  end,
  append = function(l, value)
    local t = words(l)
    return t, table.insert(t, value)
  end,
  remove = function(l, ...)
    local t = words(l)
    return t, table.remove(t, ...)
  end,
  move = function(l, f, e, t, to)
    local a, b = words(l), to and words(to)
    return a, b, table.move(a, f, e, t, b)
  end,
  concat = function(l, ...) return table.concat(words(l), ...) end,
  table_unpack = function(l, i, j) return table.unpack(words(l), i, j) end,
  table_pack = function(...) return table.pack(...) end,
  sort = function(l)
    local t = words(l)
    table.sort(t)
    return t
  end,
  sort_by = function(l)
    local t = words(l)
    table.sort(t, function(x, y) return tostring(x) > tostring(y) end)
    return t
  end,
  add = function(a, b) return a + b end,
  subtract = function(a, b) return a - b end,
  multiply = function(a, b) return a * b end,
  divide = function(a, b) return a / b end,
  power = function(a, b) return a ^ b end,
  negate = function(a) return -a end,
  join = function(a, b) return a .. b end,
  less = function(a, b) return a < b end,
  tonumber = function(...) return tonumber(...) end,
  tostring = function(a) return type(a) == "table" or tostring(a) end,
  select = function(...) return select(...) end,
  utf8_len = function(s, i, j) return utf8.len(s, i, j) end,
  utf8_offset = function(s, n, i) return utf8.offset(s, n, i) end,
  utf8_codepoint = function(s, i, j) return utf8.codepoint(s, i, j) end,
  utf8_char = function(...) return utf8.char(...) end,
  utf8_codes = function(s)
    local out = {}
    for at, code in utf8.codes(s) do out[#out + 1] = at .. "=" .. code end
    return table.concat(out, " ")
  end,
}

local name = ...
return answer(pcall(calls[name], select(2, ...)))
]]

-- -- Numbers that repeat ---------------------------------------------------------------

-- Our own, so that a seed means the same whoever else draws numbers (xorshift).
local state = 1

function random_calls.seed(seed)
  state = seed
end

local function random(from, to)
  state = state ~ (state << 13)
  state = state ~ (state >> 7)
  state = state ~ (state << 17)
  return from + math.tointeger((state >> 1) % (to - from + 1))
end

local function pick(list)
  return list[random(1, #list)]
end

local function joined(list, from, to)
  local out = {}
  for i = 1, random(from, to) do out[i] = pick(list) end
  return table.concat(out)
end

local function maybe(value)
  if random(1, 3) == 1 then return value end
  return nil
end

-- -- Patterns --------------------------------------------------------------------------

local ITEMS = {
  "a", "b", "c", "1", ".", "%a", "%d", "%s", "%w", "%p", "%u", "%l", "%x", "%c", "%g", "%A",
  "%D", "%S", "%W", "%P", "%U", "%L", "%X", "%C", "%G", "[ab]", "[^a]", "[a-c]", "[%a1]", "[]]",
  "[^]]", "[]-a]", "[a-]", "[%]a]", "[a-%%]", "%%", "%.", "[%", "[", "%", "(", ")", "()", "(a)",
  "(.)", "%1", "%2", "%0", "%b()", "%bab", "%b", "%f[a]", "%f[%w]", "%f", "%fa", "^", "$", "-",
  "*", "+", "?", "]", "\0", "[\0-\127]", "%\0", "[a-b-c]", "[--a]", "[+--]", "[%a-z]", "[^%s]",
  "(a*)", "(b-)", "(%w+)", " ", "%[", "%]",
}
local REPEATS = { "", "", "", "", "*", "+", "-", "?" }
local CHARACTERS = {
  "a", "b", "c", "1", " ", "(", ")", "[", "]", "%", "-", "A", "\0", "\n", "\200", ".", "ab",
}
local REPLACEMENTS = { "x", "<%0>", "%1", "%2%1", "%%", "%", "%a", "", "%9", "[%1]", 5, 1.5 }
local MATCHERS = { "find", "find", "match", "gmatch", "gsub", "gsub_function", "gsub_table" }

--- The arguments of a call that matches: its name, a subject, a pattern, ...
function random_calls.matching()
  local name, subject = pick(MATCHERS), joined(CHARACTERS, 0, 12)
  local pattern = { random(1, 6) == 1 and "^" or "" }
  for _ = 1, random(0, 6) do pattern[#pattern + 1] = pick(ITEMS) .. pick(REPEATS) end
  if random(1, 6) == 1 then pattern[#pattern + 1] = "$" end
  local last
  if name == "find" and random(1, 10) == 1 then last = true end
  if name == "gsub" then last = pick(REPLACEMENTS) end
  return name, subject, table.concat(pattern), maybe(random(-15, 15)), last
end

-- -- Everything else -------------------------------------------------------------------

local NUMBERS = {
  0, 1, -1, 2, 3, 7, 8, 65, 127, 128, 255, 256, -128, -129, 32767, 32768, 65535, 65536, 1 << 31,
  (1 << 31) - 1, 1 << 32, -(1 << 31), math.maxinteger, math.mininteger, 0.5, -0.0, 1.5, 1e15,
  1e100, 1e308, 1 / 0, -1 / 0, 3.0, 2 ^ 53, 2 ^ 63, -1.25,
}
local STRINGS = {
  "", "a", "abc", "10", "0x10", "1.5", " 7 ", "1e2", "x1", "a\0b", ("q"):rep(120),
  '\n\r"\\\0001', "\200\201", "nan", "inf", "0x", "1 2", "\u{e9}t\u{e9}", "\u{10ffff}z",
  "\xff\x80\x80",
}
local PACKS = {
  "b", "B", "h", "H", "i", "I", "i3", "I3", "i7", "I7", "i8", "i9", "i16", "I16", "l", "L", "j",
  "J", "T", "f", "d", "n", "s", "s1", "s2", "s4", "z", "x", "X", "Xi4", "Xd", "Xb", "!", "!4",
  "!2", "!8", "!3", "<", ">", "=", " ", "c0", "c3", "c10", "i17", "y", "c", "!16",
}
local PACKED = { "\0", "\1", "\255", "\127", "\3abc", "z" }
local FLAGS = {
  "-", "+", " ", "#", "0", "1", "5", "9", "12", ".", ".3", ".0", ".20", ".99", "",
}
local CONVERSIONS = {
  "d", "i", "u", "c", "x", "X", "o", "a", "A", "e", "E", "f", "g", "G", "s", "q", "d", "s", "y",
  "%", "",
}
local WORDS = { "3 ", "1 ", "2 ", "9 ", "5 ", "1.5 ", "-2 ", "7 " }

local function value()
  local kind = random(1, 10)
  if kind <= 5 then return pick(NUMBERS) end
  if kind <= 8 then return pick(STRINGS) end
  if kind == 9 then return random(1, 2) == 1 end
  return nil
end

local function values(most)
  local list, count = {}, random(0, most)
  for i = 1, count do list[i] = value() end
  return table.unpack(list, 1, count)
end

local function position()
  if random(1, 8) == 1 then return nil end
  if random(1, 30) == 1 then return pick { "3", "x", 2.5, 2.0 } end
  return random(-6, 8)
end

local function list()
  return joined(WORDS, 0, 9) .. (random(1, 12) == 1 and "a" or "")
end

local function format()
  local out = {}
  for i = 1, random(1, 3) do
    out[i] = pick { "", "a", "%%", "\0" } .. "%" .. joined(FLAGS, 0, 3) .. pick(CONVERSIONS)
  end
  return table.concat(out)
end

local OTHERS = {
  format = function() return format(), values(3) end,
  pack = function() return joined(PACKS, 1, 4), values(4) end,
  packsize = function() return joined(PACKS, 1, 5) end,
  there_and_back = function() return joined(PACKS, 1, 3), values(4) end,
  unpack = function() return joined(PACKS, 1, 3), joined(PACKED, 0, 20), position() end,
  sub = function() return pick(STRINGS), position(), position() end,
  byte = function() return pick(STRINGS), position(), position() end,
  char = function() return values(3) end,
  rep = function() return pick(STRINGS), random(-3, 9), maybe(pick(STRINGS)) end,
  letters = function() return pick(STRINGS) end,
  insert = function() return list(), position(), value() end,
  append = function() return list(), value() end,
  remove = function() return list(), maybe(random(-6, 8)) end,
  move = function()
    return list(), random(-3, 9), random(-3, 9), random(-3, 9), maybe(list())
  end,
  concat = function() return list(), maybe ",", maybe(random(1, 5)), maybe(random(-1, 6)) end,
  table_unpack = function() return list(), random(-3, 9), random(-3, 9) end,
  table_pack = function() return values(4) end,
  sort = list,
  sort_by = list,
  tonumber = function() return value(), maybe(random(-1, 38)) end,
  select = function() return pick { 1, 2, 3, 4, -1, -2, -4, 0, "#", "x", 2.0, 2.5 }, values(3) end,
  utf8_len = function() return pick(STRINGS), random(-4, 4), random(-4, 4) end,
  utf8_offset = function() return pick(STRINGS), random(-4, 4), random(-4, 4) end,
  utf8_codepoint = function() return pick(STRINGS), position(), position() end,
  utf8_char = function() return values(3) end,
  utf8_codes = function() return pick(STRINGS) end,
}
for _, name in ipairs {
  "add", "subtract", "multiply", "divide", "power", "negate", "join", "less", "tostring",
} do
  OTHERS[name] = function() return value(), value() end
end

local NAMES = {}
for name in pairs(OTHERS) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

--- The arguments of a call that does not match: its name, ...
function random_calls.other()
  local name = pick(NAMES)
  return name, OTHERS[name]()
end

return random_calls
