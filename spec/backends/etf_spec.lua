--- The decoder of Erlang sets, on the golden vectors, on terms made by hand, and on bytes that
--- nobody would make.

local hyperbeam = require "spec.support.hyperbeam"

local function set_of(term)
  return hyperbeam.sets({ term })[1]
end

--- Every term of the vectors, without the tag in front, with its members.
local function golden()
  local terms = {}
  for _, row in ipairs(hyperbeam.vectors("codec.json").groups) do
    local members = {}
    for i, member in ipairs(row.members_in_insert_order) do
      members[i] = hyperbeam.plain(member)
    end
    table.sort(members)
    for form, hex in pairs(row) do
      if form:match("^v%d_") and not form:match("list_order") then
        terms[#terms + 1] = { term = hyperbeam.bytes(hex):sub(2), members = members, form = form }
      end
    end
  end
  table.sort(terms, function(a, b) return a.term < b.term end)
  return terms
end

local function adler32(bytes)
  local a, b = 1, 0
  for i = 1, #bytes do
    a = (a + bytes:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

--- A compressed term (RFC 1950 and 1951, one stored block) that says it has `size` bytes.
local function compressed(term, size)
  local inner = term:sub(2)
  return "\131\80" .. string.pack(">I4", size or #inner) .. "\x78\x01\1"
    .. string.pack("<I2I2", #inner, #inner ~ 0xffff) .. inner .. string.pack(">I4", adler32(inner))
end

-- Pieces of terms.
local NIL = "\106"
local function binary(bytes) return "\109" .. string.pack(">s4", bytes) end
local function map(...)
  local pairs_of = { ... }
  return "\131\116" .. string.pack(">I4", #pairs_of) .. table.concat(pairs_of)
end
local function member(term) return term .. NIL end
--- A set of the first format with these buckets, in one segment.
local function record(size, buckets, name)
  return "\131\104\9" .. (name or "\119\3set") .. "\97" .. string.char(size)
    .. "\97\16\97\16\97\8\97\80\97\48\104\0\104\1\104" .. string.char(#buckets)
    .. table.concat(buckets)
end
local function list(...)
  return "\108" .. string.pack(">I4", select("#", ...)) .. table.concat({ ... }) .. NIL
end

describe("a set in Erlang's external term format", function()
  it("has the members that the vectors say, in every form", function()
    local terms = golden()
    local plain, packed = {}, {}
    for i, row in ipairs(terms) do
      plain[i], packed[i] = row.term, compressed(row.term)
    end
    for _, results in ipairs({ hyperbeam.sets(plain), hyperbeam.sets(packed) }) do
      assert.equal(#terms, #results)
      for i, result in ipairs(results) do
        assert.equal("ok", result.code, result.message)
        table.sort(result.names)
        assert.same(terms[i].members, result.names, terms[i].form)
        assert.equal(0, result.skipped)
      end
    end
  end)

  local readable = {
    { "atoms of all four encodings as their text",
      map(member("\100\0\1a"), member("\115\1b"), member("\118\0\2\xc3\xa4"), member("\119\1d")),
      { "a", "b", "\xc3\xa4", "d" } },
    { "charlists as their bytes",
      map(member("\107\0\2hi"), member(list("\97h", "\97o"))), { "hi", "ho" } },
    { "the empty binary", map(member(binary(""))), { "" } },
    { "a bucket with several members",
      record(2, { list(binary("x"), binary("y")) }), { "x", "y" } },
    { "a charlist in a bucket", record(1, { list("\107\0\2hi") }), { "hi" } },
    { "sizes in four bytes",
      "\131\104\9\119\3set" .. ("\98\0\0\0\1"):rep(6) .. "\104\0\105\0\0\0\1\105\0\0\0\1"
        .. list(binary("x")), { "x" } },
    -- What are no names is stepped over, and counted.
    { "integers", map(member("\97\1"), member("\98\0\0\0\1"), member(binary("x"))), { "x" }, 2 },
    { "bignums", map(member("\110\2\0ab"), member("\111\0\0\0\3\1abc"), member(binary("x"))),
      { "x" }, 2 },
    { "floats", map(member("\70" .. ("\0"):rep(8)), member("\99" .. ("0"):rep(31))), {}, 2 },
    { "bit strings", map(member("\77\0\0\0\1\3\224")), {}, 1 },
    { "the empty list", map(member(NIL)), {}, 1 },
    { "tuples and maps and lists of all kinds",
      map(member("\104\2\97\1" .. binary("y")), member("\116\0\0\0\1\97\1\97\2"),
        member(list("\97h", "\98\0\0\1\0")), member("\108\0\0\0\1\97h\97i"),
        member(binary("x"))), { "x" }, 4 },
    { "a bucket of small integers, which is a string",
      record(3, { "\107\0\2hi", list(binary("x")) }), { "x" }, 2 },
    { "lists within lists, however deep",
      map(member(("\108\0\0\0\1"):rep(50000) .. NIL .. NIL:rep(50000))), {}, 1 },
  }
  for _, case in ipairs(readable) do
    local what, term, names, skipped = table.unpack(case, 1, 4)
    it("may hold " .. what, function()
      local result = set_of(term)
      assert.equal("ok", result.code, result.message)
      assert.same(names, result.names)
      assert.equal(skipped or 0, result.skipped)
    end)
  end

  local unreadable = {
    { "nothing", "", "cut off" },
    { "another version", "\130\116\0\0\0\0", "version" },
    { "an unknown kind of term", "\131\200", "unknown" },
    { "a term that is neither map nor record", "\131\97\1", "neither" },
    { "a tuple of eight", "\131\104\8" .. NIL:rep(8), "neither" },
    { "a record of another name", record(0, {}, "\119\3sed"), "name" },
    { "a record without a name", record(0, {}, binary("set")), "record" },
    { "a map with values", map(binary("x") .. "\97\1"), "values" },
    { "a count too high", record(2, { list(binary("x")) }), "miscounts" },
    { "a count too low", record(0, { list(binary("x")) }), "miscounts" },
    { "a negative count",
      "\131\104\9\119\3set\98\255\255\255\255" .. ("\97\1"):rep(5) .. "\104\0\104\0", "negative" },
    { "a count that is no number", "\131\104\9\119\3set" .. NIL:rep(8), "number" },
    { "a bucket that is no list", record(1, { binary("x") }), "bucket" },
    { "a bucket without an end",
      record(1, { "\108\0\0\0\1" .. binary("x") .. "\97\1" }), "bucket" },
    { "a segment that is no tuple",
      "\131\104\9\119\3set" .. ("\97\0"):rep(6) .. "\104\0\104\1" .. NIL, "tuple" },
    { "more bytes behind it", map(member(binary("x"))) .. "\0", "behind" },
    { "a member longer than all there is", "\131\116\0\0\0\1\109\255\255\255\255x", "cut off" },
    { "more members than there are", "\131\116\255\255\255\255", "cut off" },
    { "more buckets than there are",
      "\131\104\9\119\3set" .. ("\97\0"):rep(6) .. "\104\0\104\1\105\255\255\255\255", "cut off" },
    { "a list longer than all there is", "\131\116\0\0\0\1\108\255\255\255\255\97h", "cut off" },
    { "a compressed term of more bytes than it says", compressed(map(member(binary("x"))), 3),
      "expand" },
    { "a compressed term of fewer bytes than it says", compressed(map(member(binary("x"))), 99),
      "expand" },
    { "a compressed term too large to be", compressed(map(), 0xffffffff), "too large" },
    { "a compressed term larger than its bytes could make it", compressed(map(), 100000),
      "too large" },
    { "more bytes behind a compressed term", compressed(map()) .. "\0", "behind" },
    { "a compressed term within a compressed term",
      compressed("\131" .. compressed(map()):sub(2)), "unknown" },
    { "a compressed term with a wrong checksum", compressed(map()):sub(1, -2) .. "\255", "expand" },
  }
  for _, case in ipairs(unreadable) do
    local what, term, said = table.unpack(case)
    it("is refused for " .. what, function()
      local result = set_of(term)
      assert.equal("corrupt", result.code)
      assert.matches(said, result.message, 1, true)
    end)
  end

  it("is refused wherever it is cut off", function()
    local prefixes = {}
    for _, row in ipairs(golden()) do
      if #row.term < 500 then
        for _, term in ipairs({ row.term, compressed(row.term) }) do
          for size = 0, #term - 1 do prefixes[#prefixes + 1] = term:sub(1, size) end
        end
      end
    end
    local results = hyperbeam.sets(prefixes)
    assert.equal(#prefixes, #results)
    for i, result in ipairs(results) do
      assert.equal("corrupt", result.code, hyperbeam.hex(prefixes[i]))
    end
  end)

  it("is read or refused, whatever bytes are changed in it", function()
    math.randomseed(20250511)
    local terms, mutants = golden(), {}
    local telling = { 0, 1, 80, 97, 98, 100, 104, 105, 106, 107, 108, 109, 110, 116, 119, 131, 255 }
    for i = 1, 6000 do
      local bytes = { terms[math.random(#terms)].term:byte(1, 400) }
      for _ = 1, math.random(4) do
        local at, choice = math.random(#bytes), math.random(4)
        if choice == 1 then
          table.remove(bytes, at)
        elseif choice == 2 then
          table.insert(bytes, at, telling[math.random(#telling)])
        elseif choice == 3 then
          bytes[at] = telling[math.random(#telling)]
        else
          bytes[at] = math.random(0, 255)
        end
      end
      mutants[i] = string.char(table.unpack(bytes))
    end
    local results = hyperbeam.sets(mutants)
    assert.equal(#mutants, #results)
    local read = 0
    for _, result in ipairs(results) do
      if result.code == "ok" then read = read + 1 else assert.equal("corrupt", result.code) end
    end
    assert.is_true(read > 0 and read < #mutants)
  end)
end)
