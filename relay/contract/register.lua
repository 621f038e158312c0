-- Registers a stream, if it exists and its type is not registered already.
--
-- KEYS  1  hash of the tag's streams: type -> "<number> <first entry id>"
--       2  the stream
-- ARGV  1  the type
--
-- Returns 1 if the type was registered by this, else 0.
--
-- The number is one that no type of the tag has. The first id is that of the first entry still
-- there: of older ones it is not known whether this stream held them, and an event that is
-- appended again does less harm than one that is taken for a duplicate of nothing.
--
-- Cost: one HVALS, one XRANGE of one entry.
--
-- HSET alone would be refused by a full server. HDEL, of a type that cannot be, is not, and once a
-- script has written, the rest of it passes.

if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
local highest = 0
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  highest = math.max(highest, tonumber(string.match(value, '^(%d+) ')) or 0)
end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local id = '0-1'
if first[1] then
  id = first[1][1]
else
  local held = redis.call('XINFO', 'STREAM', KEYS[2])
  for at = 1, #held, 2 do
    if held[at] == 'last-generated-id' then id = held[at + 1] end
  end
end
redis.call('HDEL', KEYS[1], '@')
redis.call('HSET', KEYS[1], ARGV[1], (highest + 1) .. ' ' .. id)
return 1
