-- Moves an entry to its group's dead letters, in one step.
--
-- KEYS  1 stream, 2 stream of dead letters, 3 hash of histories, 4 hash of strikes
-- ARGV  1 group, 2 consumer that holds the entry, 3 entry id, 4 its name in the books,
--       5 how many dead letters are kept, 6 for how many ms after the last, then the names and
--       values of the dead letter
-- Returns 1 the dead letter's id, and 2 how many of the oldest were lost for it; or false where the
-- entry is not pending under the consumer (any more), and then nothing is written.
-- Cost: one XPENDING, XCLAIM, XADD, PEXPIRE and XACK, two XLEN and HDEL.
--
-- XADD alone would be refused by a full server. XCLAIM is not, and once a script has written, the
-- rest of it passes. A wrong type is found before the first write.

for index, wanted in ipairs({ 'stream', 'stream', 'hash' }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if held.err or #held == 0 then return false end

redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
local before = redis.call('XLEN', KEYS[2])
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 7))
local lost = before + 1 - redis.call('XLEN', KEYS[2])
-- What a group leaves that nobody runs any more ends by itself.
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[4])
-- A book of a wrong type holds nothing against the entry, and must not keep it from its end.
redis.pcall('HDEL', KEYS[4], ARGV[4])
return { id, lost }
