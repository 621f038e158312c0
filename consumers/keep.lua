-- Renews a lease, or gives it back, if it is still its holder's.
--
-- KEYS  1 lease
-- ARGV  1 holder, 2 for how long, in ms; 0 gives it back
-- Returns 1, or 0 where the lease has ended or is another's, and then nothing is written.
-- Cost: one GET and one PEXPIRE or DEL, which a full server accepts.

-- Of another type it is nobody's.
local holder = redis.pcall('GET', KEYS[1])
if holder ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('DEL', KEYS[1])
