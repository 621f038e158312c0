-- Appends a batch of events of one tag, each unless its identity is known already.
--
-- Part five of five of the append script, after index.lua, streams.lua, oldest.lua and caps.lua. A
-- route is what many events of a batch have in common.
--
-- KEYS  1    hash of the tag's streams: type -> "<number> <first entry id>"
--       2    the tag's stream "unidentified"
--       3..  of each route in turn: its stream, and the book of its dedupe index
--       last the whole bodies: strings, one for each delivery that was split
-- ARGV  1    how many routes there are
--       2..  of each route in turn: type, half a window in ms, how many types the tag may have,
--            how many of them may begin within an hour (0 for none that the event would begin,
--            empty for any number), and the limits of the stream and of "unidentified" (caps.lua),
--            empty where neither has one
--       then the events as MessagePack: of each the number of its route, its identity (16 bytes),
--            the fingerprint of its body (4 bytes), the names and values of its entry, and, if it
--            brings the whole body of its delivery, that body's number: the gateway writes one
--            text far faster than so many arguments
--       last of each whole body in turn: itself, and for how many seconds it is kept
--
-- Returns one string per event, and then one per stream of which the oldest entries were dropped:
--       "A <entry id>[ <type>]"  appended; the type, if its stream was registered by this
--       "U <entry id>[ <type>]"  the same, into "unidentified", since it may begin no new type
--       "D <entry id>"           known: the first entry's id
--       "C <entry id>"           known, but the first time with another body
--       "F <type>"               not stored: the stream of this type is full
--       "E <message>"            not stored, and nothing remembered; or its whole body is not
--                                kept, which the same event may bring again
--       "X <type> <n> <m>"       dropped: so many that all its groups had settled, and others
--
-- Cost: per event that is new one XADD, and besides what the other parts say. Per event that
-- brings a whole body one SET; if it is known one EXISTS, and the SET where there is none.
--
-- Each command runs by pcall: a key of the wrong type must fail its own event alone. The entry is
-- written before the mark: if anything stops the script between the two, the sender's retry makes
-- a second entry; the other way round it would be taken for a duplicate of nothing. For the same
-- reason nothing at all is written before the first entry of a batch. A whole body is written
-- last: a store that refuses the entry has not taken a body that nothing names, and if the script
-- is stopped before it, the sender's retry is known, and brings it.

local function add(stream, route, into, fields)
  if into == route.name then return call('XADD', stream, '*', unpack(fields)) end
  local is_said = false
  for i = 1, #fields, 2 do
    if fields[i] == 'type' then fields[i + 1] = into end
    -- A filter or a preset gave it another type; what its sender called it is worth more than that.
    if fields[i] == 'originaltype' then is_said = true end
  end
  if is_said then return call('XADD', stream, '*', unpack(fields)) end
  return call('XADD', stream, '*', 'originaltype', route.name, unpack(fields))
end

local function append(route, identity, fingerprint, fields)
  local book, search = route.book, route.search
  if book.problem then return 'E ' .. book.problem end
  local answer, bucket = look_up(search, identity, judge, route, fingerprint)
  if answer then return answer end
  local into, stream = route.at_home, route.stream
  if not into then
    into, stream = home_of(route)
    if not into then return 'E ' .. stream end
  end
  if route.limits then
    local full, problem = is_full(route, into, stream)
    if full == nil then return 'E ' .. problem end
    if full then return 'F ' .. into end
  end
  local id = add(stream, route, into, fields)
  if failed(id) then return 'E ' .. id.err end
  local length = lengths[stream]
  if length then lengths[stream], added[stream] = length + 1, added[stream] + 1 end
  local news = ''
  if not in_books[into] then
    register(into, id)
    news = ' ' .. into
  end
  remember(book, search, bucket, identity, fingerprint, letters_of[into] or '', id)
  return (into == route.name and 'A ' or 'U ') .. id .. news
end

local books, routes, count, at = {}, {}, tonumber(ARGV[1] or 0), 2
for i = 1, count do
  local key = KEYS[2 + 2 * i]
  books[key] = books[key] or open_book(key)
  local book, present = books[key], present_slice(books[key], tonumber(ARGV[at + 1]))
  book.searches[present] = book.searches[present]
    or { present = present, names = {}, sizes = {}, slices = {} }
  routes[i] = {
    name = ARGV[at], stream = KEYS[1 + 2 * i], book = book, search = book.searches[present],
    max_types = tonumber(ARGV[at + 2]), max_new = tonumber(ARGV[at + 3]),
    limits = read_limits(ARGV[at + 4]),
  }
  at = at + 5
end
-- Only now does each book have every slice that this call may write.
for _, book in pairs(books) do
  for _, search in pairs(book.searches) do lay_out(search, book) end
end

local events, answers = ARGV[at] and cmsgpack.unpack(ARGV[at]) or {}, {}
for i, event in ipairs(events) do
  answers[i] = append(routes[event[1]], event[2], event[3], event[4])
end
-- A whole body is kept unless its event was refused, or was known and the body is there: a store
-- without room must still know what it has.
for i, event in ipairs(KEYS[3 + 2 * count] and events or {}) do
  local whole, code = event[5], sub(answers[i], 1, 1)
  if whole and code ~= 'E' and code ~= 'F' then
    local key, n = KEYS[2 + 2 * count + whole], at + 2 * whole - 1
    local there = (code == 'D' or code == 'C') and call('EXISTS', key) or 0
    local problem = failed(there)
    if there == 0 then problem = failed(call('SET', key, ARGV[n], 'EX', ARGV[n + 1])) end
    if problem then answers[i] = 'E ' .. problem end
  end
end
for _, book in pairs(books) do close_book(book) end
make_room(answers)
return answers
