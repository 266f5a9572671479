--- stat: the entry itself, with its times and metadata.

local cairn = require "cairn"
local refused = require "spec.support.refused"

local case = ...

describe("when asked for the facts", function()
  local store
  before_each(function() store = case.store end)

  it("tells type, size, times and store of a value", function()
    local before = cairn.now()
    assert(store:write("a/v", "12345"))
    local after = cairn.now()
    local stat = assert(store:stat("a/v"))
    assert.equal("simple", stat.type)
    assert.equal(5, stat.size)
    assert.equal("integer", math.type(stat.created))
    assert.is_true(before - 10 <= stat.created and stat.created <= after + 10)
    assert.equal("integer", math.type(stat.modified))
    assert.is_true(stat.created <= stat.modified and stat.modified <= after + 10)
    assert.is_nil(stat.expires)
    assert.is_nil(stat.target)
    assert.is_nil(stat.metadata)
    assert.equal(store:url(), stat.store)
  end)

  it("tells type and store of a group", function()
    assert(store:group("g"))
    local stat = assert(store:stat("g"))
    assert.equal("composite", stat.type)
    assert.equal(0, stat.size)
    assert.is_nil(stat.target)
    assert.equal(store:url(), stat.store)
    assert.equal("composite", assert(store:stat("")).type)
  end)

  it("reports a link at the end and follows those on the way", function()
    assert(store:write("g/v", "v"))
    assert(store:link("g/v", "g/l"))
    assert(store:link("g", "lg"))
    local stat = assert(store:stat("lg/l"))
    assert.equal("link", stat.type)
    assert.equal("g/v", stat.target)
    assert.equal(3, stat.size)
    assert.equal("simple", assert(store:stat("lg/v")).type)
    assert.equal("g", assert(store:stat("lg")).target)
  end)

  it("reports a dangling link", function()
    assert(store:link("nowhere", "l"))
    assert.equal("nowhere", assert(store:stat("l")).target)
  end)

  it("answers not_found for what is not there", function()
    refused("not_found", "nowhere", store:stat("nowhere"))
    assert(store:link("nowhere", "l"))
    refused("not_found", "l/x", store:stat("l/x"))
  end)

  it("does not get younger by being written again", function()
    assert(store:write("v", "1"))
    local first = assert(store:stat("v"))
    assert(store:write("v", "22"))
    local second = assert(store:stat("v"))
    assert.is_true(second.created >= first.created)
    assert.is_true(second.modified >= first.modified)
    assert.equal(2, second.size)
  end)

  it("gives metadata back as it was, types included", function()
    local metadata = {
      text = "plain", empty = "", bytes = "\0\255", integer = -42, large = math.maxinteger,
      small = math.mininteger, float = 0.5, whole = 2.0, yes = true, no = false,
      ["odd key\0"] = "k",
    }
    assert(store:write("v", "value", { metadata = metadata }))
    local back = assert(store:stat("v")).metadata
    assert.same(metadata, back)
    assert.equal("integer", math.type(back.integer))
    assert.equal("float", math.type(back.whole))
    assert.equal("value", store:read("v"))
  end)

  it("forgets metadata when a value is written without", function()
    assert(store:write("v", "1", { metadata = { a = "b" } }))
    assert(store:write("v", "2"))
    assert.is_nil(assert(store:stat("v")).metadata)
  end)

  it("keeps metadata beside large and compressed values", function()
    assert(store:write("large", ("x"):rep(3000000), { metadata = { kind = "large" } }))
    assert(store:write("small", ("x"):rep(3000), { compress = true, metadata = { kind = "z" } }))
    assert.same({ kind = "large" }, store:stat("large").metadata)
    assert.equal(3000000, store:stat("large").size)
    assert.same({ kind = "z" }, store:stat("small").metadata)
    assert.equal(3000, store:stat("small").size)
  end)

  it("says `limit` for metadata it cannot hold, and writes nothing", function()
    local fits = case.backend.metadata_max or 65536
    assert(store:write("v", "1", { metadata = { a = ("m"):rep(fits - 200) } }))
    refused("limit", "w", store:write("w", "2", { metadata = { a = ("m"):rep(fits + 1) } }))
    refused("not_found", "w", store:stat("w"))
  end)

  it("raises for metadata that is no flat table", function()
    for _, metadata in ipairs { { a = {} }, { print }, { [1] = "x" }, "text" } do
      assert.has_error(function() store:write("v", "1", { metadata = metadata }) end)
    end
    refused("not_found", "v", store:stat("v"))
  end)
end)
