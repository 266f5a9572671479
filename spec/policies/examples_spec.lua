--- What holds for every shipped policy: it is what a policy has to be, and its examples are
--- true and leave no line out.

local cairn = require "cairn"
local lfs = require "lfs"

local coverage = require "spec.support.policy_coverage"
local place = require "spec.support.place"
local policy = require "spec.support.policy"

local NAMES = {}
for file in lfs.dir("policies") do
  NAMES[#NAMES + 1] = file:match("^(.+)%.lua$")
end
table.sort(NAMES)

local QUESTIONS = { cache_control = true, chain = true, eviction = true }

--- Of the others at least some decisions are new each time.
local REMEMBERED = { chain = true, tiered = true }

local directory = place.fresh()
local policies = assert(cairn.policies { directory = directory, watch = false })

teardown(function()
  policies:close()
  place.remove(directory)
end)

--- The host's word on a policy's examples: how many there are, and what is wrong with them.
local function tried_by_host(what)
  local results, wrong = assert(policies:test(what)), {}
  for _, result in ipairs(results) do
    if not result.ok then wrong[#wrong + 1] = result.message end
  end
  return #results, wrong
end

describe("the shipped policies", function()
  it("are these", function()
    assert.same({ "budget", "by_path", "cache_control", "chain", "eviction", "mirror",
      "routes", "tiered", "ttl" }, NAMES)
  end)

  it("answer each question under its own name", function()
    for question in pairs(QUESTIONS) do
      assert.equal(question, policy.load(question).question)
    end
  end)

  it("are all told of in the README", function()
    local text = place.content("policies/README.md")
    for _, name in ipairs(NAMES) do assert.matches("`" .. name .. ".lua`", text, 1, true) end
  end)
end)

describe("the policy in the README", function()
  local block = place.content("policies/README.md"):match("```lua\n(.-)```")
  local module = policy.from_source(block, "README.md")

  it("is one, and decides as its examples say", function()
    assert.equal("cache_control", module.question)
    assert.is_true(#module.examples > 0)
    for _, example in ipairs(module.examples) do
      local ok, where = policy.fulfils(example.decision, policy.decide(module, example.context))
      assert.is_true(ok, where)
    end
  end)

  it("is one for the host as well", function()
    place.put(directory .. "/readme.lua", block)
    local count, wrong = tried_by_host(directory .. "/readme.lua")
    assert.equal(#module.examples, count)
    assert.same({}, wrong)
  end)
end)

for _, name in ipairs(NAMES) do
  describe("the policy " .. name, function()
    local module = policy.load(name)

    it("is a question, a function and examples", function()
      assert.is_true(QUESTIONS[module.question])
      assert.is_function(module.decide)
      for field in pairs(module) do
        assert.is_true(field == "question" or field == "decide" or field == "examples", field)
      end
      assert.is_true(#module.examples > 0)
    end)

    it("has examples with names of their own that expect something", function()
      local seen = {}
      for _, example in ipairs(module.examples) do
        assert.is_string(example.name)
        assert.is_nil(seen[example.name], example.name)
        seen[example.name] = true
        assert.is_true(example.decision == false or next(example.decision) ~= nil, example.name)
      end
    end)

    for _, example in ipairs(module.examples) do
      it("decides: " .. example.name, function()
        local ok, where = policy.fulfils(example.decision, policy.decide(module, example.context))
        assert.is_true(ok, where)
      end)
    end

    it("decides so for the host as well, within its limits", function()
      local count, wrong = tried_by_host(name)
      assert.equal(#module.examples, count)
      assert.same({}, wrong)
    end)

    it("reaches every line in its examples", function()
      local missed = coverage.missed(module, function()
        for _, example in ipairs(module.examples) do policy.decide(module, example.context) end
      end)
      assert.same({}, missed)
    end)

    it("decides equally about equal facts", function()
      for _, example in ipairs(module.examples) do
        local once = policy.decide(module, example.context)
        assert.same(once, policy.decide(module, example.context), example.name)
      end
    end)

    if REMEMBERED[name] then
      it("looks at nothing volatile", function()
        for _, example in ipairs(module.examples) do
          local _, touched = policy.decide(module, example.context)
          assert.same({}, touched, example.name)
        end
      end)
    end
  end)
end
