--- Entries as bytes: cairn.encode and cairn.decode. Nothing that is stored can crash a reader.

local cairn = require "cairn"
local cjson = require "cjson"

local place = require "spec.support.place"

local DECODED_TRIALS = 20000

local function unhex(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local entries = {
  { kind = "raw", payload = "value" },
  { kind = "raw", payload = "" },
  { kind = "raw", payload = ("\0\1\2\255"):rep(100) },
  { kind = "raw", payload = "v", created = 1, modified = 2, expires = 3 },
  { kind = "raw", payload = "v", created = 1763679600000, expires = 2 ^ 53 // 1 | 0 },
  { kind = "raw", payload = "v", metadata = { a = "b", n = 7, f = 0.5, t = true, u = false } },
  { kind = "raw", payload = "(zstd frame)", form = "zstd", size = 1000 },
  { kind = "raw", payload = ("0"):rep(32), form = "chunked", size = 5000000 },
  { kind = "link", payload = "a/b/c", created = 5 },
  { kind = "link", payload = "", expires = 9 },
  { kind = "group" },
  { kind = "group", created = 77 },
  { kind = "tombstone" },
}

local packed = {
  kind = "group",
  created = 1763679600000,
  children = {
    a = { kind = "raw", payload = "1" },
    b = { kind = "raw", payload = ("x"):rep(300), metadata = { m = 1 } },
    ["\255"] = { kind = "link", payload = "somewhere/else" },
  },
}

--- The fields of `entry` must all be in `decoded`.
local function assert_kept(entry, decoded)
  for field, value in pairs(entry) do
    if field == "children" then
      for name, child in pairs(value) do assert_kept(child, decoded.children[name]) end
    else
      local there = decoded[field]
      if field == "payload" and value == "" then there = there or "" end
      assert.same(value, there, field)
    end
  end
end

describe("the codec", function()
  it("gives back every kind of entry", function()
    for _, entry in ipairs(entries) do
      assert_kept(entry, assert(cairn.decode(assert(cairn.encode(entry)))))
    end
  end)

  it("gives back packed groups", function()
    local bytes = assert(cairn.encode(packed))
    local decoded = assert(cairn.decode(bytes))
    assert_kept(packed, decoded)
    assert.equal(bytes, cairn.encode(packed)) -- whatever order the table has
  end)

  it("says how large a value is", function()
    assert.equal(5, cairn.decode(cairn.encode { kind = "raw", payload = "value" }).size)
    assert.equal(3, cairn.decode(cairn.encode { kind = "link", payload = "a/b" }).size)
  end)

  it("encodes links and raw values without more as HyperBEAM does", function()
    local vectors = cjson.decode(place.content("spec/vectors/codec.json"))
    local compared = 0
    for _, row in ipairs(vectors.encode) do
      local value = row.value["$hex"] and unhex(row.value["$hex"]) or row.value
      assert.equal(unhex(row.bytes), cairn.encode { kind = row.type, payload = value })
      assert.equal(value, cairn.decode(unhex(row.bytes)).payload or "")
      compared = compared + 1
    end
    assert.equal(10, compared)
  end)

  it("refuses what no entry can be", function()
    for _, wrong in ipairs {
      { kind = "nothing" }, { kind = "link", form = "zstd", payload = "x", size = 1 },
      { kind = "raw", form = "rot13", payload = "x" }, { payload = "x" },
      { kind = "group", children = { ["a/b"] = { kind = "raw", payload = "x" } } },
      { kind = "group", children = { g = { kind = "group" } } },
      { kind = "raw", payload = "x", metadata = { t = {} } },
    } do
      local ok, value = pcall(cairn.encode, wrong)
      assert.is_true(not ok or value == nil, cjson.encode(wrong))
    end
    assert.has_error(function() cairn.encode() end)
    assert.has_error(function() cairn.decode() end)
    assert.has_error(function() cairn.decode {} end)
  end)
end)

describe("bytes that are no entry", function()
  --- True if it was decoded; false if it was called corrupt; anything else fails.
  local function decodes(bytes)
    local entry, message, code = cairn.decode(bytes)
    if entry then return true end
    assert.equal("corrupt", code)
    assert.is_string(message)
    return false
  end

  it("are corrupt: no bytes, an unknown tag, unknown flags", function()
    assert.is_false(decodes(""))
    for tag = 0, 255 do
      local known = tag >= 1 and tag <= 4
      assert.equal(known, decodes(string.char(tag)), "tag " .. tag)
    end
    assert.is_false(decodes("\130\0")) -- flags announced, none there
    assert.is_false(decodes("\130\64payload")) -- an unknown one
    assert.is_false(decodes("\130\6\5payload")) -- zstd and chunked at once
    assert.is_false(decodes("\129\2\5target")) -- a compressed link
  end)

  it("are corrupt when cut off in the header", function()
    local whole = assert(cairn.encode {
      kind = "raw", payload = "", created = 1000, modified = 2000, expires = 3000,
      metadata = { name = "value" },
    })
    for size = 0, #whole - 1 do
      if size ~= 0 then assert.is_false(decodes(whole:sub(1, size)), size .. " bytes") end
    end
    assert.is_true(decodes(whole))
  end)

  it("are corrupt when a packed group is cut off anywhere", function()
    local whole = assert(cairn.encode(packed))
    local header = assert(cairn.encode { kind = "group", created = packed.created })
    for size = 1, #whole - 1 do
      -- The header alone is a group without a pack.
      assert.equal(size == #header, decodes(whole:sub(1, size)), size .. " bytes")
    end
    assert.is_false(decodes(whole .. "x"))
  end)

  it("are corrupt in packs with names out of order, or no names at all", function()
    local function run(bytes) return string.char(#bytes) .. bytes end
    local function pack(...)
      local children = {}
      for i, name in ipairs { ... } do children[i] = run(name) .. run("\2v") end
      return "\3" .. string.char(#children) .. table.concat(children)
    end
    assert.is_true(decodes(pack("a", "b")))
    assert.is_false(decodes(pack("b", "a")))
    assert.is_false(decodes(pack("a", "a")))
    assert.is_false(decodes(pack("")))
    assert.is_false(decodes(pack("a/b")))
    assert.is_false(decodes(pack("a\0")))
    assert.is_false(decodes("\3\1" .. run("g") .. run("\3")))
    assert.is_false(decodes("\3\1" .. run("t") .. run("\4")))
    assert.is_false(decodes("\3\255\255\255\255\255\255\255\255\255\1")) -- 2^64 - 1 children
    assert.is_false(decodes("\3\255\255\255\255\255\255\255\255\255\255\255"))
  end)

  it("are never more than corrupt, whatever they are", function()
    math.randomseed(7)
    local seeds = {}
    for i, entry in ipairs(entries) do seeds[i] = assert(cairn.encode(entry)) end
    seeds[#seeds + 1] = assert(cairn.encode(packed))
    local outcomes = { [true] = 0, [false] = 0 }
    for _ = 1, DECODED_TRIALS do
      local bytes = seeds[math.random(#seeds)]
      for _ = 1, math.random(1, 4) do
        local at = math.random(0, #bytes)
        local junk = string.char(math.random(0, 255))
        local kept = math.random(0, 1)
        bytes = bytes:sub(1, at) .. junk .. bytes:sub(at + 1 + kept)
      end
      local outcome = decodes(bytes)
      outcomes[outcome] = outcomes[outcome] + 1
    end
    for _ = 1, DECODED_TRIALS // 4 do
      local bytes = {}
      for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
      decodes(table.concat(bytes))
    end
    assert.is_true(outcomes[true] > 100 and outcomes[false] > 100)
  end)
end)
