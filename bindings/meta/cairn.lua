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

--- What `cairn.cache()` takes when it is given nothing, and who named its store: `store` says
--- where one is, or `stores` where several are. `cache` in cairn.conf.lua may hold budget,
--- cache_control, hashpath, heuristics, ids, queue, store_scope, stores; CAIRN_STORE goes over
--- `stores`.
---@return cairn.CacheOptions? options
---@return string origin or message
---@return cairn.code? code
function cairn.default_cache() end

--- What `cairn.policies()` takes when it is given nothing, and who named the directory: CAIRN_POLICIES,
--- then `policies` in cairn.conf.lua (`use` is from there too), then $XDG_CONFIG_HOME/cairn/policies.
---@return cairn.PoliciesOptions? options
---@return string origin or message
---@return string|cairn.code|nil use_origin the configuration that says `use`, if one does; or code
function cairn.default_policies() end

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

-- -- Messages ----------------------------------------------------------------------------

--- What a message may hold. A string is bytes; integers and floats are as Lua has them; a
--- plain sequence is a list; another table is a message with string keys; `{}` is the empty
--- message, `cairn.list {}` the empty list.
---@alias cairn.value string|integer|number|boolean|cairn.Atom|cairn.value[]|cairn.message
---@alias cairn.message table<string, cairn.value>

--- The atom `null`.
---@type cairn.Atom
cairn.null = nil

--- A name that is not bytes: `cairn.atom "some_atom"`. Equal names are the same atom;
--- `cairn.atom "true"`, `"false"`, `"null"` are `true`, `false`, `cairn.null`. `tostring` gives the
--- name.
---@class cairn.Atom
---@param name string
---@return cairn.Atom|boolean atom
function cairn.atom(name) end

--- Marks a sequence as a list, also where it is empty. Returns the same table; what is read
--- from a cache has its lists marked.
---@param items? cairn.value[]
---@return cairn.value[] list
function cairn.list(items) end

--- "list", "message", "atom", "bytes", "integer", "float" or "boolean": what a value would be
--- stored as.
---@param value cairn.value
---@return string kind
function cairn.kind(value) end

---@class cairn.IdOptions
---@field ids? "safe"|"reference" default "safe": different messages have different ids. "reference": bit for bit HyperBEAM's
---@field committed? boolean the id that the message goes by: of its commitments, where it has some

--- The id of a message; of a string, the hash of the bytes.
---@param value cairn.message|string
---@param options? cairn.IdOptions
---@return string? id 43 characters
---@return string? message
---@return cairn.code? code
function cairn.id(value, options) end

--- Checks the commitments of a message: hmac-sha256 ids, rsa-pss-sha512 and ed25519 signatures; and,
--- if it has some, that they cover all of it. With `id`: also that the message has that id, or one of its commitments.
--- `unverified` names what does not check.
---@param message cairn.message
---@param id? string
---@param options? cairn.IdOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function cairn.verify(message, id, options) end

--- The stored form (TABM): only strings and tables, the types noted in `ao-types`.
---@param message cairn.message
---@return table<string, string|table>? stored
---@return string? message
---@return cairn.code? code
function cairn.to_stored(message) end

--- The way back.
---@param stored table<string, string|table>
---@return cairn.message? message
---@return string? message
---@return cairn.code? code
function cairn.from_stored(stored) end

---@class cairn.HttpForm
---@field fields table<string, string> names in lower case
---@field body? string

--- The message as an HTTP message: fields and a body.
---@param message cairn.message typed or stored
---@param options? cairn.IdOptions
---@return cairn.HttpForm? form
---@return string? message
---@return cairn.code? code
function cairn.to_http(message, options) end

--- The way back, to a typed message. A `content-digest` must be that of the body.
---@param form cairn.HttpForm
---@return cairn.message? message
---@return string? message
---@return cairn.code? code
function cairn.from_http(form) end

--- The bytes that the id authenticates (RFC 9421, section 2.5).
---@param message cairn.message
---@param options? cairn.IdOptions
---@return string? base
---@return string? message
---@return cairn.code? code
function cairn.id_base(message, options) end

--- JSON to a value and back; what JSON lacks is `{"$base64": ...}`, `{"$atom": ...}`,
--- `{"$integer": ...}`, `{"$message": {...}}` for a message with one such key itself, and
--- `{"$pairs": [[key, value], ...]}` for one with keys that are not UTF-8 or hold a NUL.
---@param text string
---@return cairn.value? value
---@return string? message
---@return cairn.code? code
function cairn.from_json(text) end

