-- Counts one page of dead letters by type and reason, so that a hundred thousand need not travel.
--
-- Part two of two, after walk.lua.
--
-- KEYS  1 stream of dead letters
-- ARGV  1 where the page begins, 2 where it has to end, 3 how many letters at most, 4 after how
--       many bytes to stop, 5 how many of the first of each kind are wanted, 6 "1" where a letter
--       must be in the form of an entry, 7 the account, 8 the reason, 9 a text in the last error,
--       in lower case; each of the three ASCII, and "" for any; 10 how many ids there are, of
--       which a letter or its event must have one, 0 for any; then the ids, then the names of the
--       fields that are wanted of letters
-- Returns  1 the last letter's id, "" where nothing is behind it, 2 how many letters were looked
--          at, 3 for each kind its type, its reason, how many are meant, and the first of them, and
--          4 those that only somebody else can judge; letters as `told` gives them
-- Cost: as letters.lua.
--
-- What is counted is meant without any doubt, and in the form that a worker takes. Everything else
-- is given back.

local problem = wrong_type()
if problem then return problem end

-- As many as can be given to a group again; far more than any that is plain.
local MOST_VALUES = 7900

local find = string.find

-- Fields that every entry has, and those that are asked for by name.
local KEPT = { 'id', 'source', 'type', 'receivedat', 'assurance', 'relayversion', 'data',
  'account', 'reason', 'lasterror' }
local is_kept = {}
for _, name in ipairs(KEPT) do is_kept[name] = true end
local ASSURANCES = { body = true, sender = true, none = true }

local function is_text(value) return value and not find(value, '[\128-\255]') end

-- The same of what most letters have in common: looking through it once is enough.
local is_common = setmetatable({}, { __index = function(known, value)
  known[value] = is_text(value)
  return known[value]
end })

local function is_number(value) return value and #value < 16 and find(value, '^%d+$') end

local samples, judges = tonumber(ARGV[5]), ARGV[6] == '1'
local account, reason, text, id_count = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local ids = {}
for i = 11, 10 + id_count do ids[ARGV[i]] = true end
local wanted = names_from(11 + id_count)

-- The letter that is looked at, and the place of each field in it, the last of a name. Most letters
-- have the same names as the one before, so their places need no finding.
local letter, place = {}, {}
local former, name_bytes = {}, 0

-- Gives the bytes of a letter with the names of the one before, or nothing where it has others.
local function size_as_before(flat)
  if #flat ~= #former then return nil end
  local size = name_bytes
  for i = 1, #flat, 2 do
    if flat[i] ~= former[i] then return nil end
    size = size + #flat[i + 1]
  end
  return size
end

-- Goes on to a letter, and gives its bytes.
local function read(flat)
  letter = flat
  local size = size_as_before(flat)
  if size then return size end
  former, name_bytes = flat, 0
  for i = 1, #KEPT do place[KEPT[i]] = nil end
  for i = 1, #flat, 2 do
    name_bytes = name_bytes + #flat[i]
    if is_kept[flat[i]] then place[flat[i]] = i + 1 end
  end
  return size_as_before(flat)
end

-- Says whether a worker takes the letter's entry without any doubt: by what it looks at when it
-- reads, and by not having found the rest unreadable.
local function is_plain()
  local source, event_type = letter[place.source], letter[place.type]
  return #letter <= MOST_VALUES and letter[place.reason] ~= 'unreadable'
    and letter[place.relayversion] == '1' and ASSURANCES[letter[place.assurance] or '']
    and letter[place.data] and source and is_common[source] and event_type
    and is_common[event_type] and is_text(letter[place.id]) and is_number(letter[place.receivedat])
end

-- Says yes, no, or nothing where that cannot be said here.
local function is_meant(id)
  if account ~= '' and letter[place.account] ~= account then return false end
  if reason ~= '' and letter[place.reason] ~= reason then return false end
  if id_count > 0 and not ids[id] and not ids[letter[place.id] or ''] then return false end
  if text == '' then return true end
  local found = letter[place.lasterror] or ''
  -- Where it is found as it is, the rest need not be looked through for other characters.
  if find(string.lower(found), text, 1, true) then return true end
  if find(found, '[\128-\255]') then return nil end
  return false
end

local kinds, by_kind, doubtful, seen = {}, {}, {}, 0

local function kind_of()
  local event_type, why = letter[place.type] or '', letter[place.reason] or ''
  local of_type = by_kind[event_type] or {}
  by_kind[event_type] = of_type
  local kind = of_type[why]
  if not kind then
    kind = { event_type, why, 0, {} }
    of_type[why], kinds[#kinds + 1] = kind, kind
  end
  return kind
end

local function take(id, flat)
  local size = read(flat)
  seen = seen + 1
  local meant = is_meant(id)
  if meant == false then return size end
  if meant == nil or (judges and not is_plain()) then
    doubtful[#doubtful + 1] = told(id, size, flat, wanted)
    return size
  end
  local kind = kind_of()
  kind[3] = kind[3] + 1
  if #kind[4] < samples then kind[4][#kind[4] + 1] = told(id, size, flat, wanted) end
  return size
end

local last = walk('XRANGE', ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), take)
return { last, seen, kinds, doubtful }
