-- Puts entries into the store's lanes, to wait behind a failed one with the same order key.
--
-- KEYS  1 stream, 2 hash of the owner, 3 sorted set of what waits in lanes
-- ARGV  1 group, 2 consumer, 3 its fencing number, then each entry's id and its name in the lanes
-- Returns how many were put there; an entry that is not pending under the caller (any more) is
-- passed over, so that it may be asked for again. 0 also where the caller is not the owner.
-- Cost: per entry one XPENDING, XCLAIM and ZADD.
--
-- They stay pending, under the consumer "@lane". All have the same score, so a lane's entries,
-- whose names begin with the lane's, lie in the order of their ids.

if not is_owner(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
local found = redis.call('TYPE', KEYS[3])['ok']
if found ~= 'zset' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[3] .. ' is not a sorted set')
end
local put = 0
for i = 4, #ARGV, 2 do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #held > 0 then
    if #redis.call('XCLAIM', KEYS[1], ARGV[1], '@lane', 0, ARGV[i], 'JUSTID') > 0 then
      redis.call('ZADD', KEYS[3], 0, ARGV[i + 1])
      put = put + 1
    end
  end
end
return put
