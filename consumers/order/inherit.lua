-- Claims entries of an ordered stream that were pending under a former owner, for its owner only.
--
-- KEYS  1 stream, 2 hash of the owner, 3 hash of histories, 4 hash of strikes, 5 sorted set of due
--       times
-- ARGV  1 group, 2 consumer, 3 its fencing number, 4 "1" to take also what waits under "@park"
--       and "@lane", then each entry's id and its name in the books
-- Returns a list: for each entry that is still pending, XCLAIM's reply for it, its history and its
-- suspicion; or 0 where the caller is not the owner (any more).
-- Cost: per entry one XPENDING, XCLAIM and HSET, two HGET; a ZREM for what was parked.
--
-- Needs member.lua and count.lua before it. A wrong type is found before the first write. What another consumer held is counted as taken over; what waited, and
-- what this one was given without hearing of it, is not.

if not is_owner(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
local problem = wrong_type({ 'stream', 'hash', 'hash', 'hash', 'zset' })
if problem then return problem end
local group, consumer = ARGV[1], ARGV[2]
local taken = {}
for i = 5, #ARGV, 2 do
  local id = ARGV[i]
  local held = redis.call('XPENDING', KEYS[1], group, id, id, 1)
  local waited = #held > 0 and string.sub(held[1][2], 1, 1) == '@'
  if #held > 0 and (ARGV[4] == '1' or not waited) then
    local entry = redis.call('XCLAIM', KEYS[1], group, consumer, 0, id)[1]
    -- It does not wait for its time any more.
    if waited then redis.call('ZREM', KEYS[5], ARGV[i + 1]) end
    if entry then
      local history, suspicion = redis.call('HGET', KEYS[3], ARGV[i + 1]), nil
      if waited or held[1][2] == consumer then
        suspicion = redis.call('HGET', KEYS[4], ARGV[i + 1])
      else
        suspicion = count_takeover(KEYS[4], ARGV[i + 1])
      end
      taken[#taken + 1] = { entry, history, suspicion }
    else
      -- Deleted from the stream; servers before 7.0 leave such ids pending.
      redis.call('XACK', KEYS[1], group, id)
      redis.call('HDEL', KEYS[3], ARGV[i + 1])
      redis.call('HDEL', KEYS[4], ARGV[i + 1])
    end
  end
end
return taken
