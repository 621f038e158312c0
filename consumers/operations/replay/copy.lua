-- Copies a page of a stream to what one group is given again, and notes in the same step how far
-- it has come.
--
-- Part four of four, after member.lua, group.lua and entries.lua.
--
-- KEYS  1 stream, 2 the group's stream of what it is given again, 3 the replay's book
-- ARGV  1 group, 2 field of the stream in the book, 3 the run, 4 who does it, 5 the state that the
--       caller knows, 6 how many entries to copy at most, 7 how many to look at, 8 how many bytes
--       to look at, 9 how many copies may be ahead of the group's reading, 10 account or "", then
--       the ids that are meant, none for all
-- Returns  1 what happened: "went"; "moved" where the state is another than the caller knows,
--       since its last answer was lost; "ahead" where the group has to read first; "over" where
--       the book is another run's or gone; "taken" where somebody else does it now; "left" where
--       the stream is there and has not got the group any more; "refused" where a copy could not be
--       written; 2 the state now, 3 whether the group was made, which means that nobody may know of
--       the stream yet, 4 why it was refused.
-- Cost: per entry looked at one XRANGE of one, per copy one XADD, and three HGET, a HSET and an
-- XPENDING of one.
--
-- The state says which entry is next, "" at the end, so no call copies what another has copied. A
-- caller that does not know it copies nothing, since it might then copy more than it was allowed.
-- HDEL comes first because a full server accepts it, and once a script has written,
-- the rest of it passes.

-- Lua's stack holds eight thousand values.
local MOST_VALUES = 7900

local problem = wrong_type({ 'stream', 'stream', 'hash' })
if problem then return problem end

if redis.call('HGET', KEYS[3], '@run') ~= ARGV[3] then return { 'over', '', 0, '' } end
if redis.call('HGET', KEYS[3], '@by') ~= ARGV[4] then return { 'taken', '', 0, '' } end
local known = redis.call('HGET', KEYS[3], ARGV[2]) or ''
if known ~= ARGV[5] then return { 'moved', known, 0, '' } end
local state = cjson.decode(known)

-- Half of what may be ahead is copied between two marks, and the last but one must be read.
local half = math.ceil(tonumber(ARGV[9]) / 2)
local function is_ahead()
  if state.unmarked < half then return false end
  local groups, read = redis.pcall('XINFO', 'GROUPS', KEYS[2]), nil
  for _, flat in ipairs(groups.err and {} or groups) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    if group['name'] == ARGV[1] then read = group['last-delivered-id'] end
  end
  local unread = read and state.mark ~= '' and padded(read) < padded(state.mark)
  -- Where the group has read all there is, the stream may have been removed and made since.
  if unread and #redis.call('XRANGE', KEYS[2], '(' .. read, '+', 'COUNT', 1) > 0 then return true end
  state.mark, state.unmarked = state.newest, 0
  return false
end

-- Gives the fields of a copy, which tells where the first one stood.
local function copy_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do
    if entry[2][i] ~= 'entryid' then
      fields[#fields + 1], fields[#fields + 2] = entry[2][i], entry[2][i + 1]
    end
  end
  fields[#fields + 1], fields[#fields + 2] = 'entryid', entry[1]
  return fields
end

-- Gives how many copies were made, and the server's reason where it refuses.
local function copy(entry, bytes)
  local fields = copy_of(entry)
  if #fields > MOST_VALUES then
    state.large = state.large + 1
    return 0
  end
  make_group(KEYS[2], ARGV[1])
  local id = redis.pcall('XADD', KEYS[2], '*', unpack(fields))
  if type(id) == 'table' then return 0, id.err end
  state.newest, state.unmarked = id, state.unmarked + 1
  state.copied, state.bytes = state.copied + 1, state.bytes + bytes
  return 1
end

-- The next entry was there when the state was written.
local function note_gone(found)
  if found and found[1] == state.next then return end
  if state.gone_from == '' then state.gone_from = state.next end
  state.gone_until = found and found[1] or state.last
end

if state.next == '' then return { 'moved', known, 0, '' } end
-- Of a group that was removed nobody would read copies; of a stream that was, there is nothing.
local lacks = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1).err
if lacks and string.find(lacks, 'NOGROUP', 1, true) and redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'left', known, 0, '' }
end
if is_ahead() then return { 'ahead', known, 0, '' } end

redis.call('HDEL', KEYS[3], '@')
local is_meant = chooser(ARGV[10], 11)
local entry, refused = entry_from(state.next, state.last), nil
note_gone(entry)
local copies, looked, bytes = 0, 0, 0
local most = math.min(tonumber(ARGV[6]), half - state.unmarked)
while entry and copies < most and looked < tonumber(ARGV[7])
    and bytes < tonumber(ARGV[8]) do
  local size, more = bytes_of(entry), 0
  if is_meant(entry) then more, refused = copy(entry, size) end
  if refused then break end
  copies, looked, bytes = copies + more, looked + 1, bytes + size
  entry = entry_from('(' .. entry[1], state.last)
end

state.looked, state.next = state.looked + looked, entry and entry[1] or ''
local now = cjson.encode(state)
redis.call('HSET', KEYS[3], ARGV[2], now)
return { refused and 'refused' or 'went', now, made and 1 or 0, refused or '' }
