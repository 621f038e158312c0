-- Writes that something is paused, unless it is already.
--
-- KEYS  1 hash of what is paused
-- ARGV  1 field, 2 value
-- Returns the value that stands there: the given one, or an earlier one, which stays.
-- Cost: one HGET, HDEL and HSET.
--
-- HSET alone would be refused by a full server, which is when somebody may want to pause. HDEL, of
-- a field that cannot be, is not, and once a script has written, the rest of it passes.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'hash' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a hash')
end
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there then return there end
redis.call('HDEL', KEYS[1], '@')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
