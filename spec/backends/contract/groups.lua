--- group: idempotent, makes parents, never in the place of a value.

local refused = require "spec.support.refused"

local case = ...

describe("when making a group", function()
  local store
  before_each(function() store = case.store end)

  it("makes it, empty, with its parents", function()
    assert.same({ true }, { store:group("g1/g2/g3") })
    assert.equal("composite", store:type("g1"))
    assert.equal("composite", store:type("g1/g2/g3"))
    assert.is_nil(assert(store:list("g1/g2/g3"))())
  end)

  it("keeps what is in it when it is there already", function()
    assert(store:write("g/x", "1"))
    assert(store:group("g"))
    assert.equal("1", store:read("g/x"))
  end)

  it("refuses the place of a value, and beneath one", function()
    assert(store:write("f", "1"))
    refused("not_a_group", "f", store:group("f"))
    refused("not_a_group", "f", store:group("f/g"))
    refused("not_a_group", "f", store:group("f/g/h"))
    assert.equal("1", store:read("f"))
  end)

  it("is content with a link to a group", function()
    assert(store:write("g/k", "1"))
    assert(store:link("g", "lg"))
    assert(store:group("lg"))
    assert.equal("link", store:stat("lg").type)
    assert.equal("1", store:read("lg/k"))
  end)

  it("refuses a link to a value", function()
    assert(store:write("f", "1"))
    assert(store:link("f", "lf"))
    refused("not_a_group", "f", store:group("lf"))
    assert.equal("1", store:read("lf"))
  end)

  it("beneath a link lands at the link's target", function()
    assert(store:group("g"))
    assert(store:link("g", "lg"))
    assert(store:group("lg/sub"))
    assert.equal("composite", store:type("g/sub"))
  end)

  it("at a dangling link makes the target", function()
    assert(store:link("no/where", "l"))
    assert(store:group("l"))
    assert.equal("composite", store:type("l"))
    assert.equal("composite", store:type("no/where"))
  end)
end)
