--- Nothing of the C interface is out of Lua's reach without a reason, and what the module offers is
--- what its documentation says.

local cairn = require "cairn"
local lfs = require "lfs"

local place = require "spec.support.place"

-- Public C functions that the bindings do not call, and why.
local UNBOUND = {
  cairn_actor_new = "for the engine: threads and workers are actors by themselves",
  cairn_edge_turn = "for the engine, when requests go to another worker",
  cairn_flight_leader = "for the engine, which looks for rings",
  cairn_flights_close = "a set of workers, and a cache, have their own",
  cairn_flights_open = "a set of workers, and a cache, have their own",
  cairn_loop_index = "for those who keep something for each loop, in C",
  cairn_loop_post_later = "for the engine, between the turns of a worker",
  cairn_scheduler_close = "a set of workers has its own",
  cairn_scheduler_open = "a set of workers has its own",
  cairn_worker_owner = "for kinds of workers, in C",
  cairn_cache_chain = "cache.chain is the object that the cache was made with",
  cairn_cache_resolve = "Lua computes between its steps: cairn_resolution_begin and the others",
  cairn_backend_register = "for those who add a kind of store, in C",
  cairn_chain_get = "values and packs at once are for the cache; Lua reads, or asks for the type",
  cairn_context_check = "for the engine, between the steps of what takes long",
  cairn_entry_encode_header = "for backends that keep payloads elsewhere",
  cairn_hashpath_fold = "a step of cairn.hashpath",
  cairn_id_decode = "ids are text in Lua",
  cairn_id_encode = "ids are text in Lua",
  cairn_options_read = "for backends; Lua hands settings to cairn_open and cairn_store_open",
  cairn_options_check = "for backends",
  cairn_pack_find = "cairn.decode gives all children of a pack",
  cairn_path_join = "a list of segments is a path in Lua",
  cairn_path_name = "the last of cairn.segments",
  cairn_path_parent = "all but the last of cairn.segments",
  cairn_path_within = "a comparison of two strings in Lua",
  cairn_store_get = "values and packs at once are for the chain",
  cairn_store_fingerprint = "for CAIRN_EXPECT, which transactions use",
  cairn_value_equal = "for the engine; Lua compares its tables",
}

