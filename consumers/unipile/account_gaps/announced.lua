-- Notes in an account's book that the events of some gaps are in their stream.
--
-- KEYS  1 hash of the tag's books: account -> JSON, as fold.lua writes it
-- ARGV  1 account, then of each gap in turn: when it opened, its product (empty for none)
-- Returns how many gaps were noted; those that the book does not know any more are passed over.
-- Cost: one HGET, one HDEL and one HSET.
--
-- Whoever is killed before this announces the gaps again, under the same ids. HDEL comes first
-- for the same reason as in fold.lua.

local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return 0 end
local book, noted, wanted = cjson.decode(text), 0, {}
for i = 2, #ARGV, 2 do wanted[ARGV[i] .. ARGV[i + 1]] = true end
for _, gap in ipairs(book.gaps or {}) do
  if wanted[gap.opened .. (gap.product or '')] and not gap.announced then
    gap.announced, noted = true, noted + 1
  end
end
if noted > 0 then
  redis.call('HDEL', KEYS[1], '')
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(book))
end
return noted
