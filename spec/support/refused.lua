--- `refused("is_group", "a/b", store:write("a/b", "x"))`: the call must have failed with that
--- word, in a message that names `what`.

local assert = require "luassert"

return function(code, what, value, message, word)
  assert.is_nil(value)
  assert.equal(code, word, message)
  assert.is_string(message)
  assert.matches(what, message, 1, true)
end
