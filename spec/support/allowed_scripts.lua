--- Scripts that mean the same in a sandbox as elsewhere: { about what, the script }.

return {
  { "arithmetic", "return 1 + 2, 7 // 2, 7 / 2, 2 ^ 10, 'a' .. 1, #'abc', not nil" },
  { "bits and constants", "local x <const> = 5 return x << 2, x | 8, ~x, x & 4, x ~ 1" },
  { "arithmetic on strings", [[
    return "10" + 5, "3" * "4", -"2", 10 .. 20, "0x10" + 0, "7" // 2, "1e1" % 3,
      pcall(function() return "x" + 1 end)]] },
  { "string arithmetic with what knows better", [[
    local t = setmetatable({}, { __add = function(a, b) return "sum", b end })
    return "10" + t, t + "10", pcall(function() return "10" + {} end)]] },
  { "goto", "goto done do return 1 end ::done:: return 2" },
  { "methods", [[
    local t = { n = 0 }
    function t:add(k) self.n = self.n + k return self end
    return t:add(2):add(3).n]] },
  { "recursion", [[
    local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
    return deep(5000)]] },

  { "error", "return pcall(error, 'x')" },
  { "error objects", [[
    local object = setmetatable({}, { __tostring = function() return "T" end })
    local ok, same = pcall(error, object)
    return ok, same == object, tostring(same)]] },
  { "pcall and nil", "return pcall(function(...) return select('#', ...), ... end, nil, 2, nil)" },
  { "pcall in pcall", "local function f() return pcall(f) end return (f())" },
  { "pcall of a function in C", "return pcall(string.rep), pcall(xpcall, 1), pcall(assert)" },
  { "xpcall", [[
    return xpcall(function(a) error(a .. "!", 0) end, function(m) return "H" .. m end, "x")]] },
  { "xpcall that succeeds", [[
    return xpcall(function(...) return ... end, function() end, 1, nil, 3)]] },
  { "xpcall with a handler in C", "return xpcall(error, string.upper, 'loud')" },
  { "assert", "return assert(1, 2, 3), pcall(assert, false, 'm'), pcall(assert, nil)" },

  { "__index and __call", [[
    local mt = { __index = string, __call = function(_, x) return x end }
    local t = setmetatable({}, mt)
    return t.rep("a", 3), t(5)]] },
  { "__eq", [[
    local a, b = {}, setmetatable({}, { __eq = function() return true end })
    return a == b]] },
  { "__close", [[
    local log = ""
    local mt = { __close = function(_, e) log = log .. tostring(e) end }
    do local x <close> = setmetatable({}, mt) end
    pcall(function() local x <close> = setmetatable({}, mt) error("boom", 0) end)
    return log]] },
  { "__newindex and rawset", [[
    local log = {}
    local t = setmetatable({}, { __newindex = function(t, k, v)
      log[#log + 1] = k
      rawset(t, k, v)
    end })
    table.insert(t, "a")
    table.insert(t, "b")
    return #log, #t]] },
  { "__metatable", [[
    return getmetatable(setmetatable({}, { __metatable = "no" })),
      pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {})]] },
  { "__mode", [[
    local weak = setmetatable({}, { __mode = "k" })
    weak[weak] = 1
    return weak[weak] ]] },

  { "coroutines", [[
    local co = coroutine.create(function(a, b)
      local c = coroutine.yield(a + b)
      error(c, 0)
    end)
    local a, b = coroutine.resume(co, 1, 2)
    local c, d = coroutine.resume(co, "out")
    return a, b, c, d, coroutine.status(co), coroutine.resume(co)]] },
  { "wrapped coroutines", [[
    local co = coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(i) end
      return "end"
    end)
    return co(), co(), co(), co(), pcall(co)]] },
  { "pcall in coroutines", [[
    local co = coroutine.wrap(function()
      return pcall(function() coroutine.yield(1) error("e", 0) end)
    end)
    return co(), co()]] },
  { "what coroutines say of themselves", [[
    local co
    co = coroutine.create(function()
      return coroutine.status(co), coroutine.isyieldable(), select(2, coroutine.running())
    end)
    return coroutine.isyieldable(), select(2, coroutine.running()), coroutine.resume(co)]] },
  { "coroutines in coroutines", [[
    local outer
    outer = coroutine.create(function()
      local inner = coroutine.create(function() return coroutine.status(outer) end)
      return coroutine.resume(inner)
    end)
    return coroutine.resume(outer)]] },
  { "closing coroutines", [[
    local co = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(co)
    return coroutine.close(co), coroutine.status(co), coroutine.close(co)]] },
  { "errors while coroutines are closed", [[
    local mt = { __close = function() error("in close", 0) end }
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, mt)
      coroutine.yield()
    end)
    coroutine.resume(co)
    return coroutine.close(co)]] },
  { "what coroutines may not do", [[
    local running = coroutine.running()
    return pcall(coroutine.close, running), pcall(coroutine.yield),
      coroutine.resume(running), pcall(coroutine.wrap, 1)]] },
  { "errors of wrapped coroutines", [[
    return pcall(coroutine.wrap(function() error({}) end)),
      pcall(coroutine.wrap(function() error("x", 0) end)),
      pcall(coroutine.wrap(function() local x = nil + 1 end))]] },

  { "select", "return select(-1, 1, 2, 3), select('#'), select(2, 'a', 'b', 'c')" },
  { "raw access", [[
    return rawequal("a", "a"), rawlen({ 1, 2 }), rawget({ 5 }, 1), rawset({}, 1, 7)[1],
      rawget(string, "rep") == string.rep, next(math) ~= nil]] },
  { "tostring", [[
    return tostring(nil), tostring(true), tostring(12), tostring(1.5), tostring(-0.0),
      tostring(1e15), tostring(2 ^ 53), tostring("x"),
      tostring(setmetatable({}, { __tostring = function() return "mine" end })),
      pcall(tostring, setmetatable({}, { __tostring = function() return {} end }))]] },
  { "tonumber", [[
    return tonumber("0x1p4"), tonumber("  12  "), tonumber("z", 36), tonumber("1e"),
      tonumber(nil), pcall(tonumber)]] },
  { "math", [[
    return math.max(1, 2.5), math.min(3, 1), math.floor(-1.5), math.fmod(7, 3), math.type(1),
      math.tointeger(3.0), math.ult(1, -1), math.maxinteger // -1, 7 // 0.0]] },
  { "strings", [[
    return ("a,b,,c"):gsub(",", ";"), ("k=v"):match("(%w+)=(%w+)"), ("abc"):find("b", 1, true),
      ("%5.2f|%-5d|%05d|%x|%q|%s|%c"):format(3.14159, 42, 42, 255, "a\nb", true, 65)]] },
  { "utf8", [[
    return utf8.char(228, 8364), utf8.len("\u{e4}x"), utf8.codepoint("\u{e4}", 1),
      utf8.charpattern]] },
  { "ipairs", [[
    local out = {}
    for i, v in ipairs { "a", "b", nil, "d" } do out[#out + 1] = i .. v end
    return table.concat(out)]] },
  { "sorting", [[
    local t = { 5, 2, 8, 1 }
    table.sort(t, function(a, b) return a > b end)
    return table.concat(t, ","), select(2, pcall(table.sort, { "b", 1 }))]] },
  { "tables that are made up", [[
    local t = setmetatable({}, {
      __index = function(_, i) if i <= 3 then return i * 10 end end,
      __len = function() return 3 end,
    })
    return table.concat(t, "-"), table.unpack(t)]] },
  { "packing and unpacking", [[
    return table.pack(1, nil, 3).n, #table.pack(), table.unpack({ 1, 2, nil, 4 }, 1, 4)]] },
  { "mistakes with tables", [[
    return pcall(table.insert, {}, 1, 2, 3), pcall(table.concat, { {} }),
      pcall(table.unpack, {}, 1, 1 << 40), pcall(table.move, {}, 1, 2)]] },
}
