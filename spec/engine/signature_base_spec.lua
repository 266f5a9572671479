--- What an HTTP message signature signs (RFC 9421): the standard's own examples, with their
--- signatures, and everything that must not be signed.

local cairn = require "cairn"
local cjson = require "cjson"

local place = require "spec.support.place"

local RANDOM_TRIALS = 5000

--- The value that the base gives one component of the message; nil, message, code.
local function value_of(message, component)
  local base, problem, code = cairn.signature_base(message, "(" .. component .. ")")
  if not base then return nil, problem, code end
  local expected_end = '\n"@signature-params": (' .. component .. ")"
  assert.equal(component .. ": ", base:sub(1, #component + 2))
  assert.equal(expected_end, base:sub(-#expected_end))
  return base:sub(#component + 3, -#expected_end - 1)
end

local function refuses(message, input, expected_code)
  local base, problem, code = cairn.signature_base(message, input)
  assert.is_nil(base, input)
  assert.equal(expected_code or "invalid_argument", code, problem)
  return problem
end

--- From the bytes on the wire.
local function read_message(text)
  local start, rest = text:match("^(.-)\r\n(.*)$")
  local message = { fields = {} }
  local status = start:match("^HTTP/1.1 (%d+)")
  if status then
    message.status = math.tointeger(tonumber(status))
  else
    message.method, message.path, message.query = start:match("^(%u+) ([^ ?]*)(%??[^ ]*) HTTP/1.1$")
  end
  for name, value in rest:match("^(.-\r\n)\r\n"):gmatch("([^:\r\n]+):([^\r\n]*)\r\n") do
    message.fields[#message.fields + 1] = { name, value }
    if name == "Host" then message.authority = value:match("%S+") end
  end
  return message
end

describe("the signatures of RFC 9421, appendix B.2:", function()
  local vectors = cjson.decode(place.content(
    "spec/vectors/http-signatures/rfc9421-appendix-b2.json"))
  local directory

  setup(function() directory = place.fresh() end)
  teardown(function() place.remove(directory) end)

  --- "a=:AAA=:" -> the bytes.
  local function signature_bytes(text)
    return assert(cairn.parse_structured(text, "dictionary"))[1].item.value
  end

  local function key_of(case)
    local key = vectors.keys[case.keyid]
    if not key.text then return key.public_key .. "\n" end
    return assert(cairn.parse_structured(":" .. key.text .. ":", "item")).value
  end

  local function verifies(case, base)
    place.put(directory .. "/key", key_of(case))
    place.put(directory .. "/signature", signature_bytes(case.signature))
    place.put(directory .. "/base", base)
    local run = place.run {
      place.build .. "/spec/verify_signature", case.alg, directory .. "/key",
      directory .. "/signature", directory .. "/base",
    }
    assert.is_true(run.code == 0 or run.code == 1, run.err)
    return run.code == 0
  end

  it("there are six", function() assert.equal(6, #vectors.cases) end)

  for _, case in ipairs(vectors.cases) do
    it(case.name .. ", " .. case.title, function()
      local message = read_message(vectors.messages[case.message])
      local input = case.signature_input:sub(#case.label + 2)
      local base = assert(cairn.signature_base(message, input))
      assert.equal(case.signature_base, base)
      assert.is_true(verifies(case, base))
      assert.is_false(verifies(case, base .. " "))
    end)
  end
end)

describe("a field in the signature base", function()
  local message = {
    fields = {
      { "Host", "www.example.com" },
      { "X-OWS-Header", "   Leading and trailing whitespace.   " },
      { "X-Obs-Fold-Header", "Obsolete\r\n    line folding." },
      { "Cache-Control", "max-age=60" },
      { "cache-control", "   must-revalidate" },
      { "X-Empty-Header", "" },
      { "x-folds", "\t a \t\n\tb\r\n \r\n c\r\n " },
      { "Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c)" },
      { "example-dict", "d" },
      { "Example-List", "a;x , \"b\",2" },
      { "Example-Twice", "a;x, b, a" },
      { "Example-Item", "  4.10 " },
      { "Example-Header", "value, with, lots" },
      { "Example-Header", " of, commas" },
      { "Latin", "caf\u{e9}" },
    },
  }

  local rows = {
    { "is its value", '"host"', "www.example.com" },
    { "has no blanks at its ends", '"x-ows-header"', "Leading and trailing whitespace." },
    { "has a space for each obsolete fold", '"x-obs-fold-header"', "Obsolete line folding." },
    { "has no folds at its ends, and none twice", '"x-folds"', "a b c" },
    { "is several lines combined", '"cache-control"', "max-age=60, must-revalidate" },
    { "may be empty", '"x-empty-header"', "" },
    { "may be beyond ASCII", '"latin"', "caf\u{e9}" },
    { "is strictly serialised with sf: a dictionary", '"example-dict";sf',
      "a=1, b=2;x=1;y=2, c=(a b c), d" },
    { "... a list", '"example-list";sf', 'a;x, "b", 2' },
    { "... an item", '"example-item";sf', "4.1" },
    { "... nothing", '"x-empty-header";sf', "" },
    { "is one member with key: an integer", '"example-dict";key="a"', "1" },
    { "... with its parameters", '"example-dict";key="b"', "2;x=1;y=2" },
    { "... an inner list", '"example-dict";key="c"', "(a b c)" },
    { "... a boolean", '"example-dict";key="d"', "?1" },
    { "... also with sf", '"example-dict";sf;key="d"', "?1" },
    { "is each line as bytes with bs", '"example-header";bs',
      ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:" },
    { "... an empty line", '"x-empty-header";bs', "::" },
  }
  for _, row in ipairs(rows) do
    it(row[1], function() assert.equal(row[3], (assert(value_of(message, row[2])))) end)
  end

  local refused = {
    { "the message does not have", '("x-other")' },
    { "is named with capitals", '("Host")' },
    { "is no string", "(host)" },
    { "comes twice", '("host" "date" "host")' },
    { "comes twice, whatever the order of its parameters",
      '("example-dict";sf;key="a" "example-dict";key="a";sf)' },
    { "has a parameter nobody knows", '("host";zip)' },
    { "has a parameter of another type", '("host";sf=1)' },
    { "has a parameter that is off", '("host";sf=?0)' },
    { "has name, which is for the query", '("host";name="a")' },
    { "has both bs and sf", '("example-dict";bs;sf)' },
    { "has both bs and key", '("example-dict";bs;key="a")' },
    { "has a key that is no string", '("example-dict";key=a)' },
    { "has a key that is not in it", '("example-dict";key="e")' },
    { "has key and is a list", '("example-list";key="a")' },
    { "has key and is not structured", '("x-ows-header";key="a")' },
    { "has sf and is not structured", '("x-ows-header";sf)' },
    { "has sf and might be a list or a dictionary", '("example-twice";sf)' },
    { "has no name", '("")' },
  }
  for _, row in ipairs(refused) do
    it("that " .. row[1] .. " is refused", function() refuses(message, row[2]) end)
  end

  it("whose value could end its line is refused", function()
    for _, value in ipairs { "a\nb", "a\rb", "a\r\nb", "\0", "a\n", "\r\n\r\n x", "a\127" } do
      local evil = { fields = { { "x", value } } }
      local problem = refuses(evil, '("x")')
      assert.matches("control character.*'x'", problem)
      refuses(evil, '("x";bs)')
    end
  end)

  it("of another message, or of the trailers, is not supported", function()
    refuses(message, '("host";req)', "unsupported")
    refuses(message, '("host";tr)', "unsupported")
  end)
end)

describe("a derived component", function()
  local request = {
    method = "POST", scheme = "HTTPS", authority = "WWW.Example.com:443",
    target_uri = "https://www.example.com/path?param=value", path = "/path", query = "?param=value",
    fields = {},
  }

  local function request_with(changes)
    local changed = {}
    for name, value in pairs(request) do changed[name] = value end
    for name, value in pairs(changes) do changed[name] = value or nil end
    return changed
  end

  local rows = {
    { "@method", {}, "POST" },
    { "@method", { method = "patch" }, "patch" },
    { "@target-uri", {}, "https://www.example.com/path?param=value" },
    { "@authority", {}, "www.example.com" },
    { "@authority", { scheme = "http" }, "www.example.com:443" },
    { "@authority", { scheme = "http", authority = "a:80" }, "a" },
    { "@authority", { authority = "a:8443" }, "a:8443" },
    { "@authority", { authority = "[::1]:443" }, "[::1]" },
    { "@authority", { authority = "[fe80::443]" }, "[fe80::443]" },
    { "@authority", { authority = "a:" }, "a" },
    { "@scheme", {}, "https" },
    { "@path", {}, "/path" },
    { "@path", { path = "" }, "/" },
    { "@path", { path = "/a%2Fb" }, "/a%2Fb" },
    { "@query", {}, "?param=value" },
    { "@query", { query = "?queryString" }, "?queryString" },
    { "@query", { query = "" }, "?" },
    { "@request-target", {}, "/path?param=value" },
    { "@request-target", { path = "", query = "" }, "/" },
    { "@request-target", { method = "CONNECT", authority = "a:80" }, "a:80" },
    { "@request-target", { method = "OPTIONS", path = "*", query = "" }, "*" },
    { "@status", { status = 200 }, "200" },
  }
  for _, row in ipairs(rows) do
    it(("%s is %s"):format(row[1], row[3]), function()
      local value = assert(value_of(request_with(row[2]), '"' .. row[1] .. '"'))
      assert.equal(row[3], value)
    end)
  end

  it("stands for an absent query by its question mark", function()
    assert.equal("?", value_of({ path = "/", fields = {} }, '"@query"'))
  end)

  it("that is not in the message is refused", function()
    for _, name in ipairs {
      "method", "target-uri", "authority", "scheme", "request-target", "path", "query", "status",
    } do
      assert.matches("@" .. name, refuses({ fields = {} }, '("@' .. name .. '")'), 1, true)
    end
    refuses({ fields = {} }, '("@query-param";name="a")')
  end)

  it("is refused where nobody knows it, or it has parameters it cannot have", function()
    for _, input in ipairs {
      '("@signature-params")', '("@")', '("@other")', '("@Method")', '("@method";sf)',
      '("@path";name="a")', '("@query-param")', '("@query-param";name=a)',
      '("@query-param";name="param";sf)', '("@query-param";sf)', '("@method" "@method")',
    } do
      refuses(request, input)
    end
    refuses(request, '("@method";req)', "unsupported")
  end)

  it("with a character that would break the line is refused", function()
    refuses(request_with { path = "/a\nb" }, '("@path")')
    refuses(request_with { method = "G\u{e9}T" }, '("@method")')
    refuses(request_with { query = "?\0" }, '("@query")')
    refuses(request_with { query = "a=b" }, '("@query")')
    refuses(request_with { query = "a=b" }, '("@query-param";name="a")')
  end)

  describe("@query-param", function()
    local rows_of_query = {
      { "?param=value&foo=bar&baz=batman&qux=", "baz", "batman" },
      { "?param=value&foo=bar&baz=batman&qux=", "qux", "" },
      { "?param=value&foo=bar&baz=batman&qux=", "param", "value" },
      { "?var=this%20is%20a%20big%0Amultiline%20value", "var",
        "this%20is%20a%20big%0Amultiline%20value" },
      { "?bar=with+plus+whitespace", "bar", "with%20plus%20whitespace" },
      { "?fa%C3%A7ade%22%3A%20=something", "fa%C3%A7ade%22%3A%20", "something" },
      { "?a=b=c&&x", "a", "b%3Dc" },
      { "?a=b=c&&x", "x", "" },
      { "?p=%7e%41%zz%4", "p", "%7EA%25zz%254" },
      { "?p=%ff", "p", "%FF" },
    }
    for _, row in ipairs(rows_of_query) do
      it(("of %s in %s is %q"):format(row[2], row[1], row[3]), function()
        local message = { query = row[1], fields = {} }
        assert.equal(row[3], value_of(message, '"@query-param";name="' .. row[2] .. '"'))
      end)
    end

    it("is refused where it is not, or more than once", function()
      local message = { query = "?a=1&b=2&%61=3", fields = {} }
      refuses(message, '("@query-param";name="a")')
      refuses(message, '("@query-param";name="c")')
      refuses(message, '("@query-param";name="%62")')
      assert.equal("2", value_of(message, '"@query-param";name="b"'))
    end)
  end)
end)

describe("the signature base", function()
  it("ends with the parameters as they came, also without components", function()
    local input = '();created=1;nonce="x\\"y";keyid=k;b=?0;t=:AA==:'
    assert.equal('"@signature-params": ' .. input, cairn.signature_base({ fields = {} }, input))
    assert.equal('"a": 1\n"@signature-params": ("a");expires=1.5',
      cairn.signature_base({ fields = { { "A", "1" } } }, '( "a" );expires=1.50'))
  end)

  it("is made of one list of components, and nothing else", function()
    for _, input in ipairs { "", "a", '"a"', "(), ()", "sig=()", "(", "()," } do
      refuses({ fields = {} }, input)
    end
  end)

  it("covers thousands of fields and members in no time", function()
    local fields, plain, members, named = {}, {}, {}, {}
    for i = 1, 5000 do
      fields[i] = { "F" .. i, "v" .. i }
      plain[i] = ('"f%d"'):format(5001 - i)
      members[i] = ("k%d=%d"):format(i, i)
      named[i] = ('"dict";key="k%d"'):format(i)
      named[5000 + i] = ('"@query-param";name="k%d"'):format(i)
    end
    fields[5001] = { "Dict", table.concat(members, ", ") }
    local message = { fields = fields, query = "?" .. table.concat(members, "&") }
    local before = os.clock()
    local input = "(" .. table.concat(plain, " ") .. " " .. table.concat(named, " ") .. ")"
    local base = assert(cairn.signature_base(message, input))
    assert.is_true(os.clock() - before < 10)
    local _, lines = base:gsub("\n", "")
    assert.equal(15000, lines)
    assert.matches('"f5000": v5000\n"f4999": v4999\n', base, 1, true)
    assert.matches('"dict";key="k777": 777\n', base, 1, true)
    assert.matches('"@query-param";name="k777": 777\n', base, 1, true)
  end)

  it("raises for what is no message at all", function()
    for _, message in ipairs {
      {}, { fields = "a" }, { fields = { "a" } }, { fields = { { "a" } } },
      { fields = { { "a", 1 } } }, { fields = {}, status = "200" }, { fields = {}, status = 99 },
      { fields = {}, status = 200.5 }, { fields = {}, methode = "GET" }, { fields = {}, path = 1 },
    } do
      assert.has_error(function() cairn.signature_base(message, "()") end)
    end
    assert.has_error(function() cairn.signature_base("x", "()") end)
    assert.has_error(function() cairn.signature_base({ fields = {} }) end)
  end)

  it("never has more lines than components, whatever the message", function()
    math.randomseed(13)
    local pieces = { "a", "=", "1", ",", " ", "\t", "\r\n ", "\n", "\r", "\0", "\255", ":", '"',
      "(", ")", ";", "x", "?", "&", "%41", "+", "@" }
    local components = { '"x"', '"x";sf', '"x";bs', '"x";key="a"', '"@query"', '"@path"',
      '"@query-param";name="a"', '"@authority"', '"@method"' }
    local function junk()
      local parts = {}
      for i = 1, math.random(0, 8) do parts[i] = pieces[math.random(#pieces)] end
      return table.concat(parts)
    end
    local made = 0
    for _ = 1, RANDOM_TRIALS do
      local message = {
        method = junk(), authority = junk(), path = junk(), query = "?" .. junk(),
        fields = { { "X", junk() }, { "x", junk() }, { junk(), junk() } },
      }
      local component = components[math.random(#components)]
      local base, _, code = cairn.signature_base(message, "(" .. component .. ")")
      if base then
        made = made + 1
        local _, breaks = base:gsub("[\r\n]", "")
        assert.equal(1, breaks)
      else
        assert.equal("invalid_argument", code)
      end
      cairn.signature_base(message, "(" .. junk() .. ")")
    end
    assert.is_true(made > RANDOM_TRIALS / 10)
  end)
end)
