---@meta cairn.policies
-- What a policy script is given and what it returns, for editors and the type checker. Nothing
-- here runs. policies/README.md is the guide.

--- A policy is a file that returns one of these.
---@class cairn.PolicyModule
---@field question "cache_control"|"chain"|"eviction" what it answers
---@field decide fun(context: table): table? pure: reads nothing but the context. nil: no opinion, the next one decides
---@field examples cairn.PolicyExample[] tried before the file is taken; at least one

---@class cairn.PolicyExample
---@field name string
---@field context table facts; those left out are as in an ordinary call
---@field decision table|false fields that the decision must have, with these values; false: it has no opinion

-- -- cache_control ------------------------------------------------------------------------

--- Directives of one party: `{ ["no-store"] = true, ["max-age"] = 60, ["private"] = "set-cookie" }`. Names in
--- lower case; an argument of digits is an integer, at most 2^53 (of two, the first counts); none is `true`.
---@alias cairn.Directives table<string, true|integer|string>

---@class cairn.CacheContext
---@field moment "lookup"|"stale"|"error"|"store" what is to be decided
---@field node? cairn.Directives the node's options; nil: no opinion
---@field result? cairn.Directives carried by the result; nil before there is one
---@field request? cairn.Directives
---@field hashpath? "ignore" the node keeps no results
--- Volatile: a decision that looked at one of these is not remembered for equal facts.
---@field now integer ms
---@field base string first part of the hashpath
---@field path string second part: the request's id or path
---@field asked table<string, string> the request's keys whose values are bytes up to 1 KiB
---@field answer table<string, string> those of the result; {} for bytes
---@field size integer bytes of the answer (store)
---@field cost integer ms that computing it took (store)
---@field kept cairn.Kept (stale, error)
---@field failure string code of the failure (error)

--- A result that was kept, as it is now. Times in ms; nil: without end.
---@class cairn.Kept
---@field age integer
---@field stale_for integer since it is no longer fresh; negative: still fresh
---@field while_revalidate integer it may be served so long after that, while it is computed afresh
---@field if_error integer ... if that fails
---@field must_revalidate boolean
---@field size integer bytes
---@field cost integer
---@field priority number

--- All optional; what is missing is false, 0 or without bound.
---@class cairn.CacheDecision
---@field lookup? boolean lookup
---@field only_if_cached? boolean lookup
---@field accept? { max_age?: integer, min_fresh?: integer, max_stale?: integer|true } lookup: ms
---@field serve? boolean stale, error: answer with what is there
---@field revalidate? boolean stale: serve, and compute afresh behind
---@field store? boolean store
---@field fresh_for? integer store: ms; nil: it does not age
---@field while_revalidate? integer store: ms
---@field if_error? integer store: ms
---@field must_revalidate? boolean store
---@field async? boolean store: the caller does not wait
---@field sync? boolean store: on stable storage first
---@field tags? string[] store: for purge
---@field priority? number store: for eviction
---@field cacheable? boolean false: not to be remembered for equal facts
---@field reason? string for explanations; the first 63 bytes

-- -- chain ----------------------------------------------------------------------------------

---@class cairn.ChainContext
---@field action "read"|"write"
---@field operation string "read", "type", "list", "write", "link", "group", "delete", ...
---@field stores cairn.ChainStore[] in the order in which they were configured
--- Volatile:
---@field path string
---@field size integer bytes written
---@field now integer ms
---@field health table<string, { failures: integer, latency: number }> by name; latency in ms

---@class cairn.ChainStore
---@field name string
---@field backend string
---@field scope "local"|"remote"|"cluster"
---@field read boolean may be read
---@field write boolean may be written
---@field tier boolean a cache in front of the others
---@field failing boolean kept out at the moment

---@class cairn.ChainDecision
---@field order string[] names: who is asked or written, in this order
---@field race? integer read: the first so many are asked at once
---@field need? integer write: all are written and so many must accept; nil: the first that accepts
---@field promote? string[]|boolean read: who gets what a later one answered; true: the tiers
---@field promote_max? integer bytes
---@field promote_for? integer ms after which it is gone from there
---@field deadlines? table<string, integer> ms, by name
---@field keep_out? { after: integer, ms: integer } failures in a row, and how long then
---@field cacheable? boolean
---@field reason? string

-- -- eviction --------------------------------------------------------------------------------

---@class cairn.EvictionContext all volatile
---@field now integer
---@field used integer bytes that results take
---@field budget integer
---@field base string
---@field path string
---@field kept cairn.Kept
---@field idle? integer ms since it was last answered with; nil: not since the process began
---@field hits integer
---@field tags string[]

---@class cairn.EvictionDecision
---@field score? number the lowest goes first
---@field keep? boolean
---@field reason? string