---@param value cairn.value
---@param indent? integer spaces; default 0: one line
---@return string? text
---@return string? message
---@return cairn.code? code
function cairn.to_json(value, indent) end

---@class cairn.HashpathOptions: cairn.IdOptions
---@field algorithm? "sha-256-chain"|"accumulate-256" default: what the base says in `hashpath-alg`, else "sha-256-chain"

--- The hashpath of applying requests to a base, one after the other. Of bytes alone, their
--- hash; of a message alone, its id. A string that is an id or a hashpath stands for itself
--- (as base), other strings are bytes.
---@param base cairn.message|string
---@param requests? (cairn.message|string)[]
---@param options? cairn.HashpathOptions
---@return string? hashpath
---@return string? message
---@return cairn.code? code
function cairn.hashpath(base, requests, options) end

--- True if `hashpath` is that of applying `requests` to `base`; false if not.
---@param hashpath string
---@param base cairn.message|string
---@param requests (cairn.message|string)[]
---@param options? cairn.HashpathOptions
---@return boolean? same
---@return string? message
---@return cairn.code? code
function cairn.verify_hashpath(hashpath, base, requests, options) end

---@alias cairn.StructuredItem { type: "integer"|"decimal"|"string"|"token"|"bytes"|"boolean"|"date"|"display"|"list", value: any, parameters: { key: string, value: cairn.StructuredItem }[] }

--- Parses a structured field (RFC 9651): "item" gives one item, "list" a sequence of items,
--- "dictionary" a sequence of `{ key=, item= }`. `lax` also takes the keys of `ao-types`.
---@param text string
---@param kind "item"|"list"|"dictionary"
---@param lax? boolean
---@return table? parsed
---@return string? message
---@return cairn.code? code
function cairn.parse_structured(text, kind, lax) end

--- The way back.
---@param parsed table
---@param kind "item"|"list"|"dictionary"
---@param lax? boolean
---@return string? text
---@return string? message
---@return cairn.code? code
function cairn.serialize_structured(parsed, kind, lax) end

---@class cairn.HttpMessage
---@field method? string
---@field target_uri? string
---@field authority? string
---@field scheme? string
---@field path? string
---@field query? string with its `?`
---@field status? integer
---@field fields { [1]: string, [2]: string }[] name and value, in order

--- The signature base of an HTTP message (RFC 9421, section 2.5) for one member of its
--- Signature-Input: `("@method" "date");created=1`.
---@param message cairn.HttpMessage
---@param input string
---@return string? base
---@return string? message
---@return cairn.code? code
function cairn.signature_base(message, input) end

-- -- Time --------------------------------------------------------------------------------

--- A clock that stands still until it is moved: for specs.
---@class cairn.Clock
local Clock = {}

--- `cairn.clock(ms)` stands at `ms` (default: now).
---@param ms? integer
---@return cairn.Clock
function cairn.clock(ms) end

---@return integer ms
function Clock:now() end

---@param ms integer
---@return integer now
function Clock:advance(ms) end

-- -- Chains ------------------------------------------------------------------------------

---@class cairn.ChainMember
---@field store cairn.Store|string|cairn.StoreOptions an open store, or where one is
---@field name? string default: the backend's name
---@field read? boolean default true
---@field write? boolean default true
---@field tier? boolean a cache in front of the others: answers only positively
---@field scope? "local"|"remote"|"cluster" how far away it is, e.g. a directory on another machine; default: the backend's. What comes from beyond "local" is checked by a cache before it is believed

---@class cairn.ChainOptions
---@field policies? cairn.Policies|false who decides; false: nobody but the engine's defaults; default: the shipped policies with the user's over them
---@field clock? cairn.Clock

--- Several stores that answer as one, in the order that the policy `chain` decides.
---@param members (cairn.ChainMember|cairn.Store|string)[]
---@param options? cairn.ChainOptions
---@return cairn.Chain? chain
---@return string? message
---@return cairn.code? code
function cairn.chain(members, options) end

--- A chain has the methods of a store that make sense for several; each read also returns
--- the name of the member that answered. When nobody has it: `not_found` if all said so,
--- `unavailable`, naming who failed, if one could not tell.
---@class cairn.Chain
local Chain = {}

