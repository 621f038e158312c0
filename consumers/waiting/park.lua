-- Parks an entry: it stays pending, under the consumer "@park", until it is due.
--
-- KEYS  1 stream, 2 sorted set of due times, 3 hash of histories; in an ordered stream also
--       4 hash of the owner, 5 sorted set of what waits in lanes
-- ARGV  1 group, 2 consumer that holds the entry, 3 entry id, 4 its name in the books,
--       5 delay in ms, 6 its history as JSON, or "" to leave that as it is; in an ordered stream
--       also 7 the consumer's fencing number, 8 the entry's name in the lanes
-- Returns 1; or 0 where the entry is not pending under the consumer (any more), or the consumer
-- not the stream's owner, and then nothing is written.
-- Cost: one XPENDING, XCLAIM, ZADD and HSET; all O(log n).
--
-- The first write is XCLAIM, which a full server accepts; what follows in the script passes too.
-- A wrong type is found before that, so the script never stops half-way.

if #KEYS > 3 and not is_owner(KEYS[4], ARGV[2], ARGV[7]) then return 0 end
for index, wanted in pairs({ 'stream', 'zset', 'hash', [5] = #KEYS > 3 and 'zset' or nil }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if held.err or #held == 0 then return 0 end

redis.call('XCLAIM', KEYS[1], ARGV[1], '@park', 0, ARGV[3], 'JUSTID')
local now = redis.call('TIME')
local due = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ARGV[5])
redis.call('ZADD', KEYS[2], due, ARGV[4])
-- What is read after it must wait behind it.
if #KEYS > 3 then redis.call('ZADD', KEYS[5], 0, ARGV[8]) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], ARGV[4], ARGV[6]) end
return 1
