-- Appends a batch of events of one tag, each unless its identity is known already.
--
-- Part three of three of the append script, after index.lua and streams.lua. A route is what many
-- events of a batch have in common.
--
-- KEYS  1    hash of the tag's streams: type -> "<number> <first entry id>"
--       2    the tag's stream "unidentified"
--       3..  of each route in turn: its stream, and the book of its dedupe index
-- ARGV  1    how many routes there are
--       2..  of each route in turn: type, half a window in ms, how many types the tag may have,
--            "1" if the event may register a new type, number n of strings in the entry
--       ...  of each event in turn: number of its route, identity (16 bytes), fingerprint of the
--            body (4 bytes), then the n names and values of the entry
--
-- Returns one string per event:
--       "A <entry id>[ <type>]"  appended; the type, if its stream was registered by this
--       "U <entry id>[ <type>]"  the same, into "unidentified", since there are too many types
--       "D <entry id>"           known: the first entry's id
--       "C <entry id>"           known, but the first time with another body
--       "E <message>"            not stored, and nothing remembered
--
-- Cost: per event that is new one XADD, and besides what index.lua and streams.lua say.
--
-- Each command runs by pcall: a key of the wrong type must fail its own event alone. The entry is
-- written before the mark: if anything stops the script between the two, the sender's retry makes
-- a second entry; the other way round it would be taken for a duplicate of nothing. For the same
-- reason nothing at all is written before the first entry of a batch.

local function add(stream, route, into, first, last)
  if into == route.name then return call('XADD', stream, '*', unpack(ARGV, first, last)) end
  local fields = { unpack(ARGV, first, last) }
  for i = 1, #fields, 2 do
    if fields[i] == 'type' then fields[i + 1] = into end
  end
  return call('XADD', stream, '*', 'originaltype', route.name, unpack(fields))
end

local function append(route, identity, fingerprint, first)
  local book, search = route.book, route.search
  if book.problem then return 'E ' .. book.problem end
  local answer, bucket = look_up(search, identity, judge, route, fingerprint)
  if answer then return answer end
  local into, stream = route.at_home, route.stream
  if not into then
    into, stream = home_of(route)
    if not into then return 'E ' .. stream end
  end
  local id = add(stream, route, into, first, first + route.strings - 1)
  if failed(id) then return 'E ' .. id.err end
  local news = ''
  if not in_books[into] then
    register(into, id)
    news = ' ' .. into
  end
  remember(book, search, bucket, identity, fingerprint, letters_of[into] or '', id)
  return (into == route.name and 'A ' or 'U ') .. id .. news
end

local books, routes, at = {}, {}, 2
for i = 1, tonumber(ARGV[1] or 0) do
  local key = KEYS[2 + 2 * i]
  books[key] = books[key] or open_book(key)
  local book, present = books[key], present_slice(books[key], tonumber(ARGV[at + 1]))
  book.searches[present] = book.searches[present]
    or { present = present, names = {}, sizes = {}, slices = {} }
  routes[tostring(i)] = {
    name = ARGV[at], stream = KEYS[1 + 2 * i], book = book, search = book.searches[present],
    max_types = tonumber(ARGV[at + 2]), may_register = ARGV[at + 3] == '1',
    strings = tonumber(ARGV[at + 4]),
  }
  at = at + 5
end
-- Only now does each book have every slice that this call may write.
for _, book in pairs(books) do
  for _, search in pairs(book.searches) do lay_out(search, book) end
end

local answers, count = {}, 0
while ARGV[at] do
  local route = routes[ARGV[at]]
  count = count + 1
  answers[count] = append(route, ARGV[at + 1], ARGV[at + 2], at + 3)
  at = at + 3 + route.strings
end
for _, book in pairs(books) do close_book(book) end
return answers
