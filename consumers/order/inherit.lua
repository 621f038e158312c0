-- Claims entries of an ordered stream that were pending under a former owner, for its owner only.
--
-- KEYS  1 stream, 2 hash of the owner, 3 hash of histories
-- ARGV  1 group, 2 consumer, 3 its fencing number, 4 "1" to take also what waits under "@park"
--       and "@lane", then each entry's id and its name in the books
-- Returns a list: for each entry that is still pending, XCLAIM's reply for it, and its history;
-- or 0 where the caller is not the owner (any more).
-- Cost: per entry one XPENDING, XCLAIM and HGET.

if not is_owner(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
local group, consumer = ARGV[1], ARGV[2]
local taken = {}
for i = 5, #ARGV, 2 do
  local id = ARGV[i]
  local held = redis.call('XPENDING', KEYS[1], group, id, id, 1)
  if #held > 0 and (ARGV[4] == '1' or string.sub(held[1][2], 1, 1) ~= '@') then
    local entry = redis.call('XCLAIM', KEYS[1], group, consumer, 0, id)[1]
    if entry then
      taken[#taken + 1] = { entry, redis.call('HGET', KEYS[3], ARGV[i + 1]) }
    else
      -- Deleted from the stream; servers before 7.0 leave such ids pending.
      redis.call('XACK', KEYS[1], group, id)
      redis.call('HDEL', KEYS[3], ARGV[i + 1])
    end
  end
end
return taken
