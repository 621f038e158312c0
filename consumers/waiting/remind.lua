-- Gives a due time to entries that wait long and have lost theirs.
--
-- Part two of two, after member.lua.
--
-- KEYS  1 stream of what waits long, 2 sorted set of their due times
-- ARGV  1 the id to begin behind, 2 how many entries to look at
-- Returns  1 the id to go on behind, or "" at the end, and 2 how many due times were missing.
-- Cost: one XRANGE of so many entries, and one ZSCORE for each.

local problem = wrong_type({ 'stream', 'zset' })
if problem then return problem end

local function kept(flat)
  if flat[#flat - 1] == '@history' then return flat[#flat - 4], flat[#flat - 2] end
  for i = 1, #flat, 2 do
    if flat[i] == 'type' then return flat[i + 1], 0 end
  end
  return 'unidentified', 0
end

local page = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
local last, missing = '', 0
for _, entry in ipairs(page) do
  last = entry[1]
  local name, due = kept(entry[2])
  if not redis.call('ZSCORE', KEYS[2], member(last, name)) then
    -- ZADD alone would be refused by a full server; ZREM, of what nobody is called, is not.
    redis.call('ZREM', KEYS[2], '@')
    redis.call('ZADD', KEYS[2], due, member(last, name))
    missing = missing + 1
  end
end
if #page < tonumber(ARGV[2]) then last = '' end
return { last, missing }
