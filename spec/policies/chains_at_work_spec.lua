--- Policies for chains at work: with real stores, and with stores that go wrong.

local cairn = require "cairn"
local faulty = require "spec.faulty"

local chains = require "spec.support.chains"
local refused = require "spec.support.refused"

--- A chain that a policy of this name decides for.
local function open(policy, members, clock)
  local policies = chains.kept(cairn.policies {
    use = { chain = policy }, directory = chains.directory(), clock = clock,
  })
  return chains.kept(cairn.chain(members, { policies = policies, clock = clock }))
end

local function decided(chain, path)
  local steps = {}
  local value, member = chain:read(path, { explain = steps })
  for _, step in ipairs(steps) do
    if step.operation == "decide chain" then return step.policy, value, member end
  end
end

describe("chain at work", function()
  after_each(chains.clean)

  it("asks near before far, and far when near has nothing", function()
    local far = chains.faulty({}, "remote")
    local near = chains.store "memory"
    local chain = open("chain", { { store = far, name = "far" }, { store = near, name = "near" } })
    assert(far:write("a", "far"))
    assert(far:write("b", "far"))
    assert(near:write("b", "near"))
    assert.same({ "far", "far" }, { chain:read("a") })
    assert.same({ "near", "near" }, { chain:read("b") })
    assert(chain:write("c", "1"))
    assert.equal("1", near:read("c"))
    assert.is_nil((far:read("c")))
  end)

  it("keeps a store out that fails, but never takes its silence for an answer", function()
    local clock = cairn.clock()
    local bad, name = chains.faulty { reads = "io" }
    local good = chains.store "memory"
    local chain = open("chain",
      { { store = bad, name = "bad" }, { store = good, name = "good" } }, clock)
    assert(good:write("a", "1"))
    for _ = 1, 5 do assert.same({ "1", "good" }, { chain:read("a") }) end
    assert.is_true(chains.member(chain, "bad").failing)
    refused("unavailable", "bad", chain:read("b"))
    local asked = faulty.counts(name).reads
    chain:read("a")
    assert.equal(asked, faulty.counts(name).reads, "it is left alone")

    faulty.set(name, { reads = false })
    clock:advance(5001)
    refused("not_found", "b", chain:read("b"))
    assert.is_false(chains.member(chain, "bad").failing)
  end)
end)

describe("tiered at work", function()
  after_each(chains.clean)

  it("brings near what was far, up to a size, and writes the disk", function()
    local far = chains.faulty({}, "remote")
    local disk = chains.store "rocksdb"
    local memory = chains.store "memory"
    local chain = open("tiered", {
      { store = memory, name = "memory", tier = true }, { store = disk, name = "disk" },
      { store = far, name = "far", write = false },
    })
    assert(far:write("a", "1"))
    local large = ("x"):rep(8 * 1024 * 1024 + 1)
    assert(far:write("large", large))

    assert.same({ "1", "far" }, { chain:read("a") })
    assert.same({ "1", "memory" }, { chain:read("a") })
    assert.equal("1", disk:read("a"))
    assert.equal("far", select(2, chain:read("large")))
    assert.is_nil((disk:read("large")))

    assert(chain:write("b", "2"))
    assert.equal("2", disk:read("b"))
    assert.same({ "2", "disk" }, { chain:read("b") })
    assert.same({ "2", "memory" }, { chain:read("b") })
    assert.equal("tiered", (decided(chain, "b")))
  end)
end)

describe("mirror at work", function()
  after_each(chains.clean)

  local a, b, names, chain, clock
  before_each(function()
    names, clock = {}, cairn.clock()
    a, names.a = chains.faulty()
    b, names.b = chains.faulty()
    chain = open("mirror", { { store = a, name = "a" }, { store = b, name = "b" } }, clock)
  end)

  it("writes both and reads either", function()
    assert(chain:write("x", "1"))
    assert.equal("1", a:read("x"))
    assert.equal("1", b:read("x"))
    faulty.set(names.a, { reads = "io" })
    assert.same({ "1", "b" }, { chain:read("x") })
  end)

  it("goes on writing while one is away, and fills its gaps by what is read", function()
    faulty.set(names.a, { writes = "io", reads = "io" })
    for n = 1, 3 do assert(chain:write("x" .. n, tostring(n))) end
    faulty.set(names.a, { writes = false, reads = false })
    clock:advance(5001)
    assert.is_nil((a:read("x1")))
    assert.same({ "1", "b" }, { chain:read("x1") })
    assert.equal("1", a:read("x1"))
    assert.same({ "1", "a" }, { chain:read("x1") })
  end)

  it("refuses a write that nobody takes", function()
    faulty.set(names.a, { writes = "io" })
    faulty.set(names.b, { writes = "io" })
    refused("io", names.a, chain:write("x", "1"))
  end)

  it("removes from both", function()
    assert(chain:write("x", "1"))
    assert(chain:delete("x"))
    assert.is_nil((a:read("x")))
    assert.is_nil((b:read("x")))
  end)

  it("races the second against a first that has become slow", function()
    assert(chain:write("x", "1"))
    faulty.set(names.a, { read_delay = 60 })
    for _ = 1, 20 do assert.equal("1", (chain:read("x"))) end
    assert.is_true(chains.member(chain, "a").latency_us > 20000)
    assert.same({ "1", "b" }, { chain:read("x") })
  end)
end)

describe("routes at work", function()
  after_each(chains.clean)

  it("sends what lies beneath a prefix to its own stores, and the rest where it went", function()
    local durable, bulk, cache = chains.store "rocksdb", chains.store "fs", chains.store "memory"
    local chain = open("routes", {
      { store = cache, name = "cache" }, { store = durable, name = "durable" },
      { store = bulk, name = "bulk" },
    })
    assert(chain:write("jobs/1", "job"))
    assert(chain:write("data/x", "blob"))
    assert(chain:write("other", "thing"))
    assert.equal("job", durable:read("jobs/1"))
    assert.equal("blob", bulk:read("data/x"))
    assert.equal("thing", cache:read("other"))
    assert.same({ "job", "durable" }, { chain:read("jobs/1") })
    assert.same({ "blob", "bulk" }, { chain:read("data/x") })
    assert.is_nil((cache:read("jobs/1")))
    assert.equal("routes", (decided(chain, "jobs/1")))
    assert.equal("chain", (decided(chain, "other")))
  end)
end)
