-- Moves entries whose long wait is over into the stream that their group reads again.
--
-- Part three of three, after member.lua and group.lua.
--
-- KEYS  1 stream of what waits long, 2 sorted set of their due times, 3 hash of histories,
--       4 stream of what the group is given again of one type
-- ARGV  1 group, 2 name of that stream in the books, 3 after how many bytes to stop, then the
--       names in the sorted set, all of that type
-- Returns  1 how many names were seen to, 2 how many entries were moved, and 3 whether the group
--       was made, which means that nobody may know of the stream yet.
-- Cost: per name one XRANGE of one entry, XADD, HSET, XDEL and ZREM.
--
-- The new entry is written before the old one is removed. A name whose entry is gone was moved by
-- an earlier call, whose answer may have been lost: nothing of it is left but the due time.

local problem = wrong_type({ 'stream', 'zset', 'hash', 'stream' })
if problem then return problem end

-- XGROUP CREATE would be refused by a full server. XTRIM, which removes nothing here, is not, and
-- once a script has written, the rest of it passes.
redis.call('XTRIM', KEYS[1], 'MINID', '0')

-- Gives what the entry held at first and its history; what was added stands at the end.
local function taken_apart(flat)
  if flat[#flat - 1] ~= '@history' then return flat, '' end
  local history = flat[#flat]
  for _ = 1, 6 do flat[#flat] = nil end
  return flat, history
end

local function move(id)
  -- An id that somebody wrote by hand may be none.
  local found = redis.pcall('XRANGE', KEYS[1], id, id)
  local entry = not found.err and found[1]
  if not entry then return 0, 0 end
  local bytes = 0
  for _, part in ipairs(entry[2]) do bytes = bytes + #part end
  local fields, history = taken_apart(entry[2])
  make_group(KEYS[4], ARGV[1])
  local new = redis.call('XADD', KEYS[4], '*', unpack(fields))
  if history ~= '' then redis.call('HSET', KEYS[3], member(new, ARGV[2]), history) end
  redis.call('XDEL', KEYS[1], id)
  return 1, bytes
end

local seen, moved, bytes = 0, 0, 0
for i = 4, #ARGV do
  local ms, seq = string.match(ARGV[i], '^0*(%d+)%-0*(%d+)|')
  if ms then
    local count, size = move(ms .. '-' .. seq)
    moved, bytes = moved + count, bytes + size
  end
  redis.call('ZREM', KEYS[2], ARGV[i])
  seen = seen + 1
  if bytes > tonumber(ARGV[3]) then break end
end
return { seen, moved, made and 1 or 0 }
