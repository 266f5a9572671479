--- `msg`: messages as JSON, from the command line.

local cairn_module = require "cairn"
local cjson = require "cjson"

local place = require "spec.support.place"
local program = require "spec.support.program"

local ANNA = '{"name":"anna","age":30,"height":1.0,"tags":["a","b"],"address":{"town":"Ulm"}}'

for _, url in ipairs { "rocksdb:./store", "fs:./store" } do
  describe("cairn msg on " .. url, function()
    local directory, cairn

    before_each(function()
      directory = place.fresh()
      local run = program.within(directory)
      function cairn(...) return run("--store", url, ...) end
    end)

    after_each(function() place.remove(directory) end)

    local function done(...)
      local result = cairn(...)
      assert.equal("", result.err)
      assert.equal(0, result.code)
      return (result.out:gsub("\n$", ""))
    end

    local function put(text, ...)
      place.put(directory .. "/message.json", text)
      return done("msg", "put", "message.json", ...)
    end

    it("puts a message and gets an equal one", function()
      local id = put(ANNA)
      assert.matches("^[%w_-]+$", id)
      assert.equal(43, #id)
      assert.same(cjson.decode(ANNA), cjson.decode(done("msg", "get", id)))
      assert.same(assert(cairn_module.from_json(ANNA)),
        assert(cairn_module.from_json(done("msg", "get", id))))
    end)

    it("takes it from standard input as well, and has the same id", function()
      local id = put(ANNA)
      assert.equal(id, done("msg", "put", { stdin = ANNA }))
      assert.equal(id, done("msg", "put", "-", { stdin = ANNA }))
      assert.equal(id, done("msg", "id", { stdin = ANNA }))
      assert.equal(id, done("msg", "id", "message.json"))
    end)

    it("gets what is beneath", function()
      local id = put(ANNA)
      assert.equal('"anna"', done("msg", "get", id .. "/name"))
      assert.same({ town = "Ulm" }, cjson.decode(done("msg", "get", id .. "/address")))
      assert.equal("anna", done("get", id .. "/name"))
    end)

    it("is the same where it is asked for JSON, but for the wrapping", function()
      local id = put(ANNA)
      assert.equal(('{"id":"%s"}'):format(id), put(ANNA, "--json"))
      assert.same(cjson.decode(ANNA), cjson.decode(done("--json", "msg", "get", id)))
      assert.is_nil(done("--json", "msg", "get", id):find("\n"))
      assert.matches("\n  ", done("msg", "get", "--indent", id), 1, true)
    end)

    it("keeps what JSON lacks", function()
      local text = '{"bytes":{"$base64":"AP8="},"atom":{"$atom":"ok"},'
        .. '"big":{"$integer":"9007199254740993"},"one":{"$message":{"$atom":"x"}}}'
      local id = put(text)
      assert.same(assert(cairn_module.from_json(text)),
        assert(cairn_module.from_json(done("msg", "get", id))))
      assert.equal("\0\255", done("get", id .. "/bytes"))
    end)

    it("puts a string as bytes", function()
      local path = put('"just bytes"')
      assert.matches("^data/", path)
      assert.equal("just bytes", done("get", path))
      assert.equal('"just bytes"', done("msg", "get", path))
    end)

    it("shows the stored form, and that of HTTP", function()
      local id = put(ANNA)
      local stored = cjson.decode(done("msg", "get", "--stored", id))
      assert.equal("30", stored.age)
      assert.is_string(stored["ao-types"])
      local http = done("msg", "get", "--http", id)
      assert.matches("\nname: anna\n", http, 1, true)
      assert.matches("\n\n", http, 1, true)
      local form = assert(cairn_module.from_json(done("--json", "msg", "get", "--http", id)))
      assert.same(assert(cairn_module.from_json(ANNA)), assert(cairn_module.from_http(form)))
    end)

    it("makes the ids of HyperBEAM where it is told to", function()
      local message = assert(cairn_module.from_json(ANNA))
      local id = assert(cairn_module.id(message, { ids = "reference" }))
      assert.equal(id, put(ANNA, "--reference"))
      assert.equal(id, done("msg", "id", "--reference", "message.json"))
      assert.same(cjson.decode(ANNA), cjson.decode(done("msg", "get", "--reference", id)))
    end)

    it("prints the base of an id", function()
      place.put(directory .. "/message.json", ANNA)
      local message = assert(cairn_module.from_json(ANNA))
      local base = assert(cairn_module.id_base(message))
      assert.equal(base, done("msg", "id", "--base", "message.json"))
      local reference = assert(cairn_module.id_base(message, { ids = "reference" }))
      assert.equal(reference, done("msg", "id", "--base", "--reference", "message.json"))
      assert.equal(reference,
        cjson.decode(done("--json", "msg", "id", "--base", "--reference", "message.json")).base)
    end)

    it("verifies what is kept, and what is in a file", function()
      local id = put(ANNA)
      assert.equal(id, done("msg", "verify", id))
      assert.equal(id, done("msg", "verify", "--file", "message.json", id))
      assert.equal(id, done("msg", "verify", "-f", "message.json"))
      place.put(directory .. "/message.json", (ANNA:gsub("anna", "bert")))
      local refused = cairn("msg", "verify", "--file", "message.json", id)
      assert.equal(1, refused.code)
      assert.matches("(unverified)", refused.err, 1, true)
      assert.equal("", refused.out)
    end)

    local refused = {
      { "what is no JSON", "{", "invalid_argument" },
      { "a number", "5", "invalid_argument" },
      { "a list", "[1]", "invalid_argument" },
      { "nothing", "", "invalid_argument" },
      { "a device that is a message", '{"device":{"a":1}}', "invalid_argument" },
      { "too deep a nesting", ('{"a":'):rep(70) .. "1" .. ("}"):rep(70), nil },
    }
    for _, case in ipairs(refused) do
      it("refuses " .. case[1] .. " and keeps nothing", function()
        place.put(directory .. "/message.json", case[2])
        local result = cairn("msg", "put", "message.json")
        assert.equal(1, result.code)
        assert.equal("", result.out)
        if case[3] then assert.matches("(" .. case[3] .. ")", result.err, 1, true) end
        assert.equal("", cairn("ls").out)
      end)
    end

    it("says what is not there", function()
      put(ANNA)
      for _, words in ipairs {
        { "msg", "get", ("x"):rep(43) }, { "msg", "get", "nowhere" },
        { "msg", "verify", ("x"):rep(43) },
      } do
        local result = cairn(table.unpack(words))
        assert.equal(1, result.code)
        assert.matches("(not_found)", result.err, 1, true)
      end
      local result = cairn("msg", "put", "nosuch.json")
      assert.matches("nosuch.json.*%(io%)", result.err)
    end)

    it("has its stores looked after", function()
      local id = put('{"large":"' .. ("x"):rep(100000) .. '"}')
      assert.matches("^0 values removed", done("sweep"))
      assert.matches("bytes", done("stats"), 1, true)
      local function result_bytes()
        return cjson.decode(done("--json", "stats"):match("[^\n]*$")).results.bytes
      end
      assert.equal(0, result_bytes())
      place.put(directory .. "/resolve.lua", [[
        local cache <close> = assert(require("cairn").cache())
        local _, info = assert(cache:resolve({ a = 1 }, { path = "k" },
          function() return ("x"):rep(700) end, { cache_control = "always" }))
        print(info.hashpath)]])
      local hashpath = done("run", "resolve.lua")
      assert.equal(700, result_bytes())
      assert.equal("1 result stale from now on", done("purge", "--soft", hashpath))
      assert.equal("1 result removed", done("purge", "--prefix", hashpath:match("^[^/]+")))
      assert.equal("0 results removed", done("purge", hashpath))
      assert.equal(0, result_bytes())
      assert.equal("0 results removed", done("purge", id .. "/x"))
      assert.same({ purged = 0 }, cjson.decode(done("--json", "purge", "--prefix", id)))
    end)
  end)
end
