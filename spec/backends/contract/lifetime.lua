--- Opening, closing, and mistakes in the call.

local cairn = require "cairn"
local refused = require "spec.support.refused"

local case = ...

describe("and its handles", function()
  local store
  before_each(function() store = case.store end)

  local opened = 0
  --- A store of this kind that no other test uses.
  local function another()
    opened = opened + 1
    return assert(cairn.open(case.beside("other" .. opened)))
  end

  it("say how they were opened", function()
    assert.equal(case.url, store:url())
  end)

  it("count things by name", function()
    assert(store:write("a", "1"))
    for name, number in pairs(store:stats()) do
      assert.is_string(name)
      assert.equal("integer", math.type(number))
      assert.matches("_%l+$", name) -- the unit
    end
  end)

  it("are opened by a table as well", function()
    local other <close> = assert(cairn.open {
      backend = case.backend.name, path = case.beside("by-table"):match(":(.+)$"),
    })
    assert(other:write("a", "1"))
    assert.equal("1", other:read("a"))
  end)

  it("raise once closed, and may be closed twice", function()
    local other = another()
    assert(other:write("a", "1"))
    other:close()
    other:close()
    for _, use in ipairs {
      function() other:read("a") end, function() other:write("a", "2") end,
      function() other:group("a") end, function() other:link("a", "b") end,
      function() other:pack("a", {}) end, function() other:type("a") end,
      function() other:list("a") end, function() other:range("a") end,
      function() other:resolve("a") end, function() other:stat("a") end,
      function() other:delete("a") end, function() other:reset() end,
      function() other:sync() end, function() other:batch(print) end,
      function() other:transaction(print) end, function() other:snapshot() end,
      function() other:read_at("a", 0, 1) end, function() other:writer() end,
      function() other:stats() end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok)
      assert.matches("closed", message)
    end
  end)

  it("close at the end of a block", function()
    local kept
    do
      local other <close> = another()
      kept = other
      assert(other:write("a", "1"))
    end
    assert.has_error(function() kept:read("a") end)
  end)

  it("close by the collector, with what hangs on them", function()
    do
      local other = another()
      assert(other:write("g/a", "1"))
      assert(assert(other:list("g"))())
      assert(assert(other:writer()):append("x"))
    end
    collectgarbage()
    collectgarbage()
  end)

  it("stay usable for lists and writers until these are done", function()
    local other = another()
    for _, name in ipairs { "a", "b", "c" } do assert(other:write("g/" .. name, name)) end
    local walk = assert(other:list("g"))
    local writer = assert(other:writer())
    assert.equal("a", walk())
    other:close()
    -- whatever they say now, they do not crash
    pcall(walk)
    pcall(writer.append, writer, "x")
    pcall(writer.commit, writer, "v")
    writer:close()
  end)

  if case.backend.lasting then
    it("find again what was written before", function()
      local again = case.beside("again")
      do
        local first <close> = assert(cairn.open(again))
        assert(first:write("a/b", "1", { metadata = { m = 1 } }))
        assert(first:link("a", "l"))
        assert(first:pack("p", { k = "v" }))
        assert(first:delete("p/k"))
        assert(first:write("p/n", "own"))
        assert(first:write("large", ("0123456789"):rep(300000)))
      end
      local second <close> = assert(cairn.open(again))
      assert.equal("1", second:read("l/b"))
      assert.same({ m = 1 }, second:stat("a/b").metadata)
      refused("not_found", "p/k", second:read("p/k"))
      assert.equal("own", second:read("p/n"))
      assert.is_true(("0123456789"):rep(300000) == second:read("large"))
    end)
  else
    it("are stores of their own", function()
      local one <close> = another()
      local two <close> = another()
      assert(one:write("a", "1"))
      refused("not_found", "a", two:read("a"))
    end)
  end

  it("refuse options that do not exist, by name", function()
    local url = case.beside("options")
    refused("invalid_argument", "colour", cairn.open(url .. "?colour=red"))
    refused("invalid_argument", "colour", cairn.open {
      backend = case.backend.name, path = url:match(":(.+)$"), colour = "red",
    })
  end)

  describe("raise for a wrong argument, naming it:", function()
    local mistakes = {
      { "path", function() store:read() end },
      { "path", function() store:read(true) end },
      { "path", function() store:read({ "a", true }) end },
      { "value", function() store:write("a") end },
      { "value", function() store:write("a", {}) end },
      { "options", function() store:write("a", "v", "sync") end },
      { "sync", function() store:write("a", "v", { sync = "yes" }) end },
      { "expires", function() store:write("a", "v", { expires = "soon" }) end },
      { "if_equal", function() store:write("a", "v", { if_equal = {} }) end },
      { "colour", function() store:write("a", "v", { colour = "red" }) end },
      { "existing", function() store:link(nil, "b") end },
      { "new", function() store:link("a") end },
      { "children", function() store:pack("a") end },
      { "children", function() store:pack("a", { k = 5 }) end },
      { "recursive", function() store:delete("a", { recursive = "yes" }) end },
      { "offset", function() store:read_at("a", "x", 1) end },
      { "size", function() store:read_at("a", 0) end },
      { "fill", function() store:batch() end },
      { "body", function() store:transaction() end },
      { "from", function() store:list("", { from = {} }) end },
      { "bytes", function() local w <close> = store:writer(); w:append() end },
    }
    for i, mistake in ipairs(mistakes) do
      local named, make = table.unpack(mistake)
      it(("%s (%d)"):format(named, i), function()
        local ok, message = pcall(make)
        assert.is_false(ok)
        assert.matches(named, message, 1, true)
      end)
    end
  end)
end)