---@class cairn.CallOptions
---@field timeout? integer ms
---@field scopes? ("local"|"remote"|"cluster")[]
---@field explain? table a table to which the steps of the call are appended (cairn.Step)
---@field fresh? boolean of Chain:read, type, resolve and stat: tiers, which may be behind what another process wrote, are not asked

--- One step of a call: an operation of a store, or a decision.
---@class cairn.Step
---@field operation string "read", ...; "decide cache_control" for decisions
---@field store? string URL
---@field path? string
---@field status string "ok" or a code
---@field detail? string what was decided, or why it failed
---@field policy? string
---@field version? string
---@field line? integer
---@field remembered? boolean
---@field canary? boolean

---@param path cairn.path
---@param options? cairn.CallOptions
---@return string? value
---@return string? member_or_message
---@return cairn.code? code
function Chain:read(path, options) end
---@param path cairn.path
---@param options? cairn.CallOptions
---@return cairn.type? type
---@return string? member_or_message
---@return cairn.code? code
function Chain:type(path, options) end
---@param path cairn.path
---@param options? cairn.CallOptions
---@return string? resolved
---@return string? member_or_message
---@return cairn.code? code
function Chain:resolve(path, options) end
---@param path cairn.path
---@param options? cairn.CallOptions
---@return cairn.Stat? stat
---@return string? member_or_message
---@return cairn.code? code
function Chain:stat(path, options) end
--- The list of the first store, in order, that has the group: what the others have in theirs
--- is not in it. A timeout is for the listing to its end.
---@param path? cairn.path
---@param options? cairn.ListOptions|cairn.CallOptions
---@return (fun(): string?, cairn.kind?)? iterator
---@return string? message
---@return cairn.code? code
function Chain:list(path, options) end
---@param path cairn.path
---@param value string
---@param options? cairn.WriteOptions|cairn.CallOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Chain:write(path, value, options) end
---@param path cairn.path
---@param options? cairn.CallOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Chain:group(path, options) end
---@param existing cairn.path
---@param new cairn.path
---@param options? cairn.LinkOptions|cairn.CallOptions
---@return true? ok
---@return boolean|string made or message
---@return cairn.code? code
function Chain:link(existing, new, options) end
---@param path cairn.path
---@param options? cairn.DeleteOptions|cairn.CallOptions
---@return true? ok
---@return string? message
---@return cairn.code? code
function Chain:delete(path, options) end
---@return true? ok
---@return string? message
---@return cairn.code? code
function Chain:reset() end
---@return true? ok
---@return string? message
---@return cairn.code? code
function Chain:sync() end

--- A narrower chain: the members for which the function says true.
---@param predicate fun(member: cairn.MemberInfo): boolean
---@return cairn.Chain
function Chain:filter(predicate) end
--- ... of these scopes.
---@param ... "local"|"remote"|"cluster"
---@return cairn.Chain
function Chain:scope(...) end
--- ... in another order: scopes, the preferred first, or a score for each (the highest first;
--- a scope without one has 0). Members of equal score keep their order.
---@param preference ("local"|"remote"|"cluster")[]|table<string, number>
---@return cairn.Chain
function Chain:sort(preference) end

---@class cairn.MemberInfo
---@field name string
---@field url string
---@field backend string
---@field scope "local"|"remote"|"cluster"
---@field read boolean
---@field write boolean
---@field tier boolean
---@field failing boolean kept out at the moment
---@field failures integer in a row
---@field latency_us integer
---@field counts table<string, integer> asked, found, missed, failed, timed_out, kept_out, promoted, written

---@return cairn.MemberInfo[]
function Chain:members() end
--- Waits for calls that were left behind after their deadline.
function Chain:close() end

-- -- The cache ---------------------------------------------------------------------------

---@class cairn.CacheOptions
---@field store? cairn.Store|cairn.Chain|string|cairn.StoreOptions default: cairn.open()
---@field stores? (cairn.ChainMember|cairn.Store|string)[] instead of `store`: a chain of these
---@field policies? cairn.Policies|string|false who decides: an object, a directory over the shipped policies, false: nobody but the engine's defaults. Default: the shipped policies with the user's over them
---@field cache_control? string[]|string the node's own directives; nil: no opinion
---@field hashpath? "ignore"|"sha-256-chain"|"accumulate-256" "ignore": results are never kept
---@field ids? "safe"|"reference"
---@field heuristics? boolean default true: what the base has as a key of its own is not looked up
---@field store_scope? "local"|"remote"|"cluster"|string[] where to look up; default "local"
---@field budget? integer bytes that results may take; more are evicted
---@field queue? integer bytes of async writes under way before callers wait; default 16 MiB
---@field clock? cairn.Clock

