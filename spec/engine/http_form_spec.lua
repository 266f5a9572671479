--- Messages as HTTP messages, both ways; and bodies that mean harm.

local cairn = require "cairn"

local messages = require "spec.support.messages"

local vectors = messages.vectors "ids.json"

--- The vector's form in this module's shape.
local function form_of(http)
  local form = { fields = {} }
  for name, value in pairs(http) do
    if name == "body" then form.body = value else form.fields[name] = value end
  end
  return form
end

describe("the HTTP form of a message", function()
  it("is the reference's for every vector, fields and body", function()
    for _, vector in ipairs(vectors) do
      local expected = form_of(vector.http.ret)
      local form = cairn.to_http(vector.msg, { ids = "reference" })
      assert.is_true(messages.equal(expected, form), vector.name)
      if vector.faithful then
        assert.is_true(messages.equal(expected, cairn.to_http(vector.msg)), vector.name)
      end
    end
  end)

  it("gives the message back, for every vector", function()
    for _, vector in ipairs(vectors) do
      local back = assert(cairn.from_http(cairn.to_http(vector.msg)))
      assert.is_true(messages.equal(vector.tabm.ret, cairn.to_stored(back)), vector.name)
    end
  end)

  it("is understood as the reference writes it", function()
    local lossy = { ["slash in key"] = "read", ["newline in nested"] = "refused" }
    for _, vector in ipairs(vectors) do
      local back, said = cairn.from_http(form_of(vector.http.ret))
      if not lossy[vector.name] then
        assert.is_true(messages.equal(vector.tabm.ret, cairn.to_stored(assert(back, said))),
          vector.name)
      else
        assert.equal(lossy[vector.name], back and "read" or "refused")
      end
    end
  end)

  it("gives random messages back, whatever they hold", function()
    for trial = 1, 900 do
      math.randomseed(trial)
      local stored = cairn.to_stored(messages.random(trial % 4))
      if stored then
        local form = assert(cairn.to_http(stored))
        local back = assert(cairn.from_http(form))
        assert.is_true(messages.equal(stored, assert(cairn.to_stored(back))), "trial " .. trial)
      end
    end
  end)

  it("keeps what fields and names cannot carry in parts of their own", function()
    local form = assert(cairn.to_http { k = " v", ["a/b"] = { ["x\n"] = "y", z = "w" } })
    local body = form.body:gsub("%-%-[%w_-]+", "--B"):gsub("%-%-B%-%-", "--B--")
    assert.equal(table.concat({
      "--B", 'content-disposition: form-data;name="a%2fb";escape=percent', "z: w",
      "--B", 'content-disposition: form-data;name="a%2fb/x%0a";escape=percent', "", "y",
      "--B", 'content-disposition: form-data;name="k"', "", " v", "--B",
    }, "\r\n"), (body:gsub("%-%-B%-+$", "--B")))
  end)

  it("may have thousands of fields and parts", function()
    local flat, nested = {}, {}
    for i = 1, 10000 do flat["k" .. i] = "v" .. i end
    for i = 1, 2000 do nested["k" .. i] = { x = "v" .. i, y = { z = "w" } } end
    for _, message in ipairs { flat, nested } do
      assert.same(message, cairn.from_http(assert(cairn.to_http(message))))
    end
  end)

  it("is refused when the paths to its parts would fill memory", function()
    local inner = {}
    for i = 1, 400 do inner["k" .. i] = { v = "w" } end
    local form, said, code = cairn.to_http { [("x"):rep(1 << 20)] = inner }
    assert.is_nil(form)
    assert.matches("more than 256 MiB", said)
    assert.equal("limit", code)
  end)
end)

--- A form with this multipart body; lines are joined with `line_end`.
local function multipart(lines, line_end)
  return {
    fields = { ["content-type"] = "multipart/form-data; boundary=B" },
    body = table.concat(lines, line_end or "\r\n"),
  }
end

