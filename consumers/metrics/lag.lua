-- Says how far a group has come in a stream.
--
-- KEYS  1 stream
-- ARGV  1 group
-- Returns 1 entries that it has not read, "" where the server does not count them, 2 age in ms of
--         the oldest that it has not settled, "" where all are; nothing where the group is not there.
-- Cost: one XINFO GROUPS, at most one XPENDING without a range and one
--       XRANGE of one entry.
--
-- By the server's own clock, which has also made the ids.

local LAST_ID = '18446744073709551615-18446744073709551615'

local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
local group
for _, flat in ipairs(groups.err and {} or groups) do
  local found = {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  if found['name'] == ARGV[1] then group = found end
end
if not group then return {} end

local oldest = group['pending'] > 0 and redis.call('XPENDING', KEYS[1], ARGV[1])[2]
local unread, after = group['lag'], group['last-delivered-id']
-- An entry is looked at, body and all, only where nothing else tells: what is pending was read, so
-- it is older than what is not. Behind the last possible id a server refuses to look.
if unread ~= 0 and not (unread and oldest) then
  local first = after ~= LAST_ID and redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1)[1]
  if not first then unread = 0 end
  oldest = oldest or (first and first[1])
end
local age = ''
if oldest then
  local now = redis.call('TIME')
  local ms = tonumber(string.match(oldest, '^%d+'))
  age = string.format('%d', math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - ms))
end
return { unread and string.format('%d', unread) or '', age }
