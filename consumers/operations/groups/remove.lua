-- Takes a group off a stream, a page of what is pending at a time.
--
-- KEYS  1 stream, 2 the group's stream of what it is given again of that type
-- ARGV  1 group, 2 how many entries at most
-- Returns how many entries it let go; or -1 where the group is gone, with this call or before, and
-- with it what it was given again.
-- Cost: one XPENDING of a page and one XACK of as many; at the end one XGROUP DESTROY, which costs
-- nothing any more then but for the consumers' names, and one UNLINK.
--
-- XGROUP DESTROY alone would keep the server for as long as it takes to free every pending entry.
-- What it is given again goes in the same step: a replay that is under way gives no more to a group
-- that the stream has not got, and what it gave until then would be left.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'stream' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a stream')
end
local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[2])
if rows.err then
  redis.call('UNLINK', KEYS[2])
  return -1
end
if #rows == 0 then
  -- A full server before 7.0 refuses XGROUP. XACK, of what cannot be pending, is not refused, and
  -- once a script has written, the rest of it passes.
  redis.call('XACK', KEYS[1], ARGV[1], '0-0')
  redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
  redis.call('UNLINK', KEYS[2])
  return -1
end
local ids = {}
for index, row in ipairs(rows) do ids[index] = row[1] end
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
return #ids
