-- Drops the oldest entries of a stream, as its operator chose for when it is full.
--
-- Part three of five of the append script, and the first of drop.lua.
--
-- Cost: one XLEN, XRANGE of one entry and XINFO GROUPS; per group with pending entries one
-- XPENDING; three XTRIM at most, of at most MOST entries or one node of the server's tree each.

local MOST = 256

-- Makes what drops. A script makes all its functions anew in each call, for half a microsecond
-- each; few calls need these.
local function make_drop_oldest()
  local function is_before(one, other)
    local ms, seq = string.match(one, '^(%d+)-(%d+)$')
    local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
    ms, seq = tonumber(ms), tonumber(seq)
    other_ms, other_seq = tonumber(other_ms), tonumber(other_seq)
    return ms < other_ms or (ms == other_ms and seq < other_seq)
  end

  -- Gives the smallest id behind another; that of the next ms where a double cannot hold the
  -- number.
  local function next_id(id)
    local ms, seq = string.match(id, '^(%d+)-(%d+)$')
    if #seq < 16 then return ms .. string.format('-%.0f', tonumber(seq) + 1) end
    return string.format('%.0f-0', tonumber(ms) + 1)
  end

  -- Says before which entry a group has settled all that is there; `first` is the oldest entry.
  -- What is pending and gone, since it was dropped, counts no more.
  local function settled_before(stream, first, group)
    local behind = next_id(group['last-delivered-id'])
    if group['pending'] == 0 then return behind end
    local oldest = redis.call('XPENDING', stream, group['name'], first, '+', 1)[1]
    return oldest and is_before(oldest[1], behind) and oldest[1] or behind
  end

  -- Says before which entry every group has settled all that is there; nil without a group.
  local function floor_of(stream)
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    local floor
    for _, fields in ipairs(oldest and redis.call('XINFO', 'GROUPS', stream) or {}) do
      local group = {}
      for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
      local before = settled_before(stream, oldest[1], group)
      if not floor or is_before(before, floor) then floor = before end
    end
    return floor
  end

  -- Has a stream keep so many entries, and gives how many of those that went every group had
  -- settled, and how many not. What all have settled goes first, by whole nodes, since that is
  -- cheap and it is worth less than anything else. In a stream without groups nobody waits.
  return function(stream, keep, most)
    local length = redis.call('XLEN', stream)
    if length <= keep then return 0, 0 end
    local floor, settled = floor_of(stream), 0
    if floor then
      settled = redis.call('XTRIM', stream, 'MINID', '~', floor, 'LIMIT', MOST)
      -- Then all of them lie in one node, or its nodes hold more than that.
      if settled == 0 then settled = redis.call('XTRIM', stream, 'MINID', '=', floor) end
      length = length - settled
    end
    if length <= keep then return settled, 0 end
    local dropped = redis.call('XTRIM', stream, 'MAXLEN', '=', math.max(keep, length - most))
    if floor then return settled, dropped end
    return dropped, 0
  end
end