--- Bytes and messages under their hashes, results under what they were computed from.
---@param options? cairn.CacheOptions
---@return cairn.Cache? cache
---@return string? message
---@return cairn.code? code
function cairn.cache(options) end

---@class cairn.Cache
---@field policies cairn.Policies|false
---@field chain cairn.Chain
local Cache = {}

---@class cairn.MessageWriteOptions: cairn.CallOptions
---@field sync? boolean

--- Writes a message; equal bytes and nested messages are kept once. Returns the id it goes by:
--- of its content, or made of its commitments. All its ids can be read.
---@param message cairn.message
---@param options? cairn.MessageWriteOptions
---@return string? id
---@return string? message
---@return cairn.code? code
function Cache:write(message, options) end

---@class cairn.MessageReadOptions: cairn.CallOptions
---@field verify? boolean `unverified` unless it has the id it was read by
---@field stored? boolean the stored form

--- What is at an id or a path: a message with its nested ones, or a string. Types are a whole
--- message's: at a path into one (`id .. "/year"`) is the key as it is stored, the string "2026"
--- where the message read by its id has the integer.
---@param path cairn.path
---@param options? cairn.MessageReadOptions
---@return cairn.message|string|nil value
---@return string? message
---@return cairn.code? code
function Cache:read(path, options) end

--- Bytes at `data/<hash>`, which is returned.
---@param bytes string
---@param options? cairn.MessageWriteOptions
---@return string? path
---@return string? message
---@return cairn.code? code
function Cache:write_binary(bytes, options) end

--- Keeps a value as the result at a hashpath that does not age. Returns where the value is: an
--- id, or `data/<hash>`.
---@param hashpath string
---@param value cairn.message|string
---@return string? path
---@return string? message
---@return cairn.code? code
function Cache:write_hashpath(hashpath, value) end

--- The fresh result of a request on a base; each an id (or hashpath) or a message. A request that
--- is a string may also be the first segment of a path: `cache:read_resolved(base, "key")`.
---@param base cairn.message|string
---@param request cairn.message|string
---@param options? cairn.MessageReadOptions
---@return cairn.message|string|nil value
---@return string? message
---@return cairn.code? code
function Cache:read_resolved(base, request, options) end

---@param existing cairn.path
---@param new cairn.path
---@return true? ok
---@return boolean|string made or message
---@return cairn.code? code
function Cache:link(existing, new) end

--- The keys of a message, or the names in a group, in byte order; results beneath it are none.
---@param path? cairn.path
---@return string[]? names
---@return string? message
---@return cairn.code? code
function Cache:list(path) end

--- The names in a group that are whole numbers, as numbers, in order.
---@param path cairn.path
---@return integer[]? numbers
---@return string? message
---@return cairn.code? code
function Cache:list_numbered(path) end

---@param message cairn.message|string
---@return string? id
---@return string? message
---@return cairn.code? code
function Cache:id(message) end

--- Reads what is at `id` and checks that it has that id, and its commitments.
---@param id string
---@return true? ok
---@return string? message
---@return cairn.code? code
function Cache:verify(id) end

---@class cairn.ResolveOptions: cairn.CallOptions
---@field cache_control? string[]|string the caller's directives, before the request's own
---@field node_cache_control? string[]|string instead of the cache's own
---@field coalesce? boolean default true; false: computes, whoever computes the same already
---@field max_waiters? integer who may wait for the computation of another one; beyond: `limit`; default 65,536

---@class cairn.ResolveInfo
---@field cache "hit"|"miss"|"bypass"|"stale"
---@field status integer 200; 404 and 504 for failures of that kind
---@field cache_status string an RFC 9211 field value: `cairn; hit; ttl=30`
---@field hashpath string
---@field store? string the member that answered a hit
---@field stored boolean
---@field age? integer ms
---@field fresh_for? integer ms; negative: stale for so long; nil: does not age, or has just been computed
---@field revalidate boolean it will be computed afresh by `cache:revalidate()`
---@field coalesced? true it waited for the computation of another call

