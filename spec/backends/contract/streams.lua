--- read_at and writer: values that need not be held whole.

local place = require "spec.support.place"
local refused = require "spec.support.refused"

local case = ...

describe("and large values", function()
  local store
  local large = {} -- 5 MiB in which every 16 bytes are different
  for i = 1, 5 * 65536 do large[i] = ("%015x\n"):format(i) end
  large = table.concat(large)

  before_each(function() store = case.store end)

  --- Files of the store that are not there in an empty one; only fs has one for each value.
  local function files()
    if case.backend.name ~= "fs" then return {} end
    return place.files(case.directory .. "/store")
  end

  it("writes and reads them in one piece", function()
    assert(store:write("large", large))
    assert.is_true(large == store:read("large"))
    assert.equal(#large, store:stat("large").size)
    assert(store:link("large", "l"))
    assert.is_true(large == store:read("l"))
  end)

  it("reads pieces from anywhere", function()
    assert(store:write("large", large))
    assert(store:link("large", "l"))
    local mib = 1048576
    for _, piece in ipairs {
      { 0, 1 }, { 0, 16 }, { mib - 8, 16 }, { mib, 1 }, { 2 * mib - 1, 2 },
      { 3 * mib - 5, mib + 10 },
      { 65536 * 3 - 1, 2 }, { #large - 1, 1 }, { #large - 10, 100 }, { 0, #large + 1 },
    } do
      local offset, size = table.unpack(piece)
      local expected = large:sub(offset + 1, offset + size)
      assert.is_true(expected == store:read_at("l", offset, size), offset .. "+" .. size)
    end
    assert.equal("", store:read_at("large", #large, 10))
    assert.equal("", store:read_at("large", #large + 1000, 10))
    assert.equal("", store:read_at("large", 5, 0))
  end)

  it("reads pieces of small values too", function()
    assert(store:write("small", "0123456789"))
    assert.equal("345", store:read_at("small", 3, 3))
    assert.equal("9", store:read_at("small", 9, 100))
    assert.equal("", store:read_at("small", 10, 1))
    assert(store:pack("p", { k = "abcdef" }))
    assert.equal("cd", store:read_at("p/k", 2, 2))
  end)

  it("answers not_found for pieces of what is no value", function()
    assert(store:group("g"))
    refused("not_found", "nowhere", store:read_at("nowhere", 0, 1))
    refused("not_found", "g", store:read_at("g", 0, 1))
  end)

  it("raises for a piece that cannot be", function()
    assert(store:write("v", "0123456789"))
    assert.has_error(function() store:read_at("v", -1, 1) end)
    assert.has_error(function() store:read_at("v", 0, -1) end)
    assert.has_error(function() store:read_at("v", 0.5, 1) end)
  end)

  it("takes a value in pieces, unseen until it is committed", function()
    local writer <close> = assert(store:writer())
    for at = 1, #large, 700000 do
      assert.equal(writer, writer:append(large:sub(at, at + 699999)))
    end
    refused("not_found", "a/large", store:read("a/large"))
    assert.is_nil(assert(store:list())())
    assert.same({ true }, { writer:commit("a/large", { metadata = { kind = "log" } }) })
    assert.is_true(large == store:read("a/large"))
    assert.equal(#large, store:stat("a/large").size)
    assert.same({ kind = "log" }, store:stat("a/large").metadata)
  end)

  it("takes an empty value, and a small one", function()
    local empty <close> = assert(store:writer())
    assert(empty:commit("empty"))
    assert.equal("", store:read("empty"))
    local small <close> = assert(store:writer())
    assert(small:append("a"):append(""):append("\0b"):commit("small", { sync = true }))
    assert.equal("a\0b", store:read("small"))
  end)

  it("keeps to the rules of writing", function()
    assert(store:write("f", "v"))
    assert(store:write("g/k", "v"))
    local writer <close> = assert(store:writer())
    assert(writer:append(large))
    refused("not_a_group", "f", writer:commit("f/below"))
    refused("is_group", "g", writer:commit("g"))
    refused("conflict", "f", writer:commit("f", { if_absent = true }))
    refused("conflict", "f", writer:commit("f", { if_equal = "w" }))
    refused("invalid_path", "..", writer:commit(".."))
    assert.equal("v", store:read("f"))
    assert(writer:commit("f", { if_equal = "v" })) -- and may be committed after all
    assert.is_true(large == store:read("f"))
  end)

  it("refuses to compress what comes in pieces", function()
    local writer <close> = assert(store:writer())
    assert(writer:append("x"))
    local ok, value = pcall(writer.commit, writer, "v", { compress = true })
    assert.is_true(not ok or value == nil)
    refused("not_found", "v", store:type("v"))
  end)

  it("leaves nothing of a writer that was abandoned", function()
    local before = files()
    do
      local writer <close> = assert(store:writer())
      assert(writer:append(large))
    end
    assert(assert(store:writer()):append(large)) -- for the collector
    collectgarbage()
    collectgarbage()
    assert.is_nil(assert(store:list())())
    assert.same(before, files())
  end)

  it("is over once it was committed or closed", function()
    local writer = assert(store:writer())
    assert(writer:append("x"))
    assert(writer:commit("v"))
    assert.has_error(function() writer:append("more") end)
    assert.has_error(function() writer:commit("w") end)
    writer:close()
    writer:close()
    assert.equal("x", store:read("v"))
  end)

  it("replaces large values by small ones and back", function()
    assert(store:write("v", large))
    assert(store:write("v", "small"))
    assert.equal("small", store:read("v"))
    assert.equal("all", store:read_at("v", 2, 100))
    assert(store:write("v", large))
    assert(store:write("v", large:reverse()))
    assert.is_true(large:reverse() == store:read("v"))
    assert(store:delete("v"))
    refused("not_found", "v", store:read("v"))
    assert(store:write("v", "again"))
    assert.equal("again", store:read("v"))
  end)

  it("never shows its bookkeeping", function()
    assert(store:write("v", large))
    local names = {}
    for name in assert(store:list()) do names[#names + 1] = name end
    assert.same({ "v" }, names)
  end)

  it("takes no more bytes once a commit was tried, and keeps those it has", function()
    local bytes = ("0123456789abcdef"):rep(100000)
    assert(store:group("g"))
    local writer <close> = assert(store:writer())
    assert(writer:append(bytes))
    refused("is_group", "g", writer:commit("g"))
    refused("invalid_argument", "commit", writer:append("MORE"))
    assert(writer:commit("ok"))
    assert.is_true(bytes == store:read("ok"))
  end)

  it("refuses a value whose store was reset while it came", function()
    if not case.backend.lasting or not case.backend.batch then return end -- in chunks
    local writer <close> = assert(store:writer())
    assert(writer:append(("x"):rep(3 << 20)))
    assert(store:reset())
    assert(writer:append(("x"):rep(3 << 20)))
    refused("conflict", "v", writer:commit("v"))
    refused("not_found", "v", store:read("v"))
  end)

  it("compresses a large value, too", function()
    local bytes = ("all work and no play "):rep(300000)
    assert(store:write("text", bytes, { compress = true }))
    assert.is_true(bytes == store:read("text"))
    assert.equal(bytes:sub(5000001, 5000100), store:read_at("text", 5000000, 100))
    assert.equal(#bytes, store:stat("text").size)
  end)
end)
