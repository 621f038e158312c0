-- Appends a batch of events of one tag, each unless its identity is known already.
--
-- KEYS  1           hash of the tag's streams: type -> "<number> <first entry id>"
--       2           the tag's stream "unidentified"
--       1+2i, 2+2i  of event i: its stream, and its identity in the dedupe index
-- ARGV  of each event in turn: type, window in ms, fingerprint of the body, how many types the
--       tag may have, "1" if the event may register a new type, number n of strings, then the
--       n names and values of the entry
--
-- Returns one string per event:
--       "A <entry id>[ <type>]"  appended; the type, if its stream was registered by this
--       "U <entry id>[ <type>]"  the same, into "unidentified", since there are too many types
--       "D <entry id>"           known: the first entry's id
--       "C <entry id>"           known, but the first time with another body
--       "E <message>"            not stored, and nothing remembered
--
-- Cost: per event one GET and, if it is new, one XADD and one SET; per type of the batch one HGET
-- and one EXISTS, and one XRANGE of one entry where the books have lost a stream; one HVALS for a
-- new type.
--
-- Each command runs by pcall: a key of the wrong type must fail its own event alone. The entry is
-- written before the mark: if anything stops the script between the two, the sender's retry makes
-- a second entry; the other way round it would be taken for a duplicate of nothing.

local streams, unidentified = KEYS[1], KEYS[2]
-- Of each type asked for in this batch: the first entry id of its stream, or false where it has
-- none; and whether the books say so too.
local first_id, in_books = {}, {}

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

-- Gives the first entry id of a type's stream, false where there is no stream, or nil and the
-- error. A stream that the books have lost begins with its first entry: else all marks of its
-- earlier entries would count as gone, and every repeat would be appended again.
local function beginning(name, stream)
  if first_id[name] ~= nil then return first_id[name] end
  local entry = redis.pcall('HGET', streams, name)
  if failed(entry) then return nil, entry.err end
  local exists = redis.pcall('EXISTS', stream)
  if failed(exists) then return nil, exists.err end
  local found = exists == 1 and entry and string.match(entry, '^%d+ (%d+%-%d+)$')
  in_books[name] = found and true or false
  if exists == 1 and not found then
    local oldest = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)
    if failed(oldest) then return nil, oldest.err end
    found = oldest[1] and oldest[1][1]
  end
  first_id[name] = found or false
  return first_id[name]
end

local function older(one, other)
  local ms, seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  if not (ms and other_ms) then return false end
  ms, seq, other_ms, other_seq = tonumber(ms), tonumber(seq), tonumber(other_ms), tonumber(other_seq)
  return ms < other_ms or (ms == other_ms and seq < other_seq)
end

-- Answers for a known identity, or nothing where its entry is gone with its stream.
local function duplicate(mark, fingerprint)
  local id, print_of_first, name = string.match(mark, '^(%S+) (%S+) (.+)$')
  if not id then return 'E ERR the dedupe mark is not of our form' end
  local stream = string.sub(unidentified, 1, -#'unidentified' - 1) .. name
  local begins, problem = beginning(name, stream)
  if begins == nil then return 'E ' .. problem end
  if not begins or older(id, begins) then return nil end
  return (print_of_first == fingerprint and 'D ' or 'C ') .. id
end

-- Says into which stream an event of this type goes: its own, or "unidentified".
local function home(name, stream, max_types, may_register)
  local begins, problem = beginning(name, stream)
  if begins == nil then return nil, problem end
  if begins or name == 'unidentified' then return name, stream end
  local known = redis.pcall('HEXISTS', streams, name)
  if failed(known) then return nil, known.err end
  if known == 1 then return name, stream end
  local count = redis.pcall('HLEN', streams)
  if failed(count) then return nil, count.err end
  if may_register and count < max_types then return name, stream end
  -- Asked for too, so that a stream that is registered keeps its first entry id.
  begins, problem = beginning('unidentified', unidentified)
  if begins == nil then return nil, problem end
  return 'unidentified', unidentified
end

-- Writes a stream into the books that is new, or that they have lost.
local function register(name, id)
  local before = redis.pcall('HGET', streams, name)
  local number = type(before) == 'string' and string.match(before, '^(%d+) ')
  if not number then
    -- One that no type of the tag has, also where somebody has removed one.
    local values = redis.pcall('HVALS', streams)
    if failed(values) then return end
    number = 1
    for _, value in ipairs(values) do
      number = math.max(number, 1 + (tonumber(string.match(value, '^(%d+) ')) or 0))
    end
  end
  first_id[name] = first_id[name] or id
  in_books[name] = true
  redis.pcall('HSET', streams, name, number .. ' ' .. first_id[name])
end

local function append(stream_key, seen_key, at)
  local name, window_ms, fingerprint = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local first, last = at + 6, at + 5 + tonumber(ARGV[at + 5])
  local mark = redis.pcall('GET', seen_key)
  if failed(mark) then return 'E ' .. mark.err end
  if mark then
    local answer = duplicate(mark, fingerprint)
    if answer then return answer end
  end
  local into, stream = home(name, stream_key, tonumber(ARGV[at + 3]), ARGV[at + 4] == '1')
  if not into then return 'E ' .. stream end
  local id
  if into == name then
    id = redis.pcall('XADD', stream, '*', unpack(ARGV, first, last))
  else
    local fields = { unpack(ARGV, first, last) }
    for i = 1, #fields, 2 do
      if fields[i] == 'type' then fields[i + 1] = into end
    end
    id = redis.pcall('XADD', stream, '*', 'originaltype', name, unpack(fields))
  end
  if failed(id) then return 'E ' .. id.err end
  redis.pcall('SET', seen_key, id .. ' ' .. fingerprint .. ' ' .. into, 'PX', window_ms)
  local news = ''
  if not in_books[into] then
    register(into, id)
    news = ' ' .. into
  end
  return (into == name and 'A ' or 'U ') .. id .. news
end

local out, at = {}, 1
for i = 1, #KEYS / 2 - 1 do
  out[i] = append(KEYS[1 + 2 * i], KEYS[2 + 2 * i], at)
  at = at + 6 + tonumber(ARGV[at + 5])
end
return out
