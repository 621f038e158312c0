-- Writes what speaks against an entry, while it is in its holder's hands.
--
-- KEYS  1 stream, 2 hash of strikes
-- ARGV  1 group, 2 consumer that holds the entry, 3 entry id, 4 its name in the books,
--       5 "<takeovers> <strikes>"
-- Returns 1; or 0 where the entry is not pending under the consumer (any more), or deleted.
-- Cost: one XPENDING, XRANGE of the entry, XCLAIM and HSET.
--
-- The value is a whole one and no step of a count, so that it may be sent twice. The first write
-- is XCLAIM, which a full server accepts; a wrong type is found before that.

for index, wanted in ipairs({ 'stream', 'hash' }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if held.err or #held == 0 then return 0 end

if #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) == 0 then
  -- Deleted from the stream; servers before 7.0 leave such ids pending, whoever claims them.
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[2], ARGV[4])
  return 0
end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
return 1
