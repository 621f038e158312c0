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

local function is_number(value) return value and #value < 16 and find(value, '^%d+$') end

local samples, judges = tonumber(ARGV[5]), ARGV[6] == '1'
local account, reason, text, id_count = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local ids = {}
for i = 11, 10 + id_count do ids[ARGV[i]] = true end
local wanted = names_from(11 + id_count)

-- One table for all letters: making one for each takes longer than all that is done with it.
local fields = {}

-- Reads a letter into `fields`, and gives its bytes.
local function read(flat)
  for i = 1, #KEPT do fields[KEPT[i]] = nil end
  local size = 0
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    size = size + #name + #value
    if is_kept[name] then fields[name] = value end
  end
  return size
end

-- Says whether a worker takes the letter's entry without any doubt: by what it looks at when it
-- reads, and by not having found the rest unreadable.
local function is_plain(count)
  return count <= MOST_VALUES and fields.reason ~= 'unreadable'
    and fields.relayversion == '1' and ASSURANCES[fields.assurance or ''] and fields.data
    and is_text(fields.id) and is_text(fields.source) and is_text(fields.type)
    and is_number(fields.receivedat)
end

-- Says yes, no, or nothing where that cannot be said here.
local function is_meant(id)
  if account ~= '' and fields.account ~= account then return false end
  if reason ~= '' and fields.reason ~= reason then return false end
  if id_count > 0 and not ids[id] and not ids[fields.id or ''] then return false end
  if text == '' then return true end
  local found = fields.lasterror or ''
  if find(found, '[\128-\255]') then return nil end
  return find(string.lower(found), text, 1, true) ~= nil
end

local kinds, by_kind, doubtful, seen = {}, {}, {}, 0

local function kind_of()
  local event_type, why = fields.type or '', fields.reason or ''
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
  if meant == nil or (judges and not is_plain(#flat)) then
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
