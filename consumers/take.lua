-- Takes over one page of what a dead consumer holds. Put behind member.lua and count.lua.
--
-- KEYS  1 stream, 2 hash of histories, 3 hash of strikes
-- ARGV  1 group, 2 consumer that takes, 3 the dead consumer, 4 the stream's name in the books,
--       5 how many ms an entry must be idle, 6 behind which entry id the page begins,
--       7 how many pending entries to look at, 8 how many bytes are enough
-- Returns  1 the last entry id that was looked at, or false where there is none behind the page,
--          and 2 the entries taken: for each XCLAIM's reply, its history and its suspicion
-- Cost: one XPENDING of a page; per entry one XCLAIM, two HGET and one HSET.
--
-- The first write is XCLAIM or XACK, which a full server accepts; the rest passes then. A wrong
-- type is found before that. Sent twice after a lost reply it takes the next page; what it took
-- before is pending under the consumer, whose recovery finds it.

local stream, histories, strikes = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, dead, event_type = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local idle_ms, page, enough = tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[8])

local problem = wrong_type({ 'stream', 'hash', 'hash' })
if problem then return problem end

-- Without IDLE: that would look through all that is not idle yet before it answers.
local rows = redis.pcall('XPENDING', stream, group, ARGV[6], '+', page, dead)
if rows.err then return { false, {} } end

local function size_of(entry)
  local bytes = 0
  for _, part in ipairs(entry[2]) do bytes = bytes + #part end
  return bytes
end

local last, bytes, taken = false, 0, {}
for number, row in ipairs(rows) do
  local id = row[1]
  if row[3] >= idle_ms then
    local name = member(id, event_type)
    -- Its idle time is known; asked for again it could leave out an entry that is still there.
    local entry = redis.call('XCLAIM', stream, group, consumer, 0, id)[1]
    if entry then
      bytes = bytes + size_of(entry)
      local known = redis.call('HGET', histories, name)
      taken[#taken + 1] = { entry, known, count_takeover(strikes, name) }
    else
      -- Deleted from the stream: nothing is left to handle, and some servers leave such ids.
      redis.call('XACK', stream, group, id)
      redis.call('HDEL', histories, name)
      redis.call('HDEL', strikes, name)
    end
  end
  if number == page or bytes >= enough then
    last = id
    break
  end
end
return { last, taken }
