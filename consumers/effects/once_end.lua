-- Writes how a step of an event ended.
--
-- KEYS  1 hash of the event's steps
-- ARGV  1 step, 2 token of the try that began it, 3 "done" or "failed", 4 the result of a step
--       that is done, as JSON, 5 how long the steps are kept, in ms
-- Returns 1 if something was written.
-- Cost: one HGET, PTTL, HDEL, HSET and PEXPIRE.
--
-- Done is true whoever says it, also one who has lost the entry meanwhile; the first result stays.
-- Failed is true of this try only: what an earlier one did stays unknown.
-- The first write is HDEL, which a full server accepts.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'hash' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a hash')
end

local value = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if string.sub(value, 1, 5) == 'done ' then return 0 end
if ARGV[3] == 'failed' then
  local token, before = string.match(value, '^started %d+ (%S+) (%S+)$')
  if token ~= ARGV[2] or before ~= 'absent' then return 0 end
  return redis.call('HDEL', KEYS[1], ARGV[1])
end

local keep = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[5]))
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], 'done ' .. now .. ' ' .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], keep)
return 1