--- Look up, else compute, else store, as the policy `cache_control` says. `compute(base, request)`
--- is given the messages (read by id, if ids were given) and returns a message or a string, or
--- nil, message, code. What it raises is raised. With only-if-cached, or without `compute`, a miss
--- is `not_found`, and `info.status` 504.
---
--- Of all who would compute the same at the same time, in whatever threads, one does; the others
--- wait and get its answer, or its failure. They do so whether or not they look up and keep, and
--- whether it is kept is as the one who computes says. In a worker `compute` may wait, and waiting
--- for another's computation suspends the worker; elsewhere it blocks, up to `timeout`. If
--- `compute` raises or its worker ends, those who wait get `leader_died`; if it asks for its own
--- result, over whatever others, it gets `infinite_recursion`.
---@param base cairn.message|string
---@param request cairn.message|string
---@param compute? fun(base: cairn.message, request: cairn.message): cairn.message|string|nil, string?, string?
---@param options? cairn.ResolveOptions
---@return cairn.message|string|nil answer
---@return cairn.ResolveInfo|string info or message
---@return cairn.code? code
---@return cairn.ResolveInfo? info of a failure
function Cache:resolve(base, request, compute, options) end

--- Computes afresh what was answered stale since, at most `most` of it. Call it when there is time:
--- after an answer was sent, in a loop's idle moment. A worker does so by itself, after it has
--- answered its request. Returns how many were computed and how many failed.
---@param most? integer
---@return integer done
---@return integer failed
function Cache:revalidate(most) end

---@class cairn.Purge one of path, prefix, tag
---@field path? string a hashpath
---@field prefix? string of hashpaths: a base
---@field tag? string
---@field soft? boolean stale from now on instead of gone

---@param what cairn.Purge
---@return integer? count
---@return string? message
---@return cairn.code? code
function Cache:purge(what) end

--- Removes a message and everything kept beneath it.
---@param id string
---@return true? ok
---@return string? message
---@return cairn.code? code
function Cache:delete(id) end

--- Removes large values that were parts of messages and that nothing refers to any more.
---@return { kept: integer, removed: integer, removed_bytes: integer }? result
---@return string? message
---@return cairn.code? code
function Cache:sweep() end

--- Evicts results by the policy's score until they take no more than so many bytes.
---@param budget integer bytes
---@return integer? evicted
---@return string? message
---@return cairn.code? code
function Cache:trim(budget) end

--- Waits for async writes. If some were lost since the last flush: nil, why the first was, its
--- code, and how many.
---@return true? ok
---@return string? message
---@return cairn.code? code
---@return integer? lost
function Cache:flush() end

--- Counters: hits, misses, bypasses, stale, stored, refused, purged, evicted, computed,
--- compute_failed, coalesced (waited for another's computation), queued, lost, result_bytes (0 until they were counted: by the first write
--- where there is a budget, by `trim`).
---@return table<string, integer>
function Cache:stats() end
function Cache:close() end

-- -- Policies ----------------------------------------------------------------------------

