--- pack: a group with its children inline behaves as if each had its own entry.

local cairn = require "cairn"
local refused = require "spec.support.refused"

local case = ...

describe("and packed groups", function()
  local store
  before_each(function()
    store = case.store
    assert(store:write("data/v", "linked"))
    assert(store:pack("p", { a = "1", b = "", c = "\0\1", l = { link = "data" } }))
  end)

  local function listed(path)
    local found = {}
    for name, kind in assert(store:list(path)) do found[#found + 1] = name .. ":" .. kind end
    return table.concat(found, " ")
  end

  it("reads inline children like any other", function()
    assert.equal("1", store:read("p/a"))
    assert.equal("", store:read("p/b"))
    assert.equal("\0\1", store:read("p/c"))
    assert.equal("simple", store:type("p/a"))
    assert.equal("composite", store:type("p"))
    refused("not_found", "p", store:read("p"))
    refused("not_found", "p/none", store:read("p/none"))
    refused("not_found", "p/a/x", store:read("p/a/x"))
  end)

  it("follows an inline link, also in the middle of a path", function()
    assert.equal("linked", store:read("p/l/v"))
    assert.equal("composite", store:type("p/l"))
    assert.equal("data/v", store:resolve("p/l/v"))
    assert.equal("v:simple", listed("p/l"))
    assert(store:write("p/l/w", "landed"))
    assert.equal("landed", store:read("data/w"))
  end)

  it("is reached through links", function()
    assert(store:link("p", "q"))
    assert.equal("1", store:read("q/a"))
    assert.equal("linked", store:read("q/l/v"))
    assert.equal("p/a", store:resolve("q/a"))
    assert.equal("a:simple b:simple c:simple l:link", listed("q"))
  end)

  it("lists and ranges over inline children", function()
    assert.equal("a:simple b:simple c:simple l:link", listed("p"))
    local values = {}
    for name, value in assert(store:range("p", "b")) do values[name] = value end
    assert.same({ b = "", c = "\0\1", l = "data" }, values)
  end)

  it("tells the facts of inline children", function()
    local stat = assert(store:stat("p/a"))
    assert.equal("simple", stat.type)
    assert.equal(1, stat.size)
    assert.equal(store:url(), stat.store)
    assert.equal("link", assert(store:stat("p/l")).type)
    assert.equal("data", assert(store:stat("p/l")).target)
    assert.equal("composite", assert(store:stat("p")).type)
    assert.is_true(stat.created == nil or math.abs(cairn.now() - stat.created) < 60000)
  end)

  it("lets a later write lie over the pack", function()
    assert(store:write("p/a", "over"))
    assert(store:write("p/aa", "new"))
    assert(store:write("p/l", "no link now"))
    assert.equal("over", store:read("p/a"))
    assert.equal("a:simple aa:simple b:simple c:simple l:simple", listed("p"))
    assert.equal("linked", store:read("data/v"))
  end)

  it("deletes inline children, and takes them back", function()
    assert(store:delete("p/a"))
    refused("not_found", "p/a", store:read("p/a"))
    refused("not_found", "p/a", store:type("p/a"))
    refused("not_found", "p/a", store:stat("p/a"))
    refused("not_found", "p/a", store:delete("p/a"))
    assert.equal("b:simple c:simple l:link", listed("p"))
    assert(store:write("p/a", "again", { if_absent = true }))
    assert.equal("again", store:read("p/a"))
    assert(store:delete("p/a"))
    refused("not_found", "p/a", store:read("p/a"))
    assert.equal("b:simple c:simple l:link", listed("p"))
    assert(store:delete("p/l"))
    assert.equal("linked", store:read("data/v"))
  end)

  it("is an empty group once every inline child is deleted", function()
    for _, name in ipairs { "a", "b", "c" } do assert(store:delete("p/" .. name)) end
    refused("is_group", "p", store:delete("p"))
    assert(store:delete("p/l"))
    assert.equal("", listed("p"))
    assert(store:delete("p"))
    refused("not_found", "p", store:type("p"))
    assert(store:group("p"))
    assert.equal("", listed("p"))
  end)

  it("judges conditions by inline children", function()
    refused("conflict", "p/a", store:write("p/a", "x", { if_absent = true }))
    refused("conflict", "p/a", store:write("p/a", "x", { if_equal = "2" }))
    assert(store:write("p/a", "x", { if_equal = "1" }))
    assert.equal("x", store:read("p/a"))
    assert.same({ true, false }, { store:link("data", "p/b") })
    assert.equal("", store:read("p/b"))
  end)

  it("lets nothing beneath an inline value", function()
    refused("not_a_group", "p/a", store:write("p/a/x", "v"))
    refused("not_a_group", "p/a", store:group("p/a"))
    refused("not_a_group", "p/a", store:link("data", "p/a/x"))
    assert.equal("1", store:read("p/a"))
  end)

  if not case.backend.packs then
    it("keeps every child it was ever given: they are entries of their own", function()
      assert(store:write("p/own", "kept"))
      assert(store:pack("p", { b = "packed", z = "26" }))
      assert.equal("a:simple b:simple c:simple l:link own:simple z:simple", listed("p"))
      assert.equal("packed", store:read("p/b"))
      assert.equal("1", store:read("p/a"))
    end)
  else
    it("replaces the children packed before, not those written since", function()
      assert(store:write("p/own", "kept"))
      assert(store:write("p/b", "kept too"))
      assert(store:pack("p", { b = "packed", z = "26" }))
      assert.equal("b:simple own:simple z:simple", listed("p"))
      assert.equal("kept too", store:read("p/b"))
      assert.equal("26", store:read("p/z"))
      refused("not_found", "p/a", store:read("p/a"))
    end)
  end

  it("packs a group that is there already", function()
    assert(store:write("g/own", "1"))
    assert(store:pack("g", { inline = "2" }))
    assert.equal("inline:simple own:simple", listed("g"))
  end)

  it("makes parents, and keeps to the rules of groups", function()
    assert(store:pack("x/y/z", { k = "v" }))
    assert.equal("v", store:read("x/y/z/k"))
    assert(store:write("f", "v"))
    refused("not_a_group", "f", store:pack("f", { k = "v" }))
    refused("not_a_group", "f", store:pack("f/g", { k = "v" }))
    assert.equal("v", store:read("f"))
  end)

  it("may be empty", function()
    assert(store:pack("e", {}))
    assert.equal("composite", store:type("e"))
    assert.equal("", listed("e"))
  end)

  it("goes with its children when it is deleted", function()
    assert(store:write("p/own", "x"))
    refused("is_group", "p", store:delete("p"))
    assert(store:delete("p", { recursive = true }))
    refused("not_found", "p", store:type("p"))
    refused("not_found", "p/a", store:read("p/a"))
    assert(store:group("p"))
    assert.equal("", listed("p"))
  end)

  it("holds many children in byte order, and any bytes in names", function()
    local children, names = {}, {}
    for i = 1, 1000 do
      local name = ("%s%d"):format(string.char(33 + i % 13), i)
      children[name], names[i] = tostring(i), name
    end
    children["\255\1"] = "odd"
    names[#names + 1] = "\255\1"
    assert(store:pack("many", children))
    table.sort(names)
    local at = 0
    for name, value in assert(store:range("many")) do
      at = at + 1
      assert.equal(names[at], name)
      assert.equal(children[name], value)
    end
    assert.equal(#names, at)
    assert.equal("odd", store:read({ "many", "\255\1" }))
  end)

  it("takes large children", function()
    local large = ("0123456789abcdef"):rep(100000)
    assert(store:pack("big", { small = "s", large = large }))
    assert.equal("s", store:read("big/small"))
    assert.is_true(large == store:read("big/large"))
    assert.equal("large:simple small:simple", listed("big"))
    assert.equal(large:sub(1000001, 1000010), store:read_at("big/large", 1000000, 10))
  end)

  it("refuses names that are no segment", function()
    for _, name in ipairs { "", ".", "..", "x/y", "x\0" } do
      local ok, value, _, code = pcall(store.pack, store, "bad", { fine = "1", [name] = "v" })
      assert.is_true(not ok or value == nil)
      if ok then assert.matches("^invalid_", code) end
    end
    refused("not_found", "bad", store:type("bad"))
  end)

  it("refuses a child whose path would be too long", function()
    local deep = ("d"):rep(200)
    local group = table.concat({ deep, deep, deep, deep, deep, deep, deep, deep, deep }, "/")
    refused("invalid_path", "2048", store:pack(group, { [("n"):rep(250)] = "v" }))
  end)

  if case.backend.batch then
    it("goes with its children in one batch, and leaves nothing behind", function()
      assert(store:batch(function(batch)
        for _, name in ipairs { "a", "b", "c", "l" } do batch:delete("p/" .. name) end
        batch:delete("p")
      end))
      refused("not_found", "p", store:type("p"))
      assert(store:write("p/a", "new"))
      assert.equal("composite", store:type("p"))
      assert.equal("a:simple", listed("p"))
      assert(store:write("p/c", "new"))
      assert.equal("a:simple c:simple", listed("p"))

      assert(store:pack("q", { a = "1" }))
      assert(store:batch(function(batch)
        batch:delete("q/a")
        batch:delete("q")
        batch:write("q/a", "again")
      end))
      assert.equal("again", store:read("q/a"))
      assert.equal("composite", store:type("q"))
      assert(store:delete("q", { recursive = true }))
    end)

    it("hides an inline child under what expired, as under what was deleted", function()
      assert(store:write("p/a", "over", { expires = cairn.now() - 1 }))
      refused("not_found", "p/a", store:read("p/a"))
      assert.equal("b:simple c:simple l:link", listed("p"))
    end)
  end
end)
