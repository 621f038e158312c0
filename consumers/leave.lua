-- Removes a consumer from a group, unless entries are pending under it: they would be lost.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 consumer
-- Returns 1 if it was removed.
-- Cost: one XPENDING and XGROUP DELCONSUMER.

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if held.err or #held > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
