-- Takes or renews the ownership of an ordered stream.
--
-- KEYS  1 hash: consumer, fence, until
-- ARGV  1 consumer, 2 for how long, in ms, 3 "take", "take_free" or "renew"
-- Returns the fencing number; or 0 where another is the owner, or nobody and only a renewal was
-- asked for. "take" also takes what has run out, "take_free" only what was given up.
-- Cost: one HMGET, HDEL and HSET.
--
-- The number is at least the store's time in µs, so that it rises even where the hash was lost.
-- HSET alone would be refused by a full server. HDEL is not, and once a script has written, the
-- rest of it passes.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'hash' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a hash')
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local owner = redis.call('HMGET', KEYS[1], 'consumer', 'fence', 'until')
local fence = tonumber(owner[2] or 0)

if owner[1] ~= ARGV[1] then
  if ARGV[3] == 'renew' then return 0 end
  if owner[1] and (ARGV[3] == 'take_free' or tonumber(owner[3] or 0) > now) then return 0 end
  fence = math.max(fence + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
end

redis.call('HDEL', KEYS[1], 'until')
local text = string.format('%.0f', fence)
local ends = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'consumer', ARGV[1], 'fence', text, 'until', ends)
return fence
