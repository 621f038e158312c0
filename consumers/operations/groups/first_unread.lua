-- Says which entry a group will be given next.
--
-- KEYS  1 stream
-- ARGV  1 the id of the last entry that the group was given
-- Returns the id of the first entry behind it, or false where there is none.
-- Cost: one XRANGE of one entry. Its body, which may be long, stays on the server.

-- Behind the last possible id nothing can stand, and a server refuses to look there.
if ARGV[1] == '18446744073709551615-18446744073709551615' then return false end
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', 1)[1]
return found and found[1]
