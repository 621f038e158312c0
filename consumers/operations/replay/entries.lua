-- How scripts of a replay look at the entries of a stream: one at a time, since a body may be
-- 10 MiB long, and a script that read a page of them would keep the server for long.
--
-- A part of other scripts, after member.lua.

-- Gives the first entry from an id on, if there is one. An exclusive start behind the last
-- possible id is refused, and nothing can stand there.
local function entry_from(start, last)
  local found = redis.pcall('XRANGE', KEYS[1], start, last, 'COUNT', 1)
  return not found.err and found[1] or nil
end

local function bytes_of(entry)
  local bytes = 0
  for _, part in ipairs(entry[2]) do bytes = bytes + #part end
  return bytes
end

-- Makes a function that says whether an entry is meant: by its account, "" for any, and by its own
-- id or its event's, one of ARGV from a place on, or any where none is given there.
local function chooser(account, ids_at)
  local any_id, ids = not ARGV[ids_at], {}
  for i = ids_at, #ARGV do ids[ARGV[i]] = true end
  return function(entry)
    local of_account, of_id = account == '', any_id or ids[entry[1]]
    local fields = entry[2]
    for i = 1, #fields, 2 do
      if fields[i] == 'account' then of_account = of_account or fields[i + 1] == account end
      if fields[i] == 'id' then of_id = of_id or ids[fields[i + 1]] end
    end
    return of_account and of_id
  end
end
