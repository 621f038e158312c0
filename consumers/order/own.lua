-- Takes or renews the ownership of an ordered stream.
--
-- KEYS  1 hash: consumer, fence, until, owns; and wanted, reserved
-- ARGV  1 consumer, 2 for how long, in ms, 3 "take", "take_free" or "renew", 4 how many ordered
--       streams the consumer owns, 5 how many others it has been promised
-- Returns  1 the fencing number; or 0 where another is the owner, or nobody and only a renewal was
--          asked for, 2 1 where the stream is promised: to another, or to the caller where that
--          is not the owner.
-- "take" also takes what has run out, "take_free" only what was given up.
-- Cost: one HMGET, HDEL and HSET.
--
-- A consumer that would own at least two streams less than the owner leaves its name in "wanted":
-- it is promised the stream, and what was given up is reserved for it as long as an ownership lasts.
-- The number is at least the store's time in µs, so that it rises even where the hash was lost.
-- HSET alone would be refused by a full server. HDEL is not, and once a script has written, the
-- rest of it passes.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'hash' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a hash')
end
local us, how, owns, promised = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ends = string.format('%.0f', now + tonumber(ARGV[2]))
local book = redis.call('HMGET', KEYS[1], 'consumer', 'fence', 'until', 'owns', 'wanted',
  'reserved')
local owner, fence, wanted = book[1], tonumber(book[2] or 0), book[5]
if tonumber(book[6] or 0) < now then wanted = false end

if owner ~= us then
  local runs_on = owner and (how == 'take_free' or tonumber(book[3] or 0) > now)
  if how == 'renew' then return { 0, 0 } end
  -- What it was promised is still counted by those who own it.
  if runs_on and not wanted and tonumber(book[4] or 0) > owns + 2 * promised + 1 then
    redis.call('HDEL', KEYS[1], 'wanted')
    redis.call('HSET', KEYS[1], 'wanted', us, 'reserved', ends)
    wanted = us
  end
  if runs_on or (wanted and wanted ~= us) then return { 0, wanted == us and 1 or 0 } end
  fence = math.max(fence + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
  wanted = false
  redis.call('HDEL', KEYS[1], 'wanted', 'reserved')
end

redis.call('HDEL', KEYS[1], 'until')
local number = string.format('%.0f', fence)
redis.call('HSET', KEYS[1], 'consumer', us, 'fence', number, 'until', ends, 'owns', owns)
return { fence, wanted and 1 or 0 }
