-- Gives dead letters of one type back to their group, in one step.
--
-- Part three of three, after member.lua and group.lua.
--
-- KEYS  1 stream of dead letters, 2 stream of what their group is given again of that type
-- ARGV  1 group, 2 after how many bytes to stop, then the letters' ids
-- Returns  1 for each id that was seen to 1 where the letter was moved, 0 where it is gone, or 2
--          where it has more fields than a script can write and stays, and 2 whether the group was
--          made, which means that nobody may know of the stream yet.
-- Cost: per id one XRANGE of one entry, XADD and XDEL.
--
-- The entry is written before the letter is removed. Sent twice it moves nothing twice: a letter
-- that is gone was moved by the first call. XTRIM, which removes nothing here, comes first because
-- a full server accepts it, and once a script has written, the rest of it passes.

-- Lua's stack holds eight thousand values.
local MOST_VALUES = 7900
-- What setting aside has added stands at the end, in this order.
local ADDED = { entryid = 1, reason = 2, attempts = 3, lasterror = 4, firsterror = 5 }

local problem = wrong_type({ 'stream', 'stream' })
if problem then return problem end

redis.call('XTRIM', KEYS[1], 'MINID', '0')

-- Takes off what was added, but for where the entry stood at first. What the event itself has of
-- the same names stands before it.
local function as_it_was(flat)
  local last, below, origin = #flat, 6, nil
  while last > 0 do
    local place = ADDED[flat[last - 1]]
    if not place or place >= below then break end
    if place == 1 then origin = flat[last] end
    below, last = place, last - 2
  end
  for i = #flat, last + 1, -1 do flat[i] = nil end
  if origin then flat[last + 1], flat[last + 2] = 'entryid', origin end
  return flat
end

local function move(id)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if not entry then return 0, 0 end
  if #entry[2] > MOST_VALUES then return 2, 0 end
  local bytes = 0
  for _, part in ipairs(entry[2]) do bytes = bytes + #part end
  make_group(KEYS[2], ARGV[1])
  redis.call('XADD', KEYS[2], '*', unpack(as_it_was(entry[2])))
  redis.call('XDEL', KEYS[1], id)
  return 1, bytes
end

local answers, bytes = {}, 0
for i = 3, #ARGV do
  local answer, size = move(ARGV[i])
  answers[#answers + 1], bytes = answer, bytes + size
  if bytes > tonumber(ARGV[2]) then break end
end
return { answers, made and 1 or 0 }
