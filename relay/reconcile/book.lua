-- Writes what the last comparison of an endpoint with its sender's log came to.
--
-- KEYS  1 hash: name -> number
-- ARGV  1 for how many ms it is kept, then names and numbers in turn
-- Returns 1.
-- Cost: one HSET and one PEXPIRE.

for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
