-- Takes the next entries out of one of the store's lanes, for the stream's owner only.
--
-- KEYS  1 stream, 2 hash of the owner, 3 sorted set of what waits in lanes,
--       4 sorted set of due times, 5 hash of histories, 6 hash of strikes
-- ARGV  1 group, 2 consumer, 3 its fencing number, 4 the lane, 5 the stream's type,
--       6 how many entries at most
-- Returns  1 in how many ms the lane's first entry is due, or 0 where none waits for a time,
--          2 whether the lane holds more, 3 the entries taken: for each XCLAIM's reply, its
--          history and its suspicion. Or 0 where the caller is not the owner (any more).
-- Cost: per entry one XPENDING and XCLAIM, two HGET and two ZREM.
--
-- A parked entry is taken alone: if it fails again, what is behind it has not moved. An entry that
-- is not pending any more was settled, or deleted: what the books have of it goes.
-- A wrong type is found before the first write.

if not is_owner(KEYS[2], ARGV[2], ARGV[3]) then return 0 end
for index, wanted in pairs({ [3] = 'zset', [4] = 'zset', [5] = 'hash' }) do
  local found = redis.call('TYPE', KEYS[index])['ok']
  if found ~= wanted and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. wanted)
  end
end
local group, consumer, kind = ARGV[1], ARGV[2], ARGV[5]
local from, to = '[' .. ARGV[4] .. '|', '(' .. ARGV[4] .. '}'
local most = tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local wait, taken = 0, {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], from, to, 'LIMIT', 0, most)) do
  local padded = string.match(member, '|(.+)$')
  local ms, seq = string.match(padded, '^0*(%d+)%-0*(%d+)$')
  local id, name = ms .. '-' .. seq, padded .. '|' .. kind
  local held = redis.pcall('XPENDING', KEYS[1], group, id, id, 1)
  local parked = not held.err and #held > 0 and held[1][2] == '@park'
  if parked then
    wait = math.max(0, tonumber(redis.call('ZSCORE', KEYS[4], name) or 0) - now)
    if wait > 0 or #taken > 0 then break end
  end
  redis.call('ZREM', KEYS[3], member)
  -- Servers before 7.0 leave the ids of deleted entries pending.
  local entry = not held.err and #held > 0
    and redis.call('XCLAIM', KEYS[1], group, consumer, 0, id)[1]
  if not entry or parked then redis.call('ZREM', KEYS[4], name) end
  if entry then
    local history = redis.call('HGET', KEYS[5], name)
    -- A book of a wrong type convicts nobody: what it should hold is refused where it is written.
    local strikes = redis.pcall('HGET', KEYS[6], name)
    taken[#taken + 1] = { entry, history, type(strikes) == 'string' and strikes }
    if parked then break end
  else
    redis.pcall('XACK', KEYS[1], group, id)
    redis.call('HDEL', KEYS[5], name)
    redis.pcall('HDEL', KEYS[6], name)
  end
end
local more = #redis.call('ZRANGEBYLEX', KEYS[3], from, to, 'LIMIT', 0, 1)
return { wait, more, taken }