describe("an HTTP message", function()
  it("may have names in any case, and fields that come twice in the body's order", function()
    assert.same({ ["key"] = "v", [("a"):rep(43)] = "w" },
      cairn.from_http { fields = { KEY = "v", [("A"):rep(43)] = "w" } })
  end)

  it("may come with other line endings, preamble, epilogue and blanks", function()
    local lines = {
      "preamble", "--B  ", 'Content-Disposition: form-data; name="A/b"', "X:  y  ", "",
      "line 1", "line 2", "--B", "content-disposition:Form-Data;other=1; name=c", "", "", "--B--",
      "epilogue",
    }
    local expected = { a = { b = { x = "y", body = "line 1\nline 2" } }, c = "" }
    assert.same(expected, cairn.from_http(multipart(lines, "\n")))
    lines[4], expected.a.b.body = "x: y", "line 1\r\nline 2"
    assert.same(expected, cairn.from_http(multipart(lines)))
  end)

  it("with a digest that is not the body's is unverified", function()
    local form = assert(cairn.to_http { body = "x" })
    form.body = "y"
    local message, said, code = cairn.from_http(form)
    assert.is_nil(message)
    assert.matches("content%-digest", said)
    assert.equal("unverified", code)
    for _, digest in ipairs { "sha-256=:AA==:", "sha-256=::", "sha-256=:!:", "sha-256=:" } do
      form.fields["content-digest"] = digest
      assert.equal("unverified", select(3, cairn.from_http(form)))
    end
    form.fields["content-digest"] = "sha-512=:AA==:"
    assert.same({ body = "y" }, cairn.from_http(form))
  end)

  local name_a = 'content-disposition: form-data;name="a"'
  local name_a_b = 'content-disposition: form-data;name="a/b"'
  local inline = "content-disposition: inline"
  local refused = {
    { "without a boundary", { fields = { ["content-type"] = "multipart/form-data" }, body = "" } },
    { "with an empty boundary",
      { fields = { ["content-type"] = 'multipart/form-data; boundary=""' }, body = "" } },
    { "without any delimiter", multipart { "nothing" } },
    { "cut off in a part", multipart { "--B", name_a, "", "v" } },
    { "cut off behind a delimiter", multipart { "--B" } },
    { "with a delimiter that goes on", multipart { "--Bx", name_a, "", "v", "--B--" } },
    { "with a part without disposition", multipart { "--B", "k: v", "", "v", "--B--" } },
    { "with a part without name",
      multipart { "--B", "content-disposition: form-data", "", "v", "--B--" } },
    { "with an unfinished name",
      multipart { "--B", 'content-disposition: form-data;name="a', "", "v", "--B--" } },
    { "with two dispositions", multipart { "--B", name_a, name_a, "", "v", "--B--" } },
    { "with a line that is no field", multipart { "--B", name_a, "what", "", "v", "--B--" } },
    { "with a part that has nothing", multipart { "--B", name_a, "--B--" } },
    { "with an empty part", multipart { "--B", "", "--B--" } },
    { "with the same part twice",
      multipart { "--B", name_a, "", "v", "--B", name_a, "", "v", "--B--" } },
    { "with a value where a map is",
      multipart { "--B", name_a, "", "v", "--B", name_a_b, "", "w", "--B--" } },
    { "with a field and a part of one key",
      multipart { "--B", name_a, "b: v", "--B", name_a_b, "", "w", "--B--" } },
    { "with a field twice in a part", multipart { "--B", name_a, "b: v", "B: v", "--B--" } },
    { "with two inline parts",
      multipart { "--B", inline, "", "v", "--B", inline, "", "w", "--B--" } },
    { "with a name escaped badly", multipart {
      "--B", 'content-disposition: form-data;name="a%2";escape=percent', "", "v", "--B--" } },
    { "with a name escaped in another way", multipart {
      "--B", 'content-disposition: form-data;name="a";escape=base64', "", "v", "--B--" } },
    { "with ids that are none", { fields = { ["ao-ids"] = 'short="v"' } } },
    { "with ids cut off", { fields = { ["ao-ids"] = ("A"):rep(43) .. '="v' } } },
    { "with an id twice", { fields = { ["ao-ids"] = ('%s="v", %s="v"'):format(
      ("A"):rep(43), ("A"):rep(43)) } } },
  }
  for _, case in ipairs(refused) do
    local what, form = table.unpack(case)
    it(what .. " is refused", function()
      local message, said, code = cairn.from_http(form)
      assert.is_nil(message)
      assert.is_true(#said > 10)
      assert.equal("invalid_argument", code)
    end)
  end

  it("brings nothing private along", function()
    local form = multipart {
      "--B", name_a, "k: v", "private: x", "unsigned_id: y", "--B",
      'content-disposition: form-data;name="b"', "priv: x", "--B--",
    }
    form.fields.priv = "z"
    assert.same({ a = { k = "v" } }, cairn.from_http(form))
  end)

  it("nested over 64 levels is refused", function()
    local function nested(levels)
      return multipart { "--B", ('content-disposition: form-data;name="%s"'):format(
        ("a/"):rep(levels - 1) .. "a"), "", "v", "--B--" }
    end
    assert.is_table(cairn.from_http(nested(64)))
    assert.equal("limit", select(3, cairn.from_http(nested(65))))
    assert.equal("limit", select(3, cairn.from_http(nested(100000))))
  end)

  it("of a million parts and more is refused", function()
    local part = 'content-disposition: form-data;name="a"\r\n\r\n\r\n--B\r\n'
    local form = multipart { "--B", part:rep((1 << 20) + 1) .. "--B--" }
    local _, said, code = cairn.from_http(form)
    assert.equal("limit", code, said)
  end)

  it("keeps to its shape as a table", function()
    assert.same({}, cairn.from_http {})
    local wrong = {
      { { fields = { a = 1 } }, "names and values are strings" },
      { { fields = 1 }, "form.fields: table expected" },
      { { body = 1 }, "body: string expected" },
      { { header = {} }, "no option 'header'" },
    }
    for _, case in ipairs(wrong) do
      assert.error_matches(function() cairn.from_http(case[1]) end, case[2])
    end
  end)

  it("however damaged is read or refused", function()
    local function damage(text)
      local at = math.random(#text + 1)
      local kind = math.random(4)
      if kind == 1 then return text:sub(1, at - 1) end
      local byte = string.char(math.random(0, 255))
      if kind == 2 then return text:sub(1, at - 1) .. byte .. text:sub(at + 1) end
      if kind == 3 then return text:sub(1, at) .. text:sub(math.random(#text)) end
      return text:sub(1, at - 1) .. ("\r\n"):rep(math.random(3)) .. text:sub(at)
    end
    local outcomes = {}
    for trial = 1, 1000 do
      math.randomseed(trial)
      local form = cairn.to_http(messages.random(3))
      if form then
        form.fields["content-digest"] = nil
        if form.body and trial % 4 ~= 0 then
          form.body = damage(form.body)
        else
          for name, value in pairs(form.fields) do form.fields[name] = damage(value) end
        end
        local message, said, code = cairn.from_http(form)
        if message then
          local stored = assert(cairn.to_stored(message))
          local again = assert(cairn.from_http(assert(cairn.to_http(stored))))
          assert.is_true(messages.equal(stored, cairn.to_stored(again)), "trial " .. trial)
        else
          assert.is_string(said)
        end
        outcomes[code or "read"] = true
      end
    end
    assert.is_true(outcomes.read and outcomes.invalid_argument and outcomes.corrupt)
  end)
end)
