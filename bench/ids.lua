-- Gives the field "id" of a page of a stream's entries.
--
-- KEYS  1  the stream
-- ARGV  1  where the page begins, as XRANGE takes it
--       2  how many entries it has at most
--
-- Returns the last entry's id, or an empty string, and the list of values, an empty one for an
-- entry without the field.
--
-- Cost: one XRANGE; nothing is written.

local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local ids, last = {}, ''
for i, entry in ipairs(page) do
  last, ids[i] = entry[1], ''
  for f = 1, #entry[2], 2 do
    if entry[2][f] == 'id' then ids[i] = entry[2][f + 1] end
  end
end
return { last, ids }
