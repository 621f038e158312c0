-- Goes on holding a lease, or gives it back, if it is still the caller's.
--
-- KEYS  1 lease
-- ARGV  1 who holds it, 2 for how long from now, in ms; "0" gives it back
-- Returns 1 if it was the caller's, else 0 and nothing is written.
-- Cost: one GET, and one PEXPIRE or DEL; a full server refuses neither.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
