-- How scripts walk through dead letters: up to a bound in number and in bytes, since a body may be
-- long, and a page of them would keep the server for long.
--
-- A part of other scripts, before them.

-- What comes next may be a thousand times as large as what came before: sixty-four bodies of 1 MiB
-- would keep the server for a third of a second.
local MOST_AT_ONCE = 4
-- Nothing can stand behind it, and a server refuses to look there.
local LAST_ID = '18446744073709551615-18446744073709551615'

local function wrong_type()
  local found = redis.call('TYPE', KEYS[1])['ok']
  if found ~= 'stream' and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a stream')
  end
end

-- Hands each letter's id and fields to `take`, which gives the letter's bytes, and gives the last
-- letter's id, "" where nothing is behind it.
local function walk(command, from, to, most, enough_bytes, take)
  -- One at first: nobody knows yet how large they are.
  local count, seen, bytes, last = 1, 0, 0, ''
  while seen < most and bytes < enough_bytes do
    count = math.min(count, most - seen)
    local page = redis.call(command, KEYS[1], from, to, 'COUNT', count)
    for _, entry in ipairs(page) do
      last = entry[1]
      bytes = bytes + take(last, entry[2])
    end
    if #page < count or (command == 'XRANGE' and last == LAST_ID) then return '' end
    seen, from = seen + #page, '(' .. last
    local fitting = math.floor((enough_bytes - bytes) / (bytes / seen + 1))
    count = math.max(1, math.min(fitting, MOST_AT_ONCE))
  end
  return last
end

local function size_of(flat)
  local bytes = 0
  for i = 1, #flat do bytes = bytes + #flat[i] end
  return bytes
end

-- Gives what is told of a letter: its id, its bytes, how many fields it has, and those of the
-- wanted ones that it has, name and value in turn; a body is empty.
local function told(id, size, flat, wanted)
  local kept = {}
  for i = 1, #flat, 2 do
    local name = flat[i]
    if wanted[name] then
      kept[#kept + 1] = name
      kept[#kept + 1] = name == 'data' and '' or flat[i + 1]
    end
  end
  return { id, size, #flat / 2, kept }
end

-- Gives the names that begin with an argument, as a set.
local function names_from(first)
  local names = {}
  for i = first, #ARGV do names[ARGV[i]] = true end
  return names
end
