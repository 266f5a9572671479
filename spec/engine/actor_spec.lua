--- Who waits for whom: edges one by one, and threads that draw them (spec/support/actors.c).

local place = require "spec.support.place"

local actors = assert(package.loadlib(place.build .. "/spec/actors.so", "luaopen_actors"))()

local SLOW = os.getenv "CAIRN_PRELOAD" and 10 or 1

--- Draws { from, to } after { from, to }; the outcome of the last one. The numbers stand
--- for fresh actors, 0 for nobody.
local function draw_all(pairs_of_numbers)
  local numbered, edges, last = { [0] = 0 }, {}, nil
  for i, pair in ipairs(pairs_of_numbers) do
    for _, number in ipairs(pair) do numbered[number] = numbered[number] or actors.new() end
    edges[i] = actors.edge()
    last = table.pack(edges[i]:draw(numbered[pair[1]], numbered[pair[2]]))
    if i < #pairs_of_numbers then assert.is_true(last[1], last[2]) end
  end
  return last, edges, numbered
end

describe("an edge", function()
  local cases = {
    { "from an actor to itself is refused", { { 1, 1 } }, true },
    { "that closes a ring of two is refused", { { 1, 2 }, { 2, 1 } }, true },
    { "that closes a ring of three is refused", { { 1, 2 }, { 2, 3 }, { 3, 1 } }, true },
    { "in the middle that closes a ring is refused", { { 3, 1 }, { 1, 2 }, { 2, 3 } }, true },
    { "to one that waits already is drawn", { { 2, 3 }, { 1, 2 } }, false },
    { "from one more that waits for the same is drawn", { { 1, 3 }, { 2, 3 } }, false },
    { "to or from nobody is nothing", { { 1, 0 }, { 0, 1 } }, false },
  }
  for _, case in ipairs(cases) do
    local behaviour, steps, refused = table.unpack(case)
    it(behaviour, function()
      local outcome, edges = draw_all(steps)
      assert.equal(refused and "infinite_recursion" or nil, outcome[3])
      if refused then assert.matches("wait", outcome[2], 1, true) end
      for _, edge in ipairs(edges) do edge:erase() end
    end)
  end

  it("that was refused is not drawn", function()
    local _, edges, numbered = draw_all { { 1, 2 }, { 2, 1 } }
    edges[1]:erase()
    assert.is_true(edges[1]:draw(numbered[2], numbered[1]))
    edges[1]:erase()
  end)

  it("may be drawn when the other one is erased", function()
    local _, edges, numbered = draw_all { { 1, 2 } }
    edges[1]:erase()
    edges[1]:erase() -- which is nothing
    assert.is_true(edges[2] == nil and actors.edge():draw(numbered[2], numbered[1]))
  end)

  for _, count in ipairs { 2, 3, 10, 10000 } do
    it("at the end of a chain of " .. count .. " is refused until the chain is cut", function()
      local seen = actors.chain(count)
      assert.equal(0, seen.refused)
      assert.equal("infinite_recursion", seen.closed)
      assert.equal(count == 2 and "infinite_recursion" or "ok", seen.cut)
    end)
  end
end)

describe("the actor of a thread", function()
  it("is the same again, and not that of others", function()
    local self = actors.self()
    assert.is_true(self > 0)
    assert.equal(self, actors.self())
    local other, another = actors.self_of_another(), actors.self_of_another()
    assert.is_true(other ~= self and another ~= self and other ~= another)
  end)

  it("is who has entered, until the one before enters again", function()
    local self, worker, inner = actors.self(), actors.new(), actors.new()
    assert.equal(self, actors.enter(worker))
    assert.equal(worker, actors.self())
    assert.equal(worker, actors.enter(inner))
    assert.equal(inner, actors.enter(worker))
    assert.equal(worker, actors.enter(0))
    assert.equal(self, actors.self())
  end)
end)

describe("threads that draw edges", function()
  it("all upwards never close a ring, and are told of none", function()
    local seen = actors.stress(4, 200000 // SLOW, true)
    assert.same({ 0, 0 }, { seen.refused, seen.overlooked })
    assert.is_true(seen.drawn > 10000 // SLOW)
  end)

  it("in all directions close no ring", function()
    local seen = actors.stress(4, 100000 // SLOW, false)
    assert.equal(0, seen.overlooked)
    assert.is_true(seen.drawn > 1000 and seen.refused > 100)
  end)

  it("towards each other are not both drawn, and not both refused", function()
    local rounds = 100000 // SLOW
    assert.same({ none = 0, one = rounds, both = 0 }, actors.oppose(rounds))
  end)
end)
