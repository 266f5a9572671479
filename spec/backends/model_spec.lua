--- Thousands of random operations on every backend, each answer compared with that of the model
--- (spec/support/model.lua), and the whole tree every now and then.

local cairn = require "cairn"

local backends = require "spec.support.backends"
local model = require "spec.support.model"
local place = require "spec.support.place"

local OPERATIONS = tonumber(os.getenv("CAIRN_MODEL_OPERATIONS") or 3000)
local NAMES = { "a", "b", "c", "a-", "d" }

--- Few names and little depth, so that paths meet.
local function any_path()
  local segments = {}
  for i = 1, math.random(1, 4) do segments[i] = NAMES[math.random(#NAMES)] end
  return table.concat(segments, "/")
end

local function any_value()
  local size = math.random(20) == 1 and math.random(0, 3000) or math.random(0, 6)
  return (tostring(math.random(0, 9))):rep(size)
end

local function any_children()
  local children = {}
  for _ = 1, math.random(0, 3) do
    local name = NAMES[math.random(#NAMES)]
    children[name] = math.random(3) == 1 and { link = any_path() } or any_value()
  end
  return children
end

-- How to make up the arguments of each method, and how often it is called.
local CALLS = {
  { 6, "read", function() return any_path() end },
  { 3, "type", function() return any_path() end },
  { 3, "resolve", function() return any_path() end },
  { 3, "list", function() return any_path() end },
  { 8, "write", function() return any_path(), any_value() end },
  { 2, "write", function() return any_path(), any_value(), { if_absent = true } end },
  { 1, "write", function() return any_path(), any_value(), { compress = true } end },
  { 4, "link", function() return any_path(), any_path() end },
  { 3, "group", function() return any_path() end },
  { 3, "pack", function() return any_path(), any_children() end },
  { 6, "delete", function() return any_path() end },
  { 2, "delete", function() return any_path(), { recursive = true } end },
}

local BATCHED = { write = true, link = true, group = true, pack = true, delete = true }

local function any_call(allowed)
  local total = 0
  for _, call in ipairs(CALLS) do
    if allowed(call) then total = total + call[1] end
  end
  local at = math.random(total)
  for _, call in ipairs(CALLS) do
    if allowed(call) then
      at = at - call[1]
      if at <= 0 then return call[2], table.pack(call[3]()) end
    end
  end
end

local function spelled(method, arguments)
  local words = {}
  for i = 1, arguments.n do
    local argument = arguments[i]
    if type(argument) == "table" then
      local fields = {}
      for name, field in pairs(argument) do
        field = type(field) == "table" and "-> " .. field.link or tostring(field)
        fields[#fields + 1] = name .. "=" .. field:sub(1, 20)
      end
      words[i] = "{" .. table.concat(fields, ", ") .. "}"
    else
      words[i] = ("%q"):format(argument:sub(1, 40))
    end
  end
  return ("%s(%s)"):format(method, table.concat(words, ", "))
end

--- What a call answered, in one string.
local function answer(store, method, arguments)
  local value, second, code = store[method](store, table.unpack(arguments, 1, arguments.n))
  if value == nil then return "failed: " .. code end
  if type(value) == "function" then
    local names = {}
    for name in value do names[#names + 1] = name end
    value = names
  end
  if type(value) == "table" then return "{" .. table.concat(value, " ") .. "}" end
  return tostring(value) .. (method == "link" and tostring(second) or "")
end

local KINDS = { simple = "simple", composite = "composite", link = "link" }

--- Everything in the store: path -> kind and value, by listing alone.
local function tree(store)
  local found = {}
  local function walk(group)
    for name, value, kind in assert(store:range(group)) do
      local path = group == "" and name or group .. "/" .. name
      found[path] = KINDS[kind] .. ":" .. (value or "")
      if kind == "composite" then walk(path) end
    end
  end
  walk("")
  return found
end

local function model_tree(reference)
  local found = {}
  for path, entry in pairs(reference.entries) do
    found[path] = entry.kind .. ":" .. (entry.value or "")
  end
  return found
end

for _, backend in ipairs(backends) do
  describe("a " .. backend.name .. " store under random operations", function()
    local directory, store

    before_each(function()
      directory = place.fresh()
      store = assert(cairn.open(backend.url(directory)))
    end)
    after_each(function()
      store:close()
      place.remove(directory)
    end)

    -- A backend that cannot keep packs cannot tell what came with the last one.
    local function single(call)
      return backend.packs or call[2] ~= "pack"
    end

    for seed = 1, 3 do
      it("answers as the model does, seed " .. seed, function()
        math.randomseed(seed)
        local reference, log = model.new(), {}
        for i = 1, OPERATIONS do
          local method, arguments = any_call(single)
          log[#log + 1] = spelled(method, arguments)
          local expected = answer(reference, method, arguments)
          local actual = answer(store, method, arguments)
          if actual ~= expected then
            local before = table.concat(log, "\n", math.max(1, #log - 30))
            error(("operation %d answered %s, not %s:\n%s"):format(i, actual, expected, before))
          end
          if i % 500 == 0 then assert.same(model_tree(reference), tree(store)) end
          if i % 1000 == 0 and backend.lasting then
            store:close()
            store = assert(cairn.open(backend.url(directory)))
          end
        end
        assert.same(model_tree(reference), tree(store))
      end)
    end

    if backend.batch then
      it("does batches whole or not at all, as the model does", function()
        math.randomseed(11)
        local reference = model.new()
        local done, refused = 0, 0
        for i = 1, OPERATIONS // 10 do
          local trial, expected, calls = reference:copy(), "done", {}
          for c = 1, math.random(1, 8) do
            local method, arguments = any_call(function(call)
              return BATCHED[call[2]] and not (call[2] == "delete" and call[1] == 2)
            end)
            calls[c] = { method, arguments }
            if expected == "done" then
              local said = answer(trial, method, arguments)
              if said:find("^failed") then expected = said end
            end
          end
          local ok, _, code = store:batch(function(batch)
            for _, call in ipairs(calls) do
              batch[call[1]](batch, table.unpack(call[2], 1, call[2].n))
            end
          end)
          local actual = ok and "done" or "failed: " .. code
          if actual ~= expected then
            local lines = {}
            for c, call in ipairs(calls) do lines[c] = spelled(call[1], call[2]) end
            error(("batch %d: %s, not %s:\n%s"):format(
              i, actual, expected, table.concat(lines, "\n")))
          end
          if ok then reference, done = trial, done + 1 else refused = refused + 1 end
          if i % 20 == 0 then assert.same(model_tree(reference), tree(store)) end
        end
        assert.is_true(done > 20 and refused > 20) -- both were tried
      end)
    end
  end)
end
