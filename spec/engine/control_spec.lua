--- Control sockets: one process answers the questions of its owner's others. The server is
--- control_server.c; the asking side is the program's own.

local lfs = require "lfs"
local process = require "cairn.process"
local uv = require "luv"

local place = require "spec.support.place"

local SERVER = place.build .. "/spec/control_server"
local PATIENT = 10000 -- ms

local function lines_of(server)
  return (server.out:gsub("\n.*", ""))
end

--- Runs the loop until `arrived()`; raises after some seconds.
local function await(arrived, what)
  local late = uv.now() + PATIENT
  while not arrived() do
    assert(uv.now() < late, what .. " did not come")
    local timer = uv.new_timer()
    timer:start(20, 0, function() timer:close() end)
    uv.run("once")
  end
end

--- Somebody who connects and says `bytes`, and does not read or close until told to.
local function connect(path, bytes)
  local pipe, client = uv.new_pipe(), { heard = "" }
  pipe:connect(path, function(problem)
    client.problem = problem
    client.connected = not problem
    if bytes and not problem then pipe:write(bytes) end
  end)
  await(function() return client.connected or client.problem end, "a connection")
  function client.hear()
    pipe:read_start(function(problem, more)
      client.heard = client.heard .. (more or "")
      if not more then client.over, client.problem = true, problem end
    end)
    await(function() return client.over end, "the end of a connection")
    return client.heard
  end
  function client.close() if not pipe:is_closing() then pipe:close() end end
  return client
end

