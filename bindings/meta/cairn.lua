---@meta cairn
-- What the C module `cairn` offers, for editors and the type checker
-- (https://luals.github.io/wiki/annotations/). Nothing here runs.

--- A Lua-scriptable storage engine: bytes, groups and links under paths.
---
--- Expected failures return `nil, message, code`, so `assert(store:read(path))` does
--- what it looks like. A mistake in the call (a wrong type, a closed store) raises.
---
--- Strings are bytes. Times are integers: milliseconds since the Unix epoch.
---@class cairn
local cairn = {}

---@alias cairn.code
---| "not_found"          # nobody wrote it, it dangles, or it is a group
---| "invalid_path"       # `.`, `..`, a NUL, or over 2,048 bytes
---| "invalid_argument"   # an option or a value that cannot be
---| "is_group"           # a group is where a value should go
---| "not_a_group"        # a value is where a group should be
---| "name_too_long"      # a segment this backend cannot hold
---| "link_loop"          # a cycle, or more than 64 hops
---| "unsupported"        # this backend cannot do that
---| "conflict"           # a condition did not hold
---| "timeout"            # the deadline passed
---| "unavailable"        # could not tell
---| "corrupt"            # stored bytes that make no sense
---| "unauthorized"
---| "unverified"
---| "policy_error"
---| "leader_died"
---| "infinite_recursion"
---| "limit"              # a bound was reached
---| "io"                 # the operating system said no
---| "no_memory"

--- A path: bytes split at `/`, or a list of segments, nested or not. Empty segments
--- vanish: `"//a//b/"`, `"a/b"`, `{"a", "b"}` and `{"a", {"b"}}` are the same.
---@alias cairn.path string|cairn.path[]

---@alias cairn.type
---| "simple"    # a raw value
---| "composite" # a group

---@alias cairn.kind
---| "simple"
---| "composite"
---| "link"

--- The version of the library, e.g. "0.1.0".
---@type string
cairn.version = "0.1.0"

--- Opens a store.
---
--- `"memory:"`, `"fs:/srv/x"`, `"rocksdb:./data"`, with options behind `?`:
--- `"rocksdb:./data?block_cache=1G&create=false"`. Or a table: `backend` and `path`, and the
--- options beside them. Unknown options are refused. Without an argument: the default
--- store of the machine's user (`CAIRN_STORE`, then `cairn.conf.lua`, then an embedded RocksDB in
--- `./cairn-data`), the same that `cairn get` and `cairn put` use.
---
--- Opening a store that this process has open already gives another handle on it.
---@param where? string|cairn.StoreOptions
---@return cairn.Store? store
---@return string? message
---@return cairn.code? code
function cairn.open(where) end

--- Where the default store is, and who says so: "CAIRN_STORE", the name of the
--- configuration file, or "preset". Opens and makes nothing.
---@return (string|cairn.StoreOptions)? where
---@return string origin or message
---@return cairn.code? code
function cairn.default_store() end

---@class cairn.StoreOptions
---@field backend "memory"|"fs"|"rocksdb"
---@field path? string directory; not for memory
---@field [string] string|number|boolean an option of the backend; see `cairn.backends()`

--- The backends of this build, by name, with their options.
---@return table<string, cairn.BackendInfo>
function cairn.backends() end

---@class cairn.BackendInfo
---@field summary string
---@field scope "local"|"remote"|"cluster"
---@field options cairn.OptionInfo[]
---@field batch boolean        many changes are all or nothing
---@field snapshot boolean     frozen states can be taken
---@field shared boolean       other processes may change it while it is open

---@class cairn.OptionInfo
---@field name string
---@field default string
---@field meaning string

--- Reads a store that HyperBEAM wrote (a RocksDB or a filesystem directory; it looks
--- which) into `store`. The source is not changed.
---@param directory string
---@param store cairn.Store
---@param options? cairn.ImportOptions
---@return cairn.ImportResult? result
---@return string? message
---@return cairn.code? code
function cairn.import(directory, store, options) end

---@class cairn.ImportOptions
---@field link_prefix? string fs: what to take off the front of link targets
---@field progress? fun(done: integer, total: integer): boolean? false stops; total 0 is unknown

---@class cairn.ImportResult
---@field raws integer
---@field links integer
---@field groups integer
---@field skipped integer entries that cannot be in a store of ours
---@field first_skipped string? the first of them, and why

--- The normal form: `cairn.normalize("//a//b/") == "a/b"`.
---@param path cairn.path
---@return string? normal
---@return string? message
---@return cairn.code? code
function cairn.normalize(path) end

