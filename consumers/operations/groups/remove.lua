-- Takes a group off a stream, a page of what is pending at a time.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 how many entries at most
-- Returns how many entries it let go; or -1 where the group is gone, with this call or before.
-- Cost: one XPENDING of a page and one XACK of as many; at the end one XGROUP DESTROY, which costs
-- nothing any more then but for the consumers' names.
--
-- XGROUP DESTROY alone would keep the server for as long as it takes to free every pending entry.

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'stream' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a stream')
end
local rows = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[2])
if rows.err then return -1 end
if #rows == 0 then
  -- A full server before 7.0 refuses XGROUP. XACK, of what cannot be pending, is not refused, and
  -- once a script has written, the rest of it passes.
  redis.call('XACK', KEYS[1], ARGV[1], '0-0')
  redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
  return -1
end
local ids = {}
for index, row in ipairs(rows) do ids[index] = row[1] end
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
return #ids
