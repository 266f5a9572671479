--- list and range: names in byte order, links followed.

local refused = require "spec.support.refused"

local case = ...

describe("when listing", function()
  local store
  before_each(function() store = case.store end)

  local function listed(path, options)
    local names, kinds = {}, {}
    for name, kind in assert(store:list(path, options)) do
      names[#names + 1], kinds[#kinds + 1] = name, kind
    end
    return names, kinds
  end

  it("gives the children of the root by default", function()
    assert(store:write("b/x", "1"))
    assert(store:write("a", "2"))
    assert.same({ "a", "b" }, (listed()))
    assert.same({ "a", "b" }, (listed("/")))
  end)

  it("gives the names directly inside, with what each is", function()
    assert(store:write("g/v", "1"))
    assert(store:write("g/sub/deep/er", "2"))
    assert(store:link("nowhere", "g/l"))
    local names, kinds = listed("g")
    assert.same({ "l", "sub", "v" }, names)
    assert.same({ "link", "composite", "simple" }, kinds)
  end)

  it("sorts names by their bytes", function()
    local names = {
      "a", "A", "ab", "a-b", "a.b", "a b", "Z", "z", "~", "!", "10", "9", "é", "\255", "\1", "\127",
      "aa", "a\1",
    }
    for _, name in ipairs(names) do assert(store:write({ "g", name }, "v")) end
    table.sort(names)
    assert.same(names, (listed("g")))
  end)

  it("is not confused by names that begin alike", function()
    assert(store:write("a/b/1", "v"))
    assert(store:write("a/b-c/2", "v"))
    assert(store:write("a/b!/3", "v"))
    assert(store:write("ab/4", "v"))
    assert.same({ "b", "b!", "b-c" }, (listed("a")))
    assert.same({ "1" }, (listed("a/b")))
    assert.same({ "a", "ab" }, (listed()))
  end)

  it("follows links", function()
    assert(store:write("d/f", "v"))
    assert(store:write("d/s/t", "v"))
    assert(store:link("d", "l1"))
    assert(store:link("l1", "l2"))
    assert.same({ "f", "s" }, (listed("l2")))
    assert.same({ "t" }, (listed("l2/s")))
  end)

  it("answers not_found, and not_a_group for a value", function()
    assert(store:write("f", "v"))
    assert(store:link("f", "lf"))
    refused("not_found", "nowhere", store:list("nowhere"))
    refused("not_a_group", "f", store:list("f"))
    refused("not_a_group", "f", store:list("lf"))
    refused("not_found", "nowhere", store:range("nowhere"))
    refused("not_a_group", "f", store:range("f"))
  end)

  it("gives nothing for an empty group", function()
    assert(store:group("g"))
    assert.same({}, (listed("g")))
  end)

  it("begins with `from` and ends before `to`", function()
    for _, name in ipairs { "a", "b", "bb", "c", "d" } do
      assert(store:write("g/" .. name, name))
    end
    assert.same({ "b", "bb", "c", "d" }, (listed("g", { from = "b" })))
    assert.same({ "bb", "c", "d" }, (listed("g", { from = "ba" })))
    assert.same({ "a", "b", "bb" }, (listed("g", { to = "c" })))
    assert.same({ "b", "bb" }, (listed("g", { from = "b", to = "c" })))
    assert.same({}, (listed("g", { from = "c", to = "c" })))
    assert.same({}, (listed("g", { from = "d", to = "b" })))
    assert.same({}, (listed("g", { from = "e" })))
  end)

  it("ranges over names with their values", function()
    assert(store:write("log/2026-01", "jan"))
    assert(store:write("log/2026-02", "feb"))
    assert(store:write("log/2026-03", ("m"):rep(100000), { compress = true }))
    assert(store:link("log/2026-01", "log/2026-04"))
    assert(store:write("log/2026-05/sub", "x"))
    local seen = {}
    for name, value, kind in assert(store:range("log", "2026-02", "2026-99")) do
      seen[#seen + 1] = { name, value, kind }
    end
    assert.same({
      { "2026-02", "feb", "simple" },
      { "2026-03", ("m"):rep(100000), "simple" },
      { "2026-04", "log/2026-01", "link" },
      { "2026-05", false, "composite" },
    }, seen)
    seen = {}
    for name in assert(store:range("log", nil, "2026-03")) do seen[#seen + 1] = name end
    assert.same({ "2026-01", "2026-02" }, seen)
  end)

  it("pages through more than fits a page", function()
    local count = 3000
    if case.backend.batch then
      assert(store:batch(function(batch)
        for i = 1, count do batch:write(("many/%05d"):format(i), tostring(i)) end
      end))
    else
      for i = 1, count do assert(store:write(("many/%05d"):format(i), tostring(i))) end
    end
    local seen = 0
    for name, value in assert(store:range("many")) do
      seen = seen + 1
      assert.equal(("%05d"):format(seen), name)
      assert.equal(tostring(seen), value)
    end
    assert.equal(count, seen)
  end)

  it("may be left in the middle, and begun twice", function()
    for _, name in ipairs { "a", "b", "c" } do assert(store:write("g/" .. name, name)) end
    for name in assert(store:list("g")) do
      if name == "b" then break end
    end
    local one, two = assert(store:list("g")), assert(store:list("g"))
    assert.equal("a", one())
    assert.equal("a", two())
    assert.equal("b", one())
    assert.equal("c", one())
    assert.is_nil(one())
    assert.is_nil(one())
    assert.equal("b", two())
  end)

  it("allows changes while it walks", function()
    for i = 1, 50 do assert(store:write(("g/%02d"):format(i), "v")) end
    local seen = 0
    for name in assert(store:list("g")) do
      seen = seen + 1
      assert(store:delete("g/" .. name))
    end
    assert.equal(50, seen)
    assert.same({}, (listed("g")))
  end)

  it("gives large values whole in a range", function()
    local large = ("0123456789abcdef"):rep(200000)
    assert(store:write("g/large", large))
    assert(store:write("g/small", "s"))
    local values = {}
    for name, value in assert(store:range("g")) do values[name] = value end
    assert.is_true(large == values.large)
    assert.equal("s", values.small)
  end)
end)