--- The segments of a path, in order.
---@param path cairn.path
---@return string[]? segments
---@return string? message
---@return cairn.code? code
function cairn.segments(path) end

--- The clock the engine uses when it is told no other: milliseconds since the epoch.
---@return integer ms
function cairn.now() end

--- Encodes an entry as the key-value backends store it; see engine/FORMATS.md.
---@param entry cairn.Entry
---@return string? bytes
---@return string? message
---@return cairn.code? code
function cairn.encode(entry) end

--- The inverse of `cairn.encode`. `corrupt` for anything it could not have made.
---@param bytes string
---@return cairn.Entry? entry
---@return string? message
---@return cairn.code? code
function cairn.decode(bytes) end

---@class cairn.Entry
---@field kind "raw"|"link"|"group"|"tombstone"
---@field payload? string value, target; of a group its pack, if any
---@field children? table<string, cairn.Entry> of a packed group, in place of the payload
---@field form? "plain"|"zstd"|"chunked" of a raw value; default plain
---@field size? integer of the value, when form is not plain
---@field created? integer ms
---@field modified? integer ms
---@field expires? integer ms
---@field metadata? table<string, string|number|boolean>

--- An open store. May be used from this Lua state only; other threads open their own
--- handle on it. Closes with `<close>`, with `close`, and with the collector.
---@class cairn.Store
local Store = {}

--- The value at `path`; links are followed anywhere.
---@param path cairn.path
---@return string? value
---@return string? message
---@return cairn.code? code
function Store:read(path) end

---@class cairn.WriteOptions
---@field metadata? table<string, string|number|boolean> flat; comes back from `stat`
---@field compress? boolean store compressed (Zstandard) where that is shorter
---@field sync? boolean on stable storage before it returns
---@field expires? integer ms since the epoch: from then on it is not there
---@field if_absent? boolean `conflict` if something is there
---@field if_equal? string `conflict` unless this value is there now

--- Writes a value. Missing parents are made. At a link it replaces the link, never its
--- target; over a group: `is_group`; beneath a value: `not_a_group`; beneath a link it lands at the
--- link's target.
---@param path cairn.path
---@param value string
---@param options? cairn.WriteOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:write(path, value, options) end

--- Makes a group and its parents; fine if it is there.
---@param path cairn.path
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:group(path) end

---@class cairn.LinkOptions
---@field expires? integer ms since the epoch
---@field sync? boolean

--- Makes `new` a link to `existing`, which need not exist yet. What is at `new` already is
--- kept: then the second result is false.
---@param existing cairn.path
---@param new cairn.path
---@param options? cairn.LinkOptions
---@return true? ok
---@return boolean|string made or message
---@return cairn.code? code
function Store:link(existing, new, options) end

--- Makes a group whose children lie inline in its own entry: one lookup reads it whole,
--- and `path/name`, `list`, `stat` behave as if each were its own entry. A string is a
--- value; `{ link = path }` is a link. Replaces the children packed before, not those
--- written since. (fs has no packs: there each child becomes an entry of its own, and what
--- else is in the group stays.)
---@param path cairn.path
---@param children table<string, string|{ link: cairn.path }>
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:pack(path, children) end

--- Links are followed anywhere.
---@param path cairn.path
---@return cairn.type? type
---@return string? message
---@return cairn.code? code
function Store:type(path) end

---@class cairn.ListOptions
---@field from? string first name, inclusive
---@field to? string exclusive

--- Names in byte order, with what each is:
--- `for name, kind in assert(store:list(path)) do`. Pages as it goes: memory does not grow with the group
--- (fs excepted, which sorts). A failure in the middle raises.
---@param path? cairn.path default: the root
---@param options? cairn.ListOptions
---@return (fun(): string?, cairn.kind?)? iterator
---@return string? message
---@return cairn.code? code
function Store:list(path, options) end

--- Names, values and kinds within a group, from `from` (inclusive) to `to` (exclusive), in byte order:
--- `for name, value, kind in assert(store:range("log", "2026-01", "2026-02")) do`. The
--- value of a link is its target; of a group it is false.
---@param path cairn.path
---@param from? string
---@param to? string
---@return (fun(): string?, string|false|nil, cairn.kind?)? iterator
---@return string? message
---@return cairn.code? code
function Store:range(path, from, to) end

--- The path with every link replaced, to the end of the chain.
---@param path cairn.path
---@return string? resolved
---@return string? message
---@return cairn.code? code
function Store:resolve(path) end

