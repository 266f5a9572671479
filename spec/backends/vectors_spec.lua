--- The 69 recorded scripts of store operations, on every backend. The reference's own two
--- backends disagree in many of them; vectors_expected.lua says what ours must answer.

local cairn = require "cairn"

local backends = require "spec.support.backends"
local model = require "spec.support.model"
local place = require "spec.support.place"
local scripts = require "spec.support.scripts"

local expected = dofile("spec/backends/vectors_expected.lua")
local loaded = scripts.load("spec/vectors/store.json")

-- A name of 300 bytes is not for every backend.
local TOO_LONG = { ["long key 300 bytes"] = "name_too_long" }

local function words_of(script)
  local words = {}
  for word in expected[script.name][1]:gmatch("%S+") do words[#words + 1] = word end
  return words
end

describe("the recorded scripts", function()
  it("are all expected, and nothing else is", function()
    local named = {}
    for _, script in ipairs(loaded) do
      named[script.name] = true
      assert.equal(#script.steps, #words_of(script), script.name)
    end
    for name in pairs(expected) do assert.is_true(named[name], name) end
    assert.equal(69, #loaded)
  end)

  it("have a reason wherever neither reference backend answers so, and only there", function()
    for _, script in ipairs(loaded) do
      local departs = false
      for i, word in ipairs(words_of(script)) do
        local reference = script.steps[i].reference
        departs = departs or (word ~= reference.fs and word ~= reference.rocksdb)
      end
      assert.equal(departs, expected[script.name].why ~= nil, script.name)
    end
  end)

  it("are answered so by the model as well", function()
    for _, script in ipairs(loaded) do
      if script.name ~= "scope" and script.name ~= "non-binary value" then
        local store, words = model.new(), words_of(script)
        for i, step in ipairs(script.steps) do
          local step_name = ("%s, step %d: %s"):format(script.name, i, step.op)
          assert.equal(words[i], scripts.run(store, step, script.steps), step_name)
        end
      end
    end
  end)
end)

for _, backend in ipairs(backends) do
  describe("the recorded scripts on " .. backend.name, function()
    local directory, store

    setup(function()
      directory = place.fresh()
      store = assert(cairn.open(backend.url(directory)))
    end)
    teardown(function()
      store:close()
      place.remove(directory)
    end)
    before_each(function()
      assert(store:reset())
    end)

    for _, script in ipairs(loaded) do
      it("answer: " .. script.name, function()
        for i, word in ipairs(words_of(script)) do
          local step = script.steps[i]
          if backend.name_max and TOO_LONG[script.name] then word = TOO_LONG[script.name] end
          local step_name = ("step %d: %s %s"):format(i, step.op, tostring(step.args[1]))
          assert.equal(word, scripts.run(store, step, script.steps), step_name)
        end
      end)
    end
  end)
end
