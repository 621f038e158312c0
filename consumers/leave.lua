-- Removes a consumer from a group, unless entries are pending under it: they would be lost.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 consumer
-- Returns 1 if it was removed. The consumer "@left" then says when that was: a group whose last
-- worker has left holds its streams as long as one whose last worker has died.
-- Cost: one XPENDING, two XGROUP DELCONSUMER and one XGROUP CREATECONSUMER.

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if held.err or #held > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
-- Made anew, so that its idle time is the time since somebody left.
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], '@left')
redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], '@left')
return 1
