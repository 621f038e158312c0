-- Reads one page of dead letters, without their bodies.
--
-- KEYS  1 stream of dead letters
-- ARGV  1 "XRANGE" for the oldest first or "XREVRANGE" for the newest, 2 where the page begins,
--       3 where it has to end, 4 how many letters at most, 5 after how many bytes to stop,
--       then the names of the fields that are wanted
-- Returns  1 the last letter's id, "" where nothing is behind it, and 2 the letters: for each its
--          id, its bytes, how many fields it has, and those of the wanted ones that it has, name
--          and value in turn; a body is empty
-- Cost: one XRANGE for each few letters, as many as likely fit into what is left of the bytes.

-- What comes next may be a thousand times as large as what came before: sixty-four bodies of 1 MiB
-- would keep the server for a third of a second.
local MOST_AT_ONCE = 4

local found = redis.call('TYPE', KEYS[1])['ok']
if found ~= 'stream' and found ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' is not a stream')
end

local command, from, to = ARGV[1], ARGV[2], ARGV[3]
local most, enough_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local wanted = {}
for i = 6, #ARGV do wanted[ARGV[i]] = true end

local letters, seen, bytes = {}, 0, 0

local function take(id, flat)
  local kept, size = {}, 0
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    size = size + #name + #value
    if wanted[name] then
      kept[#kept + 1] = name
      kept[#kept + 1] = name == 'data' and '' or value
    end
  end
  seen, bytes = seen + 1, bytes + size
  letters[seen] = { id, size, #flat / 2, kept }
end

-- One at first: nobody knows yet how large they are.
local count = 1
while seen < most and bytes < enough_bytes do
  count = math.min(count, most - seen)
  local page = redis.call(command, KEYS[1], from, to, 'COUNT', count)
  for _, entry in ipairs(page) do
    take(entry[1], entry[2])
    from = '(' .. entry[1]
  end
  if #page < count then return { '', letters } end
  local fitting = math.floor((enough_bytes - bytes) / (bytes / seen + 1))
  count = math.max(1, math.min(fitting, MOST_AT_ONCE))
end
return { letters[seen][1], letters }
