-- Begins a step of an event, unless it is done.
--
-- KEYS  1 stream, 2 hash of the event's steps
-- ARGV  1 group, 2 consumer that holds the entry, 3 entry id, 4 step, 5 token of this try,
--       6 "run" or "raise": what to do with a step that was begun and not ended,
--       7 how long the steps are kept, in ms
-- Returns what was known before: { "absent" }, { "unknown" }, { "done", its result }; or
-- { "lost" } where the entry is not pending under the consumer (any more).
-- Cost: one XPENDING, HGET, PTTL, HDEL, HSET and PEXPIRE.
--
-- A field holds "started <ms> <token> <what was known before>" or "done <ms> <result>". Sent twice
-- by one try, since the reply was lost, it answers the same.
-- HSET alone would be refused by a full server. HDEL is not, and once a script has written, the
-- rest of it passes. A wrong type is found before that.

for index, wanted in ipairs({ 'stream', 'hash' }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end

local keep = math.max(redis.call('PTTL', KEYS[2]), tonumber(ARGV[7]))
local value = redis.call('HGET', KEYS[2], ARGV[4])
local result = value and string.match(value, '^done %d+ (.*)$')
if result then
  -- Skipping needs no right to the entry.
  redis.call('PEXPIRE', KEYS[2], keep)
  return { 'done', result }
end

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if held.err or #held == 0 then return { 'lost' } end

local before = value and 'unknown' or 'absent'
if value then
  local token, found = string.match(value, '^started %d+ (%S+) (%S+)$')
  if token == ARGV[5] then before = found end
end
if before == 'unknown' and ARGV[6] == 'raise' then
  redis.call('PEXPIRE', KEYS[2], keep)
  return { before }
end

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HDEL', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[4], 'started ' .. now .. ' ' .. ARGV[5] .. ' ' .. before)
redis.call('PEXPIRE', KEYS[2], keep)
return { before }
