-- Moves an entry that waits long out of its stream, in one step, so that it pins nothing there.
--
-- Part two of two, after member.lua.
--
-- KEYS  1 stream, 2 stream of what waits long, 3 sorted set of their due times,
--       4 hash of histories, 5 hash of strikes
-- ARGV  1 group, 2 consumer that holds the entry, 3 entry id, 4 its name in the books,
--       5 its type, 6 delay in ms, 7 its history as JSON, 8 the id that it had at first
-- Returns "moved"; "gone" where the entry was deleted from its stream, and then it is settled;
--       "large" where it has more fields than a script can write, or "late" where it is not
--       pending under the consumer (any more), and in both cases nothing is written.
-- Cost: one XPENDING, XRANGE of one entry, XCLAIM, XADD, ZADD, XACK and two HDEL.
--
-- The entry is taken from the stream and not from the consumer, which has read it as pairs. What
-- is needed to bring it back is added behind its own fields, so that the sorted set can be made
-- again from the stream. XCLAIM comes first because a full server accepts it, and once a script
-- has written, the rest of it passes.

-- Lua's stack holds eight thousand values.
local MOST_VALUES = 7900

local problem = wrong_type({ 'stream', 'stream', 'zset', 'hash', 'hash' })
if problem then return problem end

local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if held.err or #held == 0 then return 'late' end

local function settle(answer)
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[4], ARGV[4])
  redis.call('HDEL', KEYS[5], ARGV[4])
  return answer
end

local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if not entry then return settle('gone') end
local fields = {}
for i = 1, #entry[2], 2 do
  -- A copy of a copy still tells where the first one stood.
  if entry[2][i] ~= 'entryid' then
    fields[#fields + 1], fields[#fields + 2] = entry[2][i], entry[2][i + 1]
  end
end
if #fields > MOST_VALUES then return 'large' end

redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
local now = redis.call('TIME')
local due = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ARGV[6])
local told = {
  'entryid', ARGV[8], '@type', ARGV[5], '@due', string.format('%.0f', due), '@history', ARGV[7],
}
for _, part in ipairs(told) do fields[#fields + 1] = part end
local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('ZADD', KEYS[3], due, member(id, ARGV[5]))
return settle('moved')