describe("a control socket", function()
  local directory, path, servers

  before_each(function()
    directory = place.fresh()
    path, servers = directory .. "/own/1.sock", {}
  end)

  after_each(function()
    for _, server in ipairs(servers) do
      if server.open > 0 then
        place.signal(server, "sigkill")
        place.wait(server)
      end
    end
    place.remove(directory)
  end)

  local function serve(at)
    local server = place.start { SERVER, at or path }
    servers[#servers + 1] = server
    place.until_said(server, "\n")
    return server
  end

  local function stop(server)
    place.signal(server, "sigterm")
    return place.wait(server)
  end

  local function ask(question, wait_ms)
    return process.control(path, question, wait_ms or PATIENT)
  end

  it("answers a question, and the next", function()
    assert.equal("serving " .. path, lines_of(serve()))
    assert.equal("hello", ask "echo hello")
    assert.equal("\0\255 bytes", ask "echo \0\255 bytes")
  end)

  it("is served by a thread of its own, which takes no signals", function()
    serve()
    assert.equal("cairn-control, signals blocked", ask "thread")
  end)

  it("lies where nobody else may look", function()
    serve()
    assert.equal("rwx------", lfs.attributes(directory .. "/own", "permissions"))
    assert.equal("rw-------", lfs.attributes(path, "permissions"))
    assert.equal("socket", lfs.attributes(path, "mode"))
  end)

  it("is gone when it is closed", function()
    local server = stop(serve())
    assert.equal(0, server.code, server.err)
    assert.same({}, place.files(directory))
    local answer, message, code = ask "echo"
    assert.is_nil(answer)
    assert.equal("not_found", code)
    assert.matches(path, message, 1, true)
  end)

  it("is told apart from one that a killed process left behind", function()
    local server = serve()
    place.signal(server, "sigkill")
    place.wait(server)
    assert.equal("not_found", select(3, ask "echo"))
    assert.equal("serving " .. path, lines_of(serve()))
    assert.equal("again", ask "echo again")
  end)

  it("is served by one process at a time", function()
    serve()
    assert.matches("^conflict: .* is served already", lines_of(serve()))
    assert.equal("still here", ask "echo still here")
  end)

  it("is taken over by one process, however many try at once", function()
    local dead = serve()
    place.signal(dead, "sigkill")
    place.wait(dead)
    for i = 1, 8 do servers[i + 1] = place.start { SERVER, path } end
    local serving = 0
    for i = 2, 9 do
      place.until_said(servers[i], "\n")
      local said = lines_of(servers[i])
      if said:find("^serving") then
        serving = serving + 1
      else
        assert.matches("^conflict: .* is served already", said)
      end
    end
    assert.equal(1, serving)
    assert.equal("one", ask "echo one")
  end)

  it("replaces nothing but sockets", function()
    lfs.mkdir(directory .. "/own")
    place.put(path, "precious")
    assert(uv.fs_chmod(directory .. "/own", tonumber("700", 8)))
    assert.matches("conflict: control: there is something else at " .. path, lines_of(serve()), 1,
      true)
    assert.equal("precious", place.content(path))
    assert.is_false(process.discard_control(path))
    assert.equal("precious", place.content(path))
  end)

  it("is taken away when nobody serves it, and only then", function()
    local server = serve()
    assert.is_false(process.discard_control(path))
    assert.equal("here", ask "echo here")
    place.signal(server, "sigkill")
    place.wait(server)
    assert.is_true(process.discard_control(path))
    assert.same({}, place.files(directory))
    assert.is_false(process.discard_control(path))
  end)

  it("leaves alone what took its place", function()
    local first = serve()
    os.remove(path)
    serve()
    stop(first)
    assert.equal("the second", ask "echo the second")
  end)

  -- -- Who is not trusted ---------------------------------------------------------------

  it("is not made where others may write", function()
    lfs.mkdir(directory .. "/own")
    assert(uv.fs_chmod(directory .. "/own", tonumber("777", 8)))
    assert.matches("unauthorized: control: others may write to the directory " .. directory
      .. "/own (mode 777)", lines_of(serve()), 1, true)
  end)

  it("is not made behind a link, which somebody else may have laid", function()
    lfs.mkdir(directory .. "/real")
    assert(lfs.link(directory .. "/real", directory .. "/own", true))
    assert.matches("^io: .*cannot open the directory", lines_of(serve()))
    assert.same({}, place.files(directory .. "/real"))
  end)

  -- Only root can make something that belongs to somebody else.
  local as_root = uv.getuid() == 0 and it or pending

  as_root("is not made in another's directory", function()
    lfs.mkdir(directory .. "/own")
    assert(uv.fs_chmod(directory .. "/own", tonumber("700", 8)))
    assert(uv.fs_chown(directory .. "/own", 12345, 12345))
    assert.matches("^unauthorized: .*belongs to user 12345", lines_of(serve()))
    assert.is_false(process.discard_control(path))
  end)

  as_root("gives another user no answer, even where he can reach it", function()
    serve()
    for _, each in ipairs { directory, directory .. "/own", path } do
      assert(uv.fs_chmod(each, tonumber("777", 8)))
    end
    local other = place.run { "/usr/bin/setpriv", "--reuid=12345", "--clear-groups",
      "/usr/bin/perl", "-MSocket", "-e", [[
        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
        connect($s, sockaddr_un($ARGV[0])) or die "connect: $!";
        $SIG{PIPE} = "IGNORE";
        syswrite($s, "echo secret\n");
        my $n = sysread($s, my $heard, 100);
        print "heard: ", $heard // "", "\n"]], path }
    assert.equal("heard: \n", other.out, other.err)
    assert.equal("secret", ask "echo secret")
  end)

  -- -- Paths ----------------------------------------------------------------------------

  it("says how long a path may be", function()
    local long = directory .. "/" .. ("x"):rep(108 - #directory - 1)
    assert.matches("has 108 bytes, at most 107 are possible: " .. directory, lines_of(serve(long)),
      1, true)
    local _, message, code = process.control(long, "echo", PATIENT)
    assert.equal("invalid_argument", code)
    assert.matches("at most 107", message, 1, true)
    local longest = long:sub(1, -2)
    assert.equal("serving " .. longest, lines_of(serve(longest)))
    assert.equal("x", process.control(longest, "echo x", PATIENT))
  end)

  it("does not make the directories above its own", function()
    assert.matches("^io: .*cannot make the directory", lines_of(serve(directory .. "/a/b/c.sock")))
    assert.matches("^invalid_argument: .*must not be empty", lines_of(serve("")))
  end)

  it("is looked for in the runtime directory, if it is ours, and in /tmp", function()
    local cairn = place.build .. "/cairn"
    place.put(directory .. "/list.lua",
      'print(table.concat(require("cairn.process").control_directories(), " "))')
    local function directories(runtime)
      local run = place.run({ cairn, "run", directory .. "/list.lua" },
        { env = { XDG_RUNTIME_DIR = runtime } })
      assert.equal("", run.err)
      return run.out:match("[^\n]*")
    end
    local common = "/tmp/cairn-" .. uv.getuid()
    assert.equal(directory .. "/cairn " .. common, directories(directory))
    assert.equal(common, directories "relative")
    assert.equal(common, directories(directory .. "/absent"))
    assert.equal(common, directories "")
  end)

  -- -- Bounds ---------------------------------------------------------------------------

  it("takes a question of 4,096 bytes and none that is longer", function()
    serve()
    local most = ("q"):rep(4096 - #"echo ")
    assert.equal(most, ask("echo " .. most))
    local _, message, code = ask("echo " .. most .. "q")
    assert.equal("invalid_argument", code)
    assert.matches("4097 bytes", message, 1, true)
    assert.equal("invalid_argument", select(3, ask "two\nlines"))
    local rude = connect(path, ("q"):rep(100000))
    assert.equal("", rude.hear())
    rude.close()
    assert.equal("fine", ask "echo fine")
  end)

  it("gives answers of many megabytes, but none beyond what is asked for", function()
    serve()
    assert.equal(20 << 20, #ask("bytes " .. (20 << 20)))
    local _, message, code = ask("bytes " .. (65 << 20))
    assert.equal("limit", code)
    assert.matches("longer than 67108864 bytes", message, 1, true)
  end)

  it("says so when there is no answer", function()
    serve()
    local _, message, code = ask "frobnicate"
    assert.equal("unavailable", code)
    assert.matches("no answer from " .. path, message, 1, true)
  end)

  it("says so when the answer takes too long", function()
    serve()
    local _, message, code = ask("sleep 1000", 100)
    assert.equal("timeout", code)
    assert.matches("no answer in time from " .. path, message, 1, true)
  end)

  -- -- Those who stall ------------------------------------------------------------------

  local stalls = {
    { "say nothing", nil },
    { "stop in the midst of a question", "echo he" },
    { "do not read a long answer", "bytes " .. (16 << 20) .. "\n" },
  }
  for _, case in ipairs(stalls) do
    local behaviour, said = table.unpack(case)
    it("keeps nobody waiting for those who " .. behaviour .. ", and gives them up", function()
      serve()
      local idle = {}
      for i = 1, 10 do idle[i] = connect(path, said) end
      local started = uv.hrtime()
      assert.equal("prompt", ask "echo prompt")
      assert.is_true(uv.hrtime() - started < 1e9)
      local late = uv.hrtime() + 2500 * 1e6
      await(function() return uv.hrtime() > late end, "the end of its patience")
      for _, each in ipairs(idle) do
        assert.is_true(#each.hear() < 16 << 20)
        each.close()
      end
    end)
  end

  it("serves on when all its places are taken by those who stall", function()
    serve()
    local idle = {}
    for i = 1, 60 do idle[i] = connect(path) end
    assert.equal("at last", ask "echo at last")
    for _, each in ipairs(idle) do each.close() end
    assert.equal("at once", ask("echo at once", 1000))
  end)

  it("survives those who leave before they are answered", function()
    serve()
    for _ = 1, 100 do
      local gone = connect(path, "bytes 1000000\n")
      gone.close()
    end
    assert.equal("fine", ask "echo fine")
  end)

  it("waits for the answer that is being made when it is closed", function()
    local server = serve()
    local client = connect(path, "sleep 500\n")
    local soon = uv.now() + 100
    await(function() return uv.now() > soon end, "a moment")
    place.signal(server, "sigterm")
    assert.equal("awake", client.hear())
    client.close()
    assert.equal("answered 1\n", place.wait(server).out:match("answered.*"))
    assert.equal(0, server.code)
  end)
end)
