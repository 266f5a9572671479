--- `explain`: who decided what, and what the stores said.

local cjson = require "cjson"
local lfs = require "lfs"

local place = require "spec.support.place"
local program = require "spec.support.program"
local scripts = require "spec.support.policies"

describe("cairn explain", function()
  local directory, run, own

  before_each(function()
    directory = place.fresh()
    own = directory .. "/own"
    lfs.mkdir(own)
    run = program.within(directory)
    place.put(directory .. "/cairn.conf.lua", [[return {
      policies = "own",
      cache = {
        stores = {
          { store = "fs:./near", name = "near" }, { store = "fs:./far", name = "far" },
        },
      },
    }]])
    assert.equal(0, run("--store", "fs:./near", "put", "there", "1").code)
    assert.equal(0, run("--store", "fs:./far", "put", "only/far", "12345").code)
  end)

  after_each(function() place.remove(directory) end)

  local function explain(...)
    local result = run("explain", ...)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  local function steps(...)
    local list, outcome = {}, nil
    for line in explain("--json", ...):gmatch("[^\n]+") do
      local object = cjson.decode(line)
      if object.outcome then outcome = object.outcome else list[#list + 1] = object end
    end
    return list, outcome
  end

  local function decision_in(list, question)
    for _, step in ipairs(list) do
      if step.operation == "decide " .. question then return step end
    end
  end

  it("tells who was asked, and who decided so", function()
    local list, outcome = steps("read", "only/far")
    local decision = assert(decision_in(list, "chain"))
    assert.equal("chain", decision.policy)
    assert.matches("^%x+$", decision.version)
    assert.is_true(decision.line > 0)
    assert.matches("near.*far", decision.detail)
    local said = {}
    for _, step in ipairs(list) do
      if step.store then said[#said + 1] = step.store:match("^[^?]*") .. " " .. step.status end
    end
    assert.equal("fs:./near not_found", said[1])
    assert.equal("fs:./far ok", said[#said])
    assert.equal("ok", outcome.status)
  end)

  it("says it in a table", function()
    local text = explain("read", "only/far")
    assert.matches("^only/far\n  1  decide chain  chain %x+:%d+ +ask near, far[^\n]*\n", text)
    assert.matches("\n  2  get +fs:./near[^\n]* not_found\n", text)
    assert.matches("\n  3  get +fs:./far[^\n]* ok\n", text)
    assert.matches("\nok: 5 bytes\n$", text)
  end)

  it("explains what is nowhere", function()
    local list, outcome = steps("read", "nowhere")
    assert.is_true(#list >= 3)
    assert.equal("not_found", outcome.status)
    assert.matches("\nnot_found: .*nowhere", explain("read", "nowhere"))
  end)

  it("names a user's policy and its line", function()
    place.put(own .. "/cache_control.lua", scripts.keeping(1000))
    local id = run("--store", "fs:./near", "msg", "put", { stdin = '{"a":1}' }).out:match("%S+")
    local list, outcome = steps("resolve", id, '{"path":"sum"}')
    local decision = assert(decision_in(list, "cache_control"))
    assert.equal(6, decision.line)
    assert.equal("cache_control", decision.policy)
    assert.equal("miss", outcome.cache)
    assert.matches("/", outcome.hashpath, 1, true)
    local text = explain("resolve", id, '{"path":"sum"}', "--result", "max-age=5", "--size", "10")
    assert.matches("its result would be kept\n$", text)
    assert.matches("cache_control %x+:7", text)
  end)

  it("tells a hit from a miss and from what is not looked up", function()
    place.put(directory .. "/resolve.lua", [[
      local cairn = require "cairn"
      local cache <close> = assert(cairn.cache())
      local id = assert(cache:write { name = "base" })
      assert(cache:resolve(id, { path = "kept" }, function() return "value" end,
        { cache_control = "always" }))
      print(id)]])
    local result = run("run", "resolve.lua")
    assert.equal("", result.err)
    local id = result.out:match("%S+")
    local _, outcome = steps("resolve", id, '{"path":"kept"}', "--cache-control", "cache")
    assert.equal("hit", outcome.cache)
    assert.equal("ok", outcome.status)
    assert.equal("near", outcome.store)
    _, outcome = steps("resolve", id, '{"path":"other"}', "--cache-control", "cache")
    assert.equal("miss", outcome.cache)
    _, outcome = steps("resolve", id, '{"path":"kept"}', "--cache-control", "no-cache")
    assert.equal("not_found", outcome.status)
    local text = explain("resolve", id, '{"path":"kept"}', "--cache-control", "cache")
    assert.matches("hit from near: 5 bytes", text, 1, true)
  end)

  it("refuses what is no base, and what is no message", function()
    for _, words in ipairs { { "nowhere", "x" }, { "", "" }, { "{", "x" }, { "x", "{]}" } } do
      local result = run("explain", "resolve", table.unpack(words))
      assert.equal(1, result.code)
      assert.equal("", result.out)
      assert.matches("%(invalid_argument%)\n$", result.err)
    end
  end)

  it("tells where a write would go, and writes nothing", function()
    local before = place.files(directory)
    local list, outcome = steps("write", "x", "--size", "100")
    assert.equal("near", outcome.order[1])
    assert.is_true(#list <= 1)
    assert.matches("written to the first of near, far that accepts\n$", explain("write", "x"))
    local after = place.files(directory)
    local function entries(files)
      local kept = {}
      for _, file in ipairs(files) do
        if not file:find(".versions", 1, true) then kept[#kept + 1] = file end
      end
      return kept
    end
    assert.same(entries(before), entries(after))
  end)

  it("keeps nothing where it explains a miss", function()
    local id = run("--store", "fs:./near", "msg", "put", { stdin = '{"a":1}' }).out:match("%S+")
    local before = run("--store", "fs:./near", "export").out
    explain("resolve", id, '{"path":"sum"}', "--cache-control", "always")
    assert.equal(before, run("--store", "fs:./near", "export").out)
  end)
end)
