-- Caps in entries: whether a stream is full, and what goes when it is.
--
-- Part four of five of the append script, behind oldest.lua. Streams without such a cap cost
-- nothing here.
--
-- Cost: per stream with a cap one XLEN and, where its oldest entries are to go, what oldest.lua
-- says once.

-- Of each stream that was asked for in this call: how many entries it has, and how many this call
-- has added.
local lengths, added = {}, {}
-- Stream -> how many entries it keeps, of those whose oldest go.
local keeps = {}

-- Reads a route's limits, "<that of its own stream> <that of unidentified>": 0 for none, "full"
-- for one that takes nothing, a negative number for one whose oldest entries go.
local function read_limits(text)
  if text == '' then return nil end
  local own, other = match(text, '^(%S+) (%S+)$')
  return { own = own, other = other }
end

-- Tells whether a stream takes no further entry; or gives nil and the error.
local function is_full(route, into, stream)
  local limit = into == route.name and route.limits.own or route.limits.other
  if limit == 'full' then return true end
  limit = tonumber(limit) or 0
  if limit == 0 then return false end
  if not lengths[stream] then
    local length = call('XLEN', stream)
    if failed(length) then return nil, length.err end
    lengths[stream], added[stream] = length, 0
  end
  if limit < 0 then keeps[stream] = { type = into, entries = -limit } end
  return limit > 0 and lengths[stream] >= limit
end

-- Drops what is too much after a call, and adds to its answers what was dropped.
local function make_room(answers)
  for stream, keep in pairs(keeps) do
    if added[stream] > 0 and lengths[stream] > keep.entries then
      -- Whatever becomes of it, the events are stored.
      local done, settled, unsettled =
        pcall(make_drop_oldest(), stream, keep.entries, added[stream] + MOST)
      if done then insert(answers, format('X %s %d %d', keep.type, settled, unsettled)) end
    end
  end
end
