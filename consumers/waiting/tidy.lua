-- Removes what a group has settled of the entries that it was given again, and with the last of
-- them their stream.
--
-- Part two of two, after member.lua.
--
-- KEYS  1 stream
-- ARGV  1 group, 2 how many entries to remove at most
-- Returns "removed" where the stream is gone, "more" where there is more to remove, or "kept".
-- Cost: one XINFO GROUPS and XPENDING, and the removal of so many entries and one node.
--
-- The stream is one group's own, so nobody else's floor counts; events can be looked up and
-- replayed where they stood at first.

if redis.call('TYPE', KEYS[1])['ok'] ~= 'stream' then return 'kept' end

local last
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  if group['name'] == ARGV[1] then last = group['last-delivered-id'] end
end
if not last then return 'kept' end

local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
local floor = last
-- What was read may lie behind what counts as read last, where somebody has set that back.
if pending[1] > 0 and padded(pending[2]) < padded(last) then floor = pending[2] end
if redis.call('XTRIM', KEYS[1], 'MINID', '~', floor, 'LIMIT', ARGV[2]) > 0 then return 'more' end
-- Whole nodes are gone, so this touches no more than one.
redis.call('XTRIM', KEYS[1], 'MINID', floor)
if pending[1] == 0 then redis.call('XDEL', KEYS[1], last) end
if pending[1] == 0 and redis.call('XLEN', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[1])
  return 'removed'
end
return 'kept'