---@class cairn.PoliciesOptions
---@field directory? string the user's policies, over the shipped ones file by file; default: `policies` in cairn.conf.lua, else $XDG_CONFIG_HOME/cairn/policies
---@field use? table<string, string> which policy answers a question: `{ chain = "tiered" }`; default: the one named like the question
---@field watch? boolean default true: changed files are loaded by themselves
---@field steps? integer instructions a decision of a file may take (those of shipped policies, which are known to end, are not counted); default 100,000
---@field memory? integer bytes a policy may hold; default 1 MiB
---@field wall? integer ms a decision may take; default 50
---@field remember? boolean default true: give decisions again for equal facts
---@field clock? cairn.Clock
---@field log? fun(line: string) told what has happened, whenever a method of this object is called (besides the directory's log)

--- The policies of this process: loaded, checked, watched. All objects of one directory and
--- settings share one host, whatever Lua state they are in.
---@param options? cairn.PoliciesOptions
---@return cairn.Policies? policies
---@return string? message
---@return cairn.code? code
function cairn.policies(options) end

---@class cairn.Policies
local Policies = {}

---@class cairn.PolicyInfo
---@field name string "cache_control"
---@field question? "cache_control"|"chain"|"eviction"
---@field version? string the first 12 characters of its content hash; nil: none was ever taken
---@field origin string the file, or "shipped"
---@field since integer ms
---@field deciding boolean it answers its question at the moment
---@field calls integer
---@field remembered integer
---@field no_opinion integer
---@field errors integer
---@field breaches integer
---@field problem? string why the file as it is now is not used: `file:line: reason`
---@field canary? { version: string, share: number, calls: integer, errors: integer, returned: string? }

---@return cairn.PolicyInfo[]
function Policies:list() end

--- The source of a version (default: the one in use), and its version.
---@param name string
---@param version? string a prefix will do
---@return string? source
---@return string version_or_message
---@return cairn.code? code
function Policies:show(name, version) end

---@class cairn.PolicyVersion
---@field version string
---@field saved integer ms
---@field current boolean

--- The versions kept, newest first.
---@param name string
---@return cairn.PolicyVersion[]? versions
---@return string? message
---@return cairn.code? code
function Policies:versions(name) end

--- Unified difference between two versions (default: the one before, the one in use).
---@param name string
---@param from? string
---@param to? string
---@return string? difference
---@return string? message
---@return cairn.code? code
function Policies:diff(name, from, to) end

--- Writes an earlier version (default: the one before) over the user's file; it decides from then on.
---@param name string
---@param version? string
---@return string? version
---@return string? message
---@return cairn.code? code
function Policies:rollback(name, version) end

--- Loads the files now, instead of when they are seen to change. `policy_error` says why one was not taken.
---@param name? string default: all
---@return true? ok
---@return string? message
---@return cairn.code? code
function Policies:reload(name) end

---@class cairn.PolicyTest
---@field name string
---@field ok boolean
---@field message? string

--- Runs a policy's examples (a name, or a file that is not in use).
---@param what string
---@return cairn.PolicyTest[]? results
---@return string? message
---@return cairn.code? code
function Policies:test(what) end

--- Writes every decision from now on to a file, one JSON object a line; nil stops.
---@param file string?
---@return true? ok
---@return string? message
---@return cairn.code? code
function Policies:trace(file) end

---@class cairn.TryReport
---@field question string what the candidate answers
---@field decisions integer
---@field different integer
---@field differences { line: integer, facts: table, was: table, would_be: table|string }[] the first hundred
---@field live table<string, integer> hits (`stale` of them no longer fresh), misses, bypasses, stored, stored_bytes, hit_bytes: of the calls gone through again with a cache that begins empty; stores_asked
---@field candidate table<string, integer>
---@field errors integer decisions at which the candidate failed
---@field dropped integer decisions that the trace says it lacks

--- Replays a trace on a candidate and on the policy in use.
---@param file string the candidate
---@param trace string
---@return cairn.TryReport? report
---@return string? message
---@return cairn.code? code
function Policies:try(file, trace) end

---@class cairn.CanaryOptions
---@field share? number of calls, 0 to 1; default 0.1
---@field max_errors? number share of the candidate's calls that may fail; default 0.01
---@field min_calls? integer before that is judged; default 20

--- Lets a candidate decide a share of the calls. It is given up by itself when its errors and
--- breaches pass the bound.
---@param name string
---@param file string
---@param options? cairn.CanaryOptions
---@return string? version
---@return string? message
---@return cairn.code? code
function Policies:canary(name, file, options) end

--- The candidate becomes the policy: written over the user's file.
---@param name string
---@return string? version
---@return string? message
---@return cairn.code? code
function Policies:promote(name) end

--- Ends the trial.
---@param name string
---@return true? ok
---@return string? message
---@return cairn.code? code
function Policies:abandon(name) end

--- What a policy would decide: `policies:decide("cache_control", { moment = "lookup", request = "no-cache" })`. The decision as
--- the engine would obey it, and who decided.
---@param question string
---@param context table
---@return table? decision
---@return cairn.Step|string step or message
---@return cairn.code? code
function Policies:decide(question, context) end

--- Reports since the process began, the newest last: "loaded", "refused", "removed" (files), "error",
--- "breach" (decisions: the 1st, 2nd, 4th, 8th ... of a version), "canary", "returned", "promoted", "abandoned" (trials),
--- "not_kept", "unreadable", "polled" (the directory). Of more than 1,024 the newest.
---@return { time: integer, policy: string, version?: string, event: string, message?: string }[]
function Policies:events() end
function Policies:close() end

return cairn