--- Names of the functions that a header declares: bodies, of structs and inline functions, do
--- not count.
local function declared(header)
  local text = place.content(header):gsub("/%*.-%*/", ""):gsub("%b{}", "")
  text = ("\n" .. text):gsub("\nstatic [^\n]*", "\n")
  local names = {}
  for name in text:gmatch("[%s%*](cairn_[%w_]+)%(") do names[#names + 1] = name end
  return names
end

local function public_functions()
  local all = {}
  for _, folder in ipairs { "engine/include/cairn", "backends/include/cairn" } do
    for name in lfs.dir(folder) do
      if name:match("%.h$") then
        for _, declaration in ipairs(declared(folder .. "/" .. name)) do
          all[declaration] = folder .. "/" .. name
        end
      end
    end
  end
  return all
end

local function bindings_text()
  local parts = {}
  for name in lfs.dir("bindings") do
    if name:match("%.[ch]$") then parts[#parts + 1] = place.content("bindings/" .. name) end
  end
  return table.concat(parts, "\n")
end

describe("the bindings", function()
  local functions, text = public_functions(), bindings_text()

  it("have headers to cover", function()
    local count = 0
    for _ in pairs(functions) do count = count + 1 end
    assert.is_true(count >= 50, count .. " functions found")
    for _, known in ipairs {
      "cairn_store_read", "cairn_open", "cairn_import_hyperbeam", "cairn_fail",
      "cairn_writer_append", "cairn_path_join", "cairn_backend_at", "cairn_status_word",
    } do
      assert.is_string(functions[known], known)
    end
  end)

  it("call every public C function, or say why not", function()
    for name, header in pairs(functions) do
      local called = text:find("%f[%w_]" .. name .. "%s*%(") ~= nil
      assert.is_true(called or UNBOUND[name] ~= nil, name .. " of " .. header .. " is not bound")
      assert.is_false(called and UNBOUND[name] ~= nil, name .. " is bound after all")
    end
    for name in pairs(UNBOUND) do
      assert.is_string(functions[name], name .. " is not declared anywhere")
    end
  end)
end)

describe("the documentation of the module", function()
  local meta = place.content("bindings/meta/cairn.lua")
    .. place.content("bindings/meta/workers.lua")

  --- class -> set of the functions that the definitions declare for it.
  local documented = {}
  for class, name in meta:gmatch("\nfunction (%w+)[.:]([%w_]+)%(") do
    documented[class] = documented[class] or {}
    documented[class][name] = true
  end

  local function functions_of(object)
    local names = {}
    for name, value in pairs(object) do
      if type(value) == "function" and not name:find("^__") then names[name] = true end
    end
    return names
  end

  it("has every function of the module, and no others", function()
    assert.same(documented.cairn, functions_of(cairn))
    assert.matches("^%d+%.%d+%.%d+", cairn.version)
  end)

  it("has every method, and no others", function()
    local store <close> = assert(cairn.open("memory:"))
    local writer <close> = assert(store:writer())
    assert.same(documented.Store, functions_of(getmetatable(store).__index))
    assert.same(documented.Writer, functions_of(getmetatable(writer).__index))
    local chain <close> = assert(cairn.chain({ store }, { policies = false }))
    assert.same(documented.Chain, functions_of(getmetatable(chain).__index))

    local batch_methods
    assert(store:batch(function(batch)
      batch_methods = functions_of(getmetatable(batch).__index)
    end))
    assert.same(documented.Batch, batch_methods)

    local transaction_methods
    assert(store:transaction(function(tx)
      transaction_methods = functions_of(getmetatable(tx).__index)
    end))
    local expected = { read = documented.Transaction.read } -- a Transaction is a Batch
    for name in pairs(documented.Batch) do expected[name] = true end
    assert.same(expected, transaction_methods)
  end)

  it("has every method of workers, and no others", function()
    local cache <close> = assert(cairn.cache { store = "memory:", policies = false })
    local workers <close> = assert(cairn.workers { control = false, cache = cache, loops = 1 })
    assert.same(documented.Workers, functions_of(getmetatable(workers).__methods))
    local monitor = workers:start_monitor()
    assert.same(documented.Monitor, functions_of(getmetatable(monitor).__index))
    assert.same(documented.Lease, functions_of(getmetatable(assert(workers:elect "x")).__index))
    local handlers = place.fresh()
    place.put(handlers .. "/h.lua", "return { handle = function() end }")
    local worker = assert(workers:worker { handler = handlers .. "/h.lua" })
    for name in pairs(documented.Worker) do assert.is_function(worker[name], name) end
    place.remove(handlers)
  end)

  it("names every code", function()
    local alias = meta:match("@alias cairn%.code\n(.-)\n\n")
    local codes = {}
    for code in alias:gmatch('| "([%w_]+)"') do codes[#codes + 1] = code end
    local words = {}
    for word in place.content("engine/include/cairn/status.h"):gmatch("X%([%u_]+, ([%l_]+)%)") do
      words[#words + 1] = word
    end
    assert.same(words, codes)
  end)

  it("describes the backends there are", function()
    for name, backend in pairs(cairn.backends()) do
      assert.is_string(name)
      assert.is_string(backend.summary)
      assert.is_truthy(("local remote cluster"):find(backend.scope, 1, true))
      for _, field in ipairs { "batch", "snapshot", "shared" } do
        assert.is_boolean(backend[field])
      end
      for _, option in ipairs(backend.options) do
        assert.is_string(option.name)
        assert.is_string(option.default)
        assert.is_string(option.meaning)
      end
    end
  end)
end)
