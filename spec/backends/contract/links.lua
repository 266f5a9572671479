--- link and resolve: chains, links in the middle, dangling ones, cycles.

local cairn = require "cairn"
local refused = require "spec.support.refused"

local case = ...

describe("and its links", function()
  local store
  before_each(function() store = case.store end)

  --- l1 -> end, l2 -> l1, ...: returns the name of the last of `count` links.
  local function chain(count, target)
    local last = target
    for i = 1, count do
      assert(store:link(last, "l" .. i))
      last = "l" .. i
    end
    return last
  end

  it("reads through a link to a value", function()
    assert(store:write("f", "v"))
    assert.same({ true, true }, { store:link("f", "l") })
    assert.equal("v", store:read("l"))
    assert.equal("simple", store:type("l"))
    assert.equal("f", store:resolve("l"))
    assert(store:write("f", "v2"))
    assert.equal("v2", store:read("l"))
  end)

  it("reads through a link in the middle of a path", function()
    assert(store:write("d/s/f", "v"))
    assert(store:link("d", "l"))
    assert.equal("v", store:read("l/s/f"))
    assert.equal("composite", store:type("l"))
    assert.equal("composite", store:type("l/s"))
    assert.equal("simple", store:type("l/s/f"))
    assert.equal("d/s/f", store:resolve("l/s/f"))
    assert.equal("v", store:read({ "l", "s", "f" }))
    refused("not_found", "l/none", store:read("l/none"))
  end)

  it("follows chains of links to their end, anywhere in a path", function()
    assert(store:write("d/f", "v"))
    local last = chain(10, "d")
    assert.equal("v", store:read(last .. "/f"))
    assert.equal("simple", store:type(last .. "/f"))
    assert.equal("d", store:resolve(last))
    assert.equal("d/f", store:resolve(last .. "/f"))
  end)

  it("follows links inside linked groups", function()
    assert(store:write("data/v", "v"))
    assert(store:group("m"))
    assert(store:link("data", "m/k"))
    assert(store:link("m", "id"))
    assert.equal("v", store:read("id/k/v"))
    assert.equal("data/v", store:resolve("id/k/v"))
  end)

  it("takes every spelling of paths for both ends", function()
    assert(store:write("x/y", "v"))
    assert(store:link("//x//y/", "/l1/"))
    assert(store:link({ "x", { "y" } }, { "p", "l2" }))
    assert.equal("v", store:read("l1"))
    assert.equal("v", store:read("p/l2"))
    assert.equal("x/y", store:stat("l1").target)
  end)

  it("makes parents of the new link", function()
    assert(store:write("x", "v"))
    assert(store:link("x", "p/q/r"))
    assert.equal("composite", store:type("p/q"))
    assert.equal("v", store:read("p/q/r"))
  end)

  it("may link to what does not exist yet", function()
    assert(store:link("no/where", "dl"))
    for _, path in ipairs { "dl", "dl/x" } do
      refused("not_found", path, store:read(path))
      refused("not_found", path, store:type(path))
      refused("not_found", path, store:list(path))
    end
    assert.equal("no/where", store:resolve("dl"))
    assert.equal("no/where/x", store:resolve("dl/x"))
    assert(store:write("no/where", "now"))
    assert.equal("now", store:read("dl"))
  end)

  it("may link to the root", function()
    assert(store:write("x", "v"))
    assert(store:link("/", "top"))
    assert.equal("v", store:read("top/x"))
    assert.equal("v", store:read("top/top/top/x"))
    assert.equal("", store:resolve("top"))
    assert.equal("", store:stat("top").target)
  end)

  it("does nothing for a link to itself, and says ok", function()
    for _, existing in ipairs { "s", "/s", "s/", { "s" } } do
      assert.same({ true, false }, { store:link(existing, "s") })
    end
    refused("not_found", "s", store:stat("s"))
    refused("not_found", "s", store:read("s"))
  end)

  it("keeps what is there already and says so", function()
    assert(store:write("a", "1"))
    assert(store:write("b", "2"))
    assert(store:write("g/k", "3"))
    assert(store:link("a", "l"))
    assert.same({ true, false }, { store:link("a", "b") })
    assert.same({ true, false }, { store:link("a", "g") })
    assert.same({ true, false }, { store:link("b", "l") })
    assert.same({ true, false }, { store:link("a", "l") })
    assert.same({ true, false }, { store:link("a", "") })
    assert.equal("2", store:read("b"))
    assert.equal("3", store:read("g/k"))
    assert.equal("1", store:read("l"))
  end)

  it("keeps a dangling link too", function()
    assert(store:link("nowhere", "l"))
    assert(store:write("b", "2"))
    assert.same({ true, false }, { store:link("b", "l") })
    assert.equal("nowhere", store:stat("l").target)
  end)

  it("beneath a value refuses a link", function()
    assert(store:write("f", "1"))
    refused("not_a_group", "f", store:link("x", "f/n"))
  end)

  it("beneath a link puts the new link at the target", function()
    assert(store:write("g/k", "1"))
    assert(store:link("g", "lg"))
    assert(store:link("g/k", "lg/n"))
    assert.equal("1", store:read("g/n"))
    assert.equal("link", store:stat("g/n").type)
  end)

  it("answers link_loop for cycles of any length, at once", function()
    assert(store:link("y", "x"))
    assert(store:link("x", "y"))
    assert(store:link("c2", "c1"))
    assert(store:link("c3", "c2"))
    assert(store:link("c1", "c3"))
    assert(store:link("a/b", "a"))
    for _, path in ipairs { "x", "y", "x/k", "c1", "c2", "c3/deep/er", "a", "a/b", "a/x" } do
      refused("link_loop", path, store:read(path))
      refused("link_loop", path, store:type(path))
      refused("link_loop", path, store:list(path))
      refused("link_loop", path, store:resolve(path))
      refused("link_loop", path, store:read_at(path, 0, 1))
    end
    refused("link_loop", "x/k", store:stat("x/k"))
    refused("link_loop", "x/k", store:write("x/k", "v"))
    refused("link_loop", "x/k", store:group("x/k"))
    refused("link_loop", "x/k", store:link("z", "x/k"))
    refused("link_loop", "x/k", store:delete("x/k"))
    assert.equal("link", store:stat("x").type)
  end)

  it("answers link_loop for a cycle that grows beyond any path", function()
    local long = ("x"):rep(150)
    assert(store:link({ long, long, long }, long))
    refused("link_loop", "xxx", store:read(long))
    refused("link_loop", "xxx", store:write({ long, "k" }, "v"))
  end)

  it("follows 64 links in one call and refuses a 65th", function()
    assert(store:write("end", "v"))
    chain(65, "end")
    assert.equal("v", store:read("l64"))
    assert.equal("end", store:resolve("l64"))
    refused("link_loop", "l65", store:read("l65"))
    refused("link_loop", "l65", store:type("l65"))
    refused("link_loop", "l65", store:resolve("l65"))
  end)

  it("counts the links in the middle of a path too", function()
    assert(store:write("g/k", "v"))
    assert(store:link("g", "g/self"))
    local path = ("g" .. ("/self"):rep(64))
    assert.equal("v", store:read(path .. "/k"))
    assert.equal("g/k", store:resolve("g/self/self/self/k"))
    refused("link_loop", "self", store:read(path .. "/self/k"))
  end)

  it("refuses what grows too long by following links", function()
    local long = ("x"):rep(200)
    assert(store:link((long .. "/"):rep(9), "l"))
    local path = "l/" .. (long .. "/"):rep(9)
    assert.equal("invalid_path", select(3, store:read(path)))
    assert.equal("invalid_path", select(3, store:write(path, "v")))
  end)

  it("does not resolve what is no link", function()
    assert(store:write("a/b", "v"))
    assert.equal("a/b", store:resolve("//a/b/"))
    assert.equal("nope/x", store:resolve("nope/x"))
    assert.equal("a/b/c", store:resolve("a/b/c"))
  end)

  it("lets links expire, or says that it cannot", function()
    local past, future = cairn.now() - 1000, cairn.now() + 3600000
    assert(store:write("f", "v"))
    if case.backend.link_options then
      assert(store:link("f", "gone", { expires = past }))
      assert(store:link("f", "here", { expires = future, sync = true }))
      refused("not_found", "gone", store:read("gone"))
      assert.equal("v", store:read("here"))
      assert.equal(future, store:stat("here").expires)
      assert.same({ true, true }, { store:link("f", "gone") })
    else
      refused("unsupported", "gone", store:link("f", "gone", { expires = past }))
      assert(store:link("f", "here", { sync = true }))
      assert.equal("v", store:read("here"))
    end
  end)

  it("works with any bytes in names and targets", function()
    assert(store:write("k\255\254", "v"))
    assert(store:link("k\255\254", "nl"))
    assert(store:write("ключ/日本", "w"))
    assert(store:link("ключ/日本", "é"))
    assert.equal("v", store:read("nl"))
    assert.equal("w", store:read("é"))
    assert.equal("ключ/日本", store:resolve("é"))
  end)
end)
