-- How the group's books name an entry.
--
-- A part of other scripts.

-- An id is unique only within its stream, so the stream's name goes with it; padding makes names
-- of equal score sort by age. The same as `member` in relay/contract/keys.py.
local function padded(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function member(id, name)
  return padded(id) .. '|' .. name
end

-- Gives the error of the first key that is of another type than wanted, if there is one.
local function wrong_type(wanted)
  for index, kind in ipairs(wanted) do
    local found = redis.call('TYPE', KEYS[index])['ok']
    if found ~= kind and found ~= 'none' then
      return redis.error_reply('WRONGTYPE ' .. KEYS[index] .. ' is not a ' .. kind)
    end
  end
end
