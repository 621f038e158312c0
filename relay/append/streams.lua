-- The tag's streams: which type has one, since which entry, and under what number.
--
-- Part two of five of the append script.
--
-- Cost: per type of the batch one HGET and one EXISTS, and one XRANGE of one entry where the books
-- have lost a stream; one HVALS for a new type, and a HGETALL before it where only so many may
-- begin within an hour, which then serves all further ones; one HGETALL for a known id under
-- another type.

local streams, unidentified = KEYS[1], KEYS[2]
local stem = sub(unidentified, 1, -#'unidentified' - 1)
-- Of each type asked for in this call: the first entry id of its stream, or false where it has
-- none; its number in letters, if the books have one; and whether they say how the stream begins.
local first_id, letters_of, in_books = {}, {}, {}
-- Letters -> type, for all of the tag; read when first needed.
local types
-- How many of the tag's types began within the last hour; read when first needed, and again when
-- the books have changed.
local begun_lately

-- 1 is "a", 26 "z", 27 "aa".
local function letters(number)
  local text = ''
  while number > 0 do
    local digit = (number - 1) % 26
    text = char(97 + digit) .. text
    number = (number - 1 - digit) / 26
  end
  return text
end

-- Reads a registration: number and first entry id, each nil where it is not of our form.
local function read_entry(entry)
  local number, id = match(entry or '', '^(%d+) (.*)$')
  number = number and #number < 16 and tonumber(number) or nil
  return number, match(id or '', '^%d+%-%d+$')
end

-- Gives the first entry id of a type's stream, false where there is no stream, or nil and the
-- error. A stream that the books have lost begins with its first entry: else all marks of its
-- earlier entries would count as gone, and every repeat would be appended again.
local function beginning(name, stream)
  if first_id[name] ~= nil then return first_id[name] end
  local entry = call('HGET', streams, name)
  if failed(entry) then return nil, entry.err end
  local exists = call('EXISTS', stream)
  if failed(exists) then return nil, exists.err end
  local number, id = read_entry(entry)
  local found = exists == 1 and number and id
  letters_of[name] = number and letters(number)
  in_books[name] = found and true or false
  if exists == 1 and not found then
    local oldest = call('XRANGE', stream, '-', '+', 'COUNT', 1)
    if failed(oldest) then return nil, oldest.err end
    found = oldest[1] and oldest[1][1]
  end
  first_id[name] = found or false
  return first_id[name]
end

local function older(one, other)
  local ms, seq = match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = match(other, '^(%d+)-(%d+)$')
  if not (ms and other_ms) then return false end
  ms, seq, other_ms, other_seq = tonumber(ms), tonumber(seq), tonumber(other_ms), tonumber(other_seq)
  return ms < other_ms or (ms == other_ms and seq < other_seq)
end

-- Gives the type that has a number, or nil and the error. One that the books have lost is most
-- likely that under which the event comes again.
local function type_of(number, likely)
  if letters_of[likely] == number then return likely end
  local begins, problem = beginning('unidentified', unidentified)
  if begins == nil then return nil, problem end
  if letters_of['unidentified'] == number then return 'unidentified' end
  if not types then
    local all = call('HGETALL', streams)
    if failed(all) then return nil, all.err end
    types = {}
    for i = 1, #all, 2 do
      local known = read_entry(all[i + 1])
      if known then types[letters(known)] = all[i] end
    end
  end
  return types[number] or likely
end

-- Answers for a known entry, or gives nothing where it is gone with its stream.
local function judge(route, id, number, same_body)
  local begins, problem = beginning(route.name, route.stream)
  if begins == nil then return 'E ' .. problem end
  local name
  name, problem = type_of(number, route.name)
  if not name then return 'E ' .. problem end
  if name ~= route.name then
    begins, problem = beginning(name, stem .. name)
    if begins == nil then return 'E ' .. problem end
  end
  if not begins or older(id, begins) then return nil end
  return (same_body and 'D ' or 'C ') .. id
end

-- Tells whether an event of this route may begin a new type; or gives nil and the error. When a
-- type began its first entry says. Those of which it lies more than an hour ahead do not count:
-- after a jump of the clock and back they would stop all others for as long.
local function may_begin(route)
  local count = call('HLEN', streams)
  if failed(count) then return nil, count.err end
  if count >= route.max_types then return false end
  if not route.max_new then return true end
  if route.max_new == 0 then return false end
  if not begun_lately then
    local all = call('HGETALL', streams)
    if failed(all) then return nil, all.err end
    begun_lately = 0
    for i = 1, #all, 2 do
      local _, id = read_entry(all[i + 1])
      local ms = tonumber(match(id or '', '^%d+') or '')
      local is_late = ms and math.abs(now - ms) < 3600000
      if is_late and all[i] ~= 'unidentified' then begun_lately = begun_lately + 1 end
    end
  end
  return begun_lately < route.max_new
end

-- Says into which stream an event of this route goes: its own, or "unidentified".
local function home_of(route)
  local name = route.name
  local begins, problem = beginning(name, route.stream)
  if begins == nil then return nil, problem end
  if begins or name == 'unidentified' then
    route.at_home = name
    return name, route.stream
  end
  local known = call('HEXISTS', streams, name)
  if failed(known) then return nil, known.err end
  if known == 1 then return name, route.stream end
  local may
  may, problem = may_begin(route)
  if may == nil then return nil, problem end
  if may then return name, route.stream end
  -- Asked for too, so that a stream that is registered keeps its first entry id.
  begins, problem = beginning('unidentified', unidentified)
  if begins == nil then return nil, problem end
  return 'unidentified', unidentified
end

-- Writes a stream into the books that is new, or that they have lost.
local function register(name, id)
  local number = read_entry(call('HGET', streams, name))
  if not number then
    -- One that no type of the tag has, also where somebody has removed one.
    local values = call('HVALS', streams)
    if failed(values) then return end
    number = 1
    for _, value in ipairs(values) do number = max(number, 1 + (read_entry(value) or 0)) end
  end
  first_id[name] = first_id[name] or id
  letters_of[name] = letters(number)
  in_books[name] = true
  types, begun_lately = nil, nil
  call('HSET', streams, name, format('%.0f ', number) .. first_id[name])
end
