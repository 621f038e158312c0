-- Folds one change of an account into its book, in the order of the changes' own times.
--
-- KEYS  1 hash of the tag's books: account -> JSON, 2 hash of how the accounts are: account -> JSON
-- ARGV  1 account
--       2 when the change was, RFC 3339 in ms with Z: later times are greater texts
--       3 "up", "down" or "other", 4 the status, 5 the product, empty for the whole account
--       6 a week before the change, 7 how many changes a book may have
-- Returns "taken" or "late", then of each gap that has closed and is not announced four strings:
--       when it opened and closed, its product (empty for the whole account), and "plain" or ""
-- Cost: one HGET, one HDEL and two HSET; the book is read and written whole.
--
-- A BOOK has
--   changes  of the last week of the account, in their order: { time, kind, status[, product] }
--   base     what those before them have come to: up to when (at), the status since when, and the
--            gaps that were open
--   horizon  the end of the week before the newest change, as far as it was ever told
--   gaps     that have closed, each once and in the order in which they were found
-- and nothing that is empty: cjson writes an empty list as an object. A book is bounded: so many
-- changes, twice as many gaps, and as many products away at once.
--
-- A gap goes from the first "down" after an "up" to the next "up". Of one moment an "up" comes
-- first, so that the gap is rather too long. The gaps are derived anew from all changes each time:
-- what comes late can open one earlier, split it, or make it shorter.
--
-- The id of a gap's event is made of its account and of when it opened. Of two products that drop
-- in the same ms one has the plain id, and keeps it for as long as the book knows of that ms.
-- So a gap that what came late has made another stays as "gone": its event may be under way.
--
-- The book is written before the status, and both come to the same when they are written twice.
-- HSET alone would be refused by a full server. HDEL, of an account that cannot be, is not, and
-- once a script has written, the rest of it passes. A wrong type is found before that.

for _, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key)['ok']
  if found ~= 'hash' and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is not a hash')
  end
end

local RANK = { up = 1, other = 2, down = 3 }
local account, most = ARGV[1], tonumber(ARGV[7])
local change = { ARGV[2], ARGV[3], ARGV[4], ARGV[5] ~= '' and ARGV[5] or nil }

local function read_book()
  local text = redis.call('HGET', KEYS[1], account)
  if not text then return {} end
  local is_json, book = pcall(cjson.decode, text)
  if is_json and type(book) == 'table' then return book end
end

local function compared(one, other)
  if one[1] ~= other[1] then return one[1] < other[1] and -1 or 1 end
  if one[2] ~= other[2] then return RANK[one[2]] < RANK[other[2]] and -1 or 1 end
  if one[3] ~= other[3] then return one[3] < other[3] and -1 or 1 end
  local product, other_product = one[4] or '', other[4] or ''
  if product ~= other_product then return product < other_product and -1 or 1 end
  return 0
end

local function insert(changes)
  local place = #changes
  while place > 0 do
    local order = compared(change, changes[place])
    if order == 0 then return end
    if order > 0 then break end
    place = place - 1
  end
  table.insert(changes, place + 1, change)
end

-- Says how many of the oldest changes are summed up; those of one moment together.
local function to_sum_up(changes, horizon)
  local count = 0
  while #changes - count > most or (changes[count + 1] and changes[count + 1][1] < horizon) do
    count = count + 1
  end
  while count > 0 and changes[count + 1] and changes[count + 1][1] == changes[count][1] do
    count = count + 1
  end
  return count
end

local function filled(list) return list[1] and list or nil end

-- Goes through all changes; gives the closed gaps, the state at the end, and the new base.
local function walk(changes, base, summed_up)
  local closed, open, away = {}, {}, {}
  local status, product, since = base.status, base.product, base.since
  for _, each in ipairs(base.open or {}) do
    open[#open + 1], away[each.product or ''] = each, true
  end
  for i, each in ipairs(changes) do
    local at, kind, of = each[1], each[2], each[4]
    if kind == 'down' and not away[of or ''] and #open < most then
      open[#open + 1], away[of or ''] = { opened = at, product = of }, true
    elseif kind == 'up' then
      for _, gap in ipairs(open) do
        closed[#closed + 1] = { opened = gap.opened, closed = at, product = gap.product }
      end
      open, away = {}, {}
    end
    if each[3] ~= status or of ~= product then status, product, since = each[3], of, at end
    if i == summed_up then
      base = { at = at, status = status, product = product, since = since }
      base.open = open[1] and cjson.decode(cjson.encode(open))
    end
  end
  return closed, { status = status, product = product, since = since, open = filled(open) }, base
end

local function name_of(gap) return gap.opened .. (gap.product or '') end

-- Puts the gaps that were derived beside those that are known.
local function match(known, closed)
  local by_name, plain, derived = {}, {}, {}
  for _, gap in ipairs(known) do
    by_name[name_of(gap)] = gap
    if gap.plain then plain[gap.opened] = true end
  end
  for _, gap in ipairs(closed) do
    local name = name_of(gap)
    derived[name] = true
    if by_name[name] then
      by_name[name].closed, by_name[name].gone = gap.closed, nil
    else
      if not plain[gap.opened] then gap.plain, plain[gap.opened] = true, true end
      by_name[name], known[#known + 1] = gap, gap
    end
  end
  return derived
end

-- Leaves out the gaps that nothing can change or ask for any more; the others that are not
-- announced are given, too.
local function sort_out(known, derived, before, base, horizon)
  local kept, due, too_many = {}, {}, #known - most
  for _, gap in ipairs(known) do
    local was_summed_up = before.at and gap.closed <= before.at
    if not derived[name_of(gap)] and not was_summed_up then gap.gone = true end
    local is_summed_up = base.at and gap.closed <= base.at
    local is_over = is_summed_up
      and (gap.gone or (gap.announced and (gap.closed < horizon or too_many > 0)))
    if is_over then
      too_many = too_many - 1
    else
      kept[#kept + 1] = gap
      if not (gap.gone or gap.announced) then due[#due + 1] = gap end
    end
  end
  return kept, due
end

local book = read_book()
if not book then
  return redis.error_reply('ERR ' .. KEYS[1] .. ' holds something else than the book of the account')
end
local changes, before = book.changes or {}, book.base or {}
local is_late = before.at and change[1] <= before.at
local horizon = book.horizon or ''
if not is_late then
  insert(changes)
  if ARGV[6] > horizon then horizon = ARGV[6] end
end
local summed_up = to_sum_up(changes, horizon)
local closed, now, base = walk(changes, before, summed_up)
local known = book.gaps or {}
local kept, due = sort_out(known, match(known, closed), before, base, horizon)

local left = {}
for i = summed_up + 1, #changes do left[#left + 1] = changes[i] end
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], account, cjson.encode({
  changes = filled(left), base = base.at and base or nil, horizon = horizon, gaps = filled(kept),
}))
redis.call('HSET', KEYS[2], account, cjson.encode(now))

local answer = { is_late and 'late' or 'taken' }
for _, gap in ipairs(due) do
  for _, part in ipairs({ gap.opened, gap.closed, gap.product or '', gap.plain and 'plain' or '' }) do
    answer[#answer + 1] = part
  end
end
return answer
