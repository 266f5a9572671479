--- Scripts that want more than they get: each must be stopped by a limit, whatever it catches.
---
--- { what it tries, the script }. `N` is how many bytes it may hold.

local rows = {
  -- Loops, and errors that are caught.
  { "loops", "while true do end" },
  { "loops with goto", "::again:: goto again" },
  { "counts to the largest integer", "for i = 1, math.maxinteger do end" },
  { "counts floats", "for i = 1, math.huge do end" },
  { "loops in pcall, for ever", [[
    while true do pcall(function() while true do end end) end]] },
  { "goes on after nested pcalls", [[
    local function f() pcall(f) while true do end end
    f()]] },
  { "loops in the handler of xpcall", [[
    xpcall(function() while true do end end, function() while true do end end)]] },
  { "fails in the handler of xpcall, for ever", [[
    while true do xpcall(error, function() error "again" end) end]] },
  { "catches what is not there", "while true do pcall(function() return nobody end) end" },
  { "throws long strings", [[
    local s = ("x"):rep(N // 4)
    while true do pcall(error, s) pcall(assert, false, s) end]] },
  { "calls itself", "local function f() return 1 + f() end f()" },
  { "calls itself in tail position", "local function f() return f() end f()" },

  -- Metamethods.
  { "loops in __index", [[
    local t = setmetatable({}, { __index = function() while true do end end })
    pcall(function() return t.x end)]] },
  { "loops in __tostring", [[
    local t = setmetatable({}, { __tostring = function() while true do end end })
    pcall(tostring, t) string.format("%s", t)]] },
  { "loops in __lt", [[
    local t = setmetatable({}, { __lt = function() while true do end end })
    pcall(table.sort, { t, t })]] },
  { "loops in __add, found by way of a string", [[
    local t = setmetatable({}, { __add = function() while true do end end })
    pcall(function() return "10" + t end)]] },
  { "loops in __len", [[
    local t = setmetatable({}, { __len = function() while true do end end })
    pcall(table.unpack, t)]] },
  { "loops in __pairs", [[
    pcall(pairs, setmetatable({}, { __pairs = function() while true do end end }))]] },
  { "has an ipairs without end", [[
    for _ in ipairs(setmetatable({}, { __index = function(_, i) return i end })) do end]] },
  { "looks along a chain of __index", [[
    local t = {}
    for _ = 1, 1900 do local u = { __index = t } t = setmetatable({}, u) end
    while true do local _ = t.x end]] },
  { "assigns along a chain of __newindex", [[
    local t = {}
    for _ = 1, 1900 do local u = { __newindex = t } t = setmetatable({}, u) end
    while true do t.x = nil end]] },
  { "has a __call that is its own", [[
    local t = setmetatable({}, {})
    getmetatable(t).__call = t
    while true do pcall(t) end]] },
  { "calls a chain of __call", [[
    local t = function() end
    for _ = 1, 3000 do t = setmetatable({}, { __call = t }) end
    while true do t() end]] },

  -- Variables to be closed.
  { "loops in __close", [[
    local mt = { __close = function() while true do end end }
    local function f() local x <close> = setmetatable({}, mt) while true do end end
    while true do pcall(f) end]] },
  { "leaves a thousand variables to be closed", [[
    local x = setmetatable({}, { __close = function() while true do end end })
    local function f() local a <close>, b = x local c <close> = x return (f()) end
    f()]] },
  { "closes with functions in C", [[
    local x = setmetatable({}, { __close = pcall })
    local function f() local a <close>, b = x local c <close> = x return (f()) end
    f()]] },
  { "yields while it is stopped", [[
    local x = setmetatable({}, { __close = coroutine.yield })
    local co = coroutine.wrap(function() local y <close> = x while true do end end)
    co() while true do end]] },
  { "starts a coroutine while it is stopped", [[
    local x <close> = setmetatable({}, { __close = function()
      coroutine.wrap(function() while true do end end)()
    end })
    while true do end]] },

  -- Coroutines.
  { "loops in a coroutine", "coroutine.wrap(function() while true do end end)()" },
  { "loops in a coroutine in pcall", [[
    while true do pcall(coroutine.wrap(function() while true do end end)) end]] },
  { "starts coroutines that do little", [[
    while true do coroutine.wrap(function() for i = 1, 90 do end end)() end]] },
  { "keeps coroutines", [[
    local t = {}
    while true do t[#t + 1] = coroutine.create(function() end) end]] },
  { "yields for ever", [[
    local co = coroutine.wrap(function() while true do coroutine.yield() end end)
    while true do co() end]] },
  { "goes on after nested coroutines", [[
    local function f() pcall(coroutine.wrap(f)) while true do end end
    f()]] },
  { "loops while a coroutine is closed", [[
    local mt = { __close = function() while true do end end }
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, mt) coroutine.yield()
    end)
    coroutine.resume(co) coroutine.close(co)]] },
  { "loops while a coroutine that failed is closed", [[
    local mt = { __close = function() while true do end end }
    pcall(coroutine.wrap(function() local x <close> = setmetatable({}, mt) error "x" end))]] },
  { "closes coroutines while it closes coroutines", [[
    local make
    local mt = { __close = function() coroutine.close(make()) end }
    function make()
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, mt) coroutine.yield()
      end)
      coroutine.resume(co)
      return co
    end
    while true do pcall(coroutine.close, make()) end]] },
  { "resumes functions in C", [[
    while true do coroutine.wrap(pcall)(string.rep, "x", 10) end]] },

  -- Memory.
  { "doubles a string", "local s = 'x' while true do s = s .. s end" },
  { "joins long strings", [[
    local s = ("x"):rep(N // 5)
    while true do local t = s .. s .. s .. s .. s .. s .. s .. s .. s .. s end]] },
  { "nests tables", "local t = {} while true do t = { t } end" },
  { "fills a list", "local t = {} for i = 1, 1e9 do t[i] = i end" },
  { "fills a map", "local t = {} for i = 1, 1e9 do t['k' .. i] = i end" },
  { "fills a list with rawset", "local t = {} for i = 1, 1e9 do rawset(t, i, i) end" },
  { "makes garbage", "while true do local t = { 1, 2, 3, {} } end" },
  { "keeps closures", [[
    local t
    while true do local o = t t = function() return o end end]] },
  { "passes more and more arguments", [[
    local function f(...) return f(1, ...) end
    f()]] },
  { "makes garbage where there is hardly room for it", [[
    local keep = {}
    for i = 1, (N - 60000) // 100 do keep[i] = {} end
    while true do local x = {} end]] },
  { "keeps weak tables that hang together", [[
    local keep, mt, k = {}, { __mode = "k" }, {}
    for i = 1, N // 400 do local n = {} keep[i] = setmetatable({ [k] = n }, mt) k = n end
    while true do local x = {} end]] },

  -- Instructions that take long.
  { "compares long strings", [[
    local a, b = ("x"):rep(N // 3) .. "a", ("x"):rep(N // 3) .. "b"
    while true do local _ = a == b local _ = a < b end]] },
  { "compares long strings of zeros", [[
    local a, b = ("\0"):rep(N // 3) .. "a", ("\0"):rep(N // 3) .. "b"
    while true do local _ = a < b end]] },
  { "adds to long strings", [[
    local s = (" "):rep(N // 3) .. "1"
    while true do local _ = s + 1 end]] },
  { "takes roots of long strings", [[
    local s = ("1"):rep(N // 3) .. "e-1000"
    while true do local _ = math.sqrt(s) end]] },
  { "converts long strings", [[
    local s = ("1"):rep(N // 3)
    while true do tonumber(s) tonumber(s, 16) end]] },
  { "passes many arguments on", [[
    local function f(...) local x = ... end
    local function g(...) while true do f(...) math.max(...) end end
    local t = {} for i = 1, N // 200 do t[i] = i end
    g(table.unpack(t))]] },
  { "selects among many arguments", [[
    local function g(...) while true do select(-1, ...) select("#", ...) end end
    g(table.unpack({}, 1, N // 200))]] },
  { "makes tables of many arguments", [[
    local function g(...) while true do local t = { ... } table.pack(...) end end
    g(table.unpack({}, 1, N // 200))]] },
  { "looks for the next key in an emptied table", [[
    local t = {}
    for i = 1, N // 80 do t["k" .. i] = 1 end
    for i = 1, N // 80 do t["k" .. i] = nil end
    while true do next(t) pairs(t) end]] },
  { "makes a table find its size anew", [[
    local t, i = {}, 0
    for k = 1, N // 40 do t[k] = k end
    while true do
      i = i + 1
      t["a" .. i], t["b" .. i], t["c" .. i] = 1, 1, 1
      t["a" .. i], t["b" .. i], t["c" .. i] = nil, nil, nil
    end]] },

  -- The string library.
  { "repeats a lot", "return ('x'):rep(1e9)" },
  { "repeats with a separator", "return ('x'):rep(1e8, ('y'):rep(100))" },
  { "repeats often", "while true do ('x'):rep(N // 4) end" },
  { "changes long strings", [[
    local s = ("x"):rep(N // 5)
    while true do s:upper() s:lower() s:reverse() s:sub(2) end]] },
  { "takes strings apart", "while true do local t = { ('x'):rep(1e4):byte(1, -1) } end" },
  { "puts strings together", [[
    local t = {} for i = 1, 10000 do t[i] = 65 end
    while true do string.char(table.unpack(t)) end]] },
  { "formats long numbers", "while true do string.format('%99.99f', 1e308) end" },
  { "formats long strings", [[
    local s, t = ("x"):rep(1e5), {}
    for i = 1, 1000 do t[i] = s end
    return string.format(("%s"):rep(1000), table.unpack(t))]] },
  { "quotes long strings", "local s = ('\\0'):rep(N // 9) while true do ('%q'):format(s) end" },
  { "packs a lot", "return string.pack('c1000000000', '')" },
  { "packs often", "while true do string.pack('c100000', '') end" },
  { "unpacks a lot", [[
    while true do pcall(string.unpack, ("b"):rep(1e5), ("x"):rep(1e5)) end]] },
  { "looks for zeros", [[
    local s = ("x"):rep(N // 3)
    while true do pcall(string.unpack, "z", s) end]] },

  -- Patterns.
  { "matches in exponential time", [[
    return (("a"):rep(30) .. "b"):find(("a?"):rep(30) .. ("a"):rep(31))]] },
  { "matches in polynomial time", "return ('a'):rep(200):find('a*a*a*a*a*a*a*a*a*a*b')" },
  { "matches short repetitions", "return ('a'):rep(1e5):find('.-.-.-.-b')" },
  { "matches in quadratic time", "return ('a'):rep(3e5):find('.-b')" },
  { "matches a large set", "return ('a'):rep(1e5):find('[' .. ('b'):rep(1e4) .. ']')" },
  { "matches what is not balanced", "return ('('):rep(3e5):find('%b()')" },
  { "matches the same again", "return ('a'):rep(2e5):find('(a+)%1b')" },
  { "finds nothing, often", [[
    local a, b = ("a"):rep(N // 4), ("a"):rep(N // 8) .. "b"
    while true do a:find(b, 1, true) end]] },
  { "replaces by a lot", "return ('a'):rep(1e5):gsub('.', ('x'):rep(1e5))" },
  { "replaces nothing, everywhere", "return ('a'):rep(N):gsub('', '%0%0%0')" },
  { "replaces in a function that loops", [[
    return ("a"):rep(1e5):gsub(".", function() while true do end end)]] },
  { "replaces by what a table makes up", [[
    local mt = { __index = function() return ("x"):rep(1000) end }
    return ("a"):rep(N // 4):gsub(".", setmetatable({}, mt))]] },
  { "walks along matches", "while true do for _ in ('a'):rep(1e5):gmatch('()') do end end" },
  { "goes on after gsub in gsub in gsub", [[
    local function f(s) pcall(string.gsub, s, ".", f) while true do end end
    f "a"]] },

  -- The other libraries.
  { "moves nothing far", "table.move({}, 1, math.maxinteger - 1, 2)" },
  { "moves what is made up", [[
    local from = setmetatable({}, { __index = function() return 1 end })
    table.move(from, 1, 1e9, 1, setmetatable({}, { __newindex = function() end }))]] },
  { "unpacks nothing", "while true do pcall(table.unpack, {}, 1, 9e5) end" },
  { "concatenates what is made up", [[
    local mt = { __index = function() return "xxxxxxxxxxxxxxxx" end }
    table.concat(setmetatable({}, mt), ",", 1, 1e9)]] },
  { "inserts in front of what is not there", [[
    table.insert(setmetatable({}, { __len = function() return 1 << 40 end }), 1, 1)]] },
  { "removes in front of what is not there", [[
    table.remove(setmetatable({}, { __len = function() return 1 << 40 end }), 1)]] },
  { "inserts in front of a long list", [[
    local t = {} for i = 1, N // 40 do t[i] = i end
    while true do table.insert(t, 1, 1) table.remove(t, 1) end]] },
  { "sorts with a comparison that lies", [[
    local t = {} for i = 1, 2000 do t[i] = i end
    while true do table.sort(t, function() return true end) end]] },
  { "sorts what is not there", [[
    table.sort(setmetatable({}, { __len = function() return 1e9 | 0 end }))]] },
  { "sorts long strings", [[
    local t, s = {}, ("x"):rep(N // 100)
    for i = 1, 30 do t[i] = s .. i end
    while true do table.sort(t) end]] },
  { "sorts a long list", [[
    local t = {} for i = 1, N // 80 do t[i] = -i end
    while true do table.sort(t) end]] },
  { "has long keys put in order", [[
    local t, s = {}, ("x"):rep(N // 400)
    for i = 1, 100 do t[s .. i] = 1 end
    while true do pairs(t) next(t) end]] },
  { "has many keys put in order", [[
    local t = {} for i = 1, N // 160 do t["k" .. i] = 1 end
    while true do pairs(t) end]] },
  { "counts code points", "local s = ('x'):rep(N // 3) while true do utf8.len(s) end" },
  { "looks for a code point", [[
    local s = ("\x80"):rep(N // 3)
    while true do utf8.offset(s, -1, #s + 1) end]] },
  { "walks along code points", [[
    local s = ("x"):rep(N // 3)
    while true do for _ in utf8.codes(s) do end end]] },
}

return rows