---@class cairn.Stat
---@field type cairn.kind links at the end are reported, not followed
---@field size integer bytes: of the value; of a link's target; 0 for a group
---@field target? string of a link
---@field created? integer ms
---@field modified? integer ms
---@field expires? integer ms
---@field metadata? table<string, string|number|boolean>
---@field store string which store answered: its URL

---@param path cairn.path
---@return cairn.Stat? stat
---@return string? message
---@return cairn.code? code
function Store:stat(path) end

---@class cairn.DeleteOptions
---@field recursive? boolean a group with everything beneath it

--- Removes an entry or a link (not its target). A group that is not empty needs `recursive`
--- (else `is_group`).
---@param path cairn.path
---@param options? cairn.DeleteOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:delete(path, options) end

--- Empties the store.
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:reset() end

--- All that was written before is on stable storage after.
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:sync() end

---@class cairn.BatchOptions
---@field sync? boolean
---@field in_steps? boolean one by one, in order, where the backend has no batches (fs)

--- Collects changes with the names of the store's own methods, then does all or none:
--- `store:batch(function(b) b:write("a", "1") b:link("a", "b") end)`. If the function raises, nothing is done and the error goes on.
---@param fill fun(batch: cairn.Batch)
---@param options? cairn.BatchOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Store:batch(fill, options) end

---@class cairn.Batch
local Batch = {}
---@param path cairn.path
---@param value string
---@param options? cairn.WriteOptions
function Batch:write(path, value, options) end
---@param path cairn.path
function Batch:group(path) end
---@param existing cairn.path
---@param new cairn.path
---@param options? cairn.LinkOptions
function Batch:link(existing, new, options) end
---@param path cairn.path
---@param children table<string, string|{ link: cairn.path }>
function Batch:pack(path, children) end
---@param path cairn.path
function Batch:delete(path) end

---@class cairn.TransactionOptions
---@field sync? boolean
---@field retries? integer how often the function is run again after a conflict; default 100

--- Runs `body` with a transaction that reads and collects changes; commits when it
--- returns, and runs it again if what it read has changed since. If it raises or
--- returns nil and a message, nothing is done; nor if one of its changes was refused,
--- whether it looked or not. Returns what `body` returned (true for nothing).
---@generic T
---@param body fun(tx: cairn.Transaction): T?
---@param options? cairn.TransactionOptions
---@return T? result
---@return string? message
---@return cairn.code? code
function Store:transaction(body, options) end

--- The methods of a batch; each answers at once, as the store's own does, whether its
--- change could be made as things are.
---@class cairn.Transaction
---@field write fun(self: cairn.Transaction, path: cairn.path, value: string, options?: cairn.WriteOptions): true?, string?, cairn.code?
---@field group fun(self: cairn.Transaction, path: cairn.path): true?, string?, cairn.code?
---@field link fun(self: cairn.Transaction, existing: cairn.path, new: cairn.path, options?: cairn.LinkOptions): true?, string?, cairn.code?
---@field pack fun(self: cairn.Transaction, path: cairn.path, children: table<string, string|{ link: cairn.path }>): true?, string?, cairn.code?
---@field delete fun(self: cairn.Transaction, path: cairn.path): true?, string?, cairn.code?
local Transaction = {}
--- As `Store:read`, with the changes collected so far.
---@param path cairn.path
---@return string? value
---@return string? message
---@return cairn.code? code
function Transaction:read(path) end

--- The store as it is now, to read from; changing it is `unsupported`. Close it.
---@return cairn.Store? frozen
---@return string? message
---@return cairn.code? code
function Store:snapshot() end

--- A piece of a value: up to `size` bytes from `offset` (0 is the first); "" beyond the end.
---@param path cairn.path
---@param offset integer
---@param size integer
---@return string? bytes
---@return string? message
---@return cairn.code? code
function Store:read_at(path, offset, size) end

--- A value that arrives in pieces; it is not there until `commit`.
---@return cairn.Writer? writer
---@return string? message
---@return cairn.code? code
function Store:writer() end

---@class cairn.Writer
local Writer = {}
---@param bytes string
---@return cairn.Writer? self
---@return string? message
---@return cairn.code? code
function Writer:append(bytes) end
--- Puts the value at `path`, as `Store:write` would (`compress` is refused).
---@param path cairn.path
---@param options? cairn.WriteOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Writer:commit(path, options) end
--- Forgets what was not committed. Also by `<close>` and the collector.
function Writer:close() end

--- Numbers of the backend, by name: `{ entries_count = 12, ... }`.
---@return table<string, integer>
function Store:stats() end

--- The URL it was opened by.
---@return string
function Store:url() end

--- Closes the store; using it afterwards raises, closing it again does not.
function Store:close() end

return cairn
