-- The dedupe index: under which identities of a tag an entry is known, and which entry that is.
--
-- Part one of five of the append script; append.lua says what comes in and what goes out.
--
-- A BOOK (hash) lists slices, each half a window long:
--   <half>:<number>  ->  <buckets> <marks>      in base 36; number = floor(server time / half),
--                                               half and time in ms
-- A slice's marks lie in BUCKETS (hashes, short enough to be listpacks), in generations:
--   <book>:<half>:<number>:<generation>:<bucket>    identity, 16 bytes  ->  mark
-- A generation begins when those before it are full. The first has the buckets that the book
-- says, the second as many, each further one four times those of the last: so a slice fills its
-- buckets well, however many marks come, and a steady one needs a single generation.
-- A MARK is 4 bytes of the body's checksum, 4 bytes for the ms from the slice's beginning to the
-- entry's (high byte first), then the type's number in letters and, if it is not 0, the sequence
-- number of the entry id. Where those ms do not fit they are FF FF FF FF, and letters, a space
-- and the whole entry id follow.
--
-- A mark is good for one window of its slice from the entry's ms on, to the ms. Buckets and
-- books go by expiry, and never before that.
--
-- Cost: per call and book one HGETALL and, if anything is new, one HSET; per event one HGET for
-- each generation of each living slice (three, where events come evenly) and, if it is new, one
-- HSET, and while buckets are new one HLEN; per bucket one PEXPIREAT.

local KEYS, ARGV, call = KEYS, ARGV, redis.pcall
local byte, char, format, match, sub =
  string.byte, string.char, string.format, string.match, string.sub
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min
local insert, sort = table.insert, table.sort

-- Marks per bucket: on average when a generation is full, and in a slice as it is planned. Up to
-- 128 a hash stays a listpack everywhere; at 96 on average one bucket in a thousand has more.
local FULL, PLANNED = 96, 80
-- Marks per bucket, on average, from which on none of a generation is empty: at 24 one in 10^10
-- is, and the digests that spread them are not for a sender to steer.
local NONE_EMPTY = 24
-- How much longer a slice is kept than its marks can need, and over what time its buckets
-- expire: an entry may be a little younger than the time at which the script began.
local MARGIN_MS = 60000
local ABSENT = '\255\255\255\255'
local DIGITS = {
  '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
  'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
}

local time = redis.call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)

local function failed(reply)
  return type(reply) == 'table' and reply.err
end

local function base36(number)
  local text = ''
  repeat
    local digit = number % 36
    text = DIGITS[digit + 1] .. text
    number = (number - digit) / 36
  until number == 0
  return text
end

local function margin(half)
  return floor(min(half / 64, MARGIN_MS))
end

local function new_slice(book, field, half, number, buckets, marks)
  local ends = half * (number + 1)
  return {
    field = field, half = half, begins = ends - half, ends = ends,
    dies = ends + 2 * half + margin(half),
    stem = book.key .. ':' .. field .. ':', buckets = buckets, marks = marks,
    -- Of each generation: how many buckets it has, and what their names begin with.
    sizes = {}, names = {}, room = 0,
    -- How many marks there are when every bucket of the last one has its expiry.
    settled = 0,
  }
end

-- Adds the generations that so many marks need.
local function grow(slice, marks)
  while slice.room < marks do
    local g = #slice.sizes
    local size = slice.buckets * (g < 2 and 1 or 4 ^ (g - 1))
    slice.sizes[g + 1], slice.names[g + 1] = size, slice.stem .. base36(g) .. ':'
    slice.settled = slice.room + NONE_EMPTY * size
    slice.room = slice.room + FULL * size
  end
end

-- Says with how many buckets a slice begins: what the least of the last three needed. A burst,
-- even across a border, then leaves no slice of thousands of nearly empty buckets behind. The
-- first slice of all is left out once there are others, for it may have begun in the middle.
local function planned_buckets(book, half, begins)
  local last, least = 0, nil
  for _, slice in ipairs(book.slices) do
    local ago = ceil((begins - slice.ends) / half) + 1
    local marks = slice.marks * half / slice.half
    if ago == 1 then last = max(last, marks) end
    if ago >= 1 and ago <= 3 and book.ends[slice.begins] then
      least = min(least or marks, marks)
    end
  end
  return max(1, ceil(min(last, least or last) / PLANNED))
end

-- Reads a book; `problem` says why it cannot be read, if so.
local function open_book(key)
  local book = { key = key, slices = {}, searches = {}, ends = {} }
  local fields = call('HGETALL', key)
  if failed(fields) then
    book.problem = fields.err
    return book
  end
  for i = 1, #fields, 2 do
    local half, number = match(fields[i], '^(%w+):(%w+)$')
    local buckets, marks = match(fields[i + 1], '^(%w+) (%w+)$')
    half, number = tonumber(half or '', 36), tonumber(number or '', 36)
    buckets, marks = tonumber(buckets or '', 36), tonumber(marks or '', 36)
    if not (half and number and buckets and marks) or half < 1 or buckets < 1 then
      book.problem = 'ERR the dedupe book is not of our form'
      return book
    end
    local slice = new_slice(book, fields[i], half, number, buckets, marks)
    slice.listed = true
    if now < slice.dies then grow(slice, max(1, marks)) end
    insert(book.slices, slice)
    book.ends[slice.ends] = true
  end
  return book
end

-- Gives the slice of the present time, whether or not its book has it yet.
local function present_slice(book, half)
  local number = floor(now / half)
  local present
  for _, slice in ipairs(book.slices) do
    if slice.half == half and slice.begins == half * number then present = slice end
    -- After a jump back buckets may be gone that were there.
    if slice.begins > now then book.went_back = true end
  end
  if not present then
    local buckets = planned_buckets(book, half, half * number)
    present = new_slice(book, base36(half) .. ':' .. base36(number), half, number, buckets, 0)
    insert(book.slices, present)
  end
  grow(present, present.marks + 1)
  return present
end

-- Lays out where marks may be: what is present first, where the next mark will be, also before
-- there is any, so that what is wrong with its bucket shows before an entry is written; then the
-- other living slices, the newest first.
local function lay_out(search, book)
  local order = {}
  for _, slice in ipairs(book.slices) do
    if slice ~= search.present and now < slice.dies then insert(order, slice) end
  end
  sort(order, function(one, other) return one.begins > other.begins end)
  insert(order, 1, search.present)
  local n = 0
  for _, slice in ipairs(order) do
    for g = #slice.sizes, 1, -1 do
      n = n + 1
      search.names[n], search.sizes[n], search.slices[n] = slice.names[g], slice.sizes[g], slice
    end
  end
end

-- Gives the entry's type in letters, its ms, and its id; nothing where the mark is not ours.
local function read_mark(slice, mark)
  local a, b, c, d = byte(mark, 5, 8)
  if sub(mark, 5, 8) == ABSENT then
    local letters, id, ms = match(mark, '^(%l*) ((%d+)%-%d+)$', 9)
    return letters, tonumber(ms or ''), id
  end
  local letters, seq = match(mark, '^(%l*)(%d*)$', 9)
  if not (letters and d) then return nil end
  local ms = slice.begins + ((a * 256 + b) * 256 + c) * 256 + d
  return letters, ms, format('%.0f-', ms) .. (seq == '' and '0' or seq)
end

-- Looks an identity up, and gives the first answer that `judge` has for a mark of it. Without
-- one it gives the key of the bucket for the next mark.
local function look_up(search, identity, judge, route, fingerprint)
  local names, sizes = search.names, search.sizes
  local a, b, c, d = byte(identity, 1, 4)
  local hash = ((a * 256 + b) * 256 + c) * 256 + d
  local home
  for i = 1, #sizes do
    local bucket = hash % sizes[i]
    local low = bucket % 36
    local high = (bucket - low) / 36
    local key = names[i] .. (DIGITS[high + 1] or base36(high)) .. DIGITS[low + 1]
    home = home or key
    local mark = call('HGET', key, identity)
    if mark then
      if failed(mark) then return 'E ' .. mark.err end
      local slice = search.slices[i]
      local letters, ms, id = read_mark(slice, mark)
      if not id then return 'E ERR the dedupe mark is not of our form' end
      if now - ms < 2 * slice.half then
        local answer = judge(route, id, letters, sub(mark, 1, 4) == fingerprint)
        if answer then return answer end
      end
    end
  end
  return nil, home
end

local function packed_ms(text, begins)
  local ms = tonumber(text) - begins
  if ms < 0 or ms >= 4294967295 then return nil end
  local low = ms % 65536
  local high = (ms - low) / 65536
  return char(floor(high / 256), high % 256, floor(low / 256), low % 256)
end

-- What the marks of a batch have in common, most likely: ms, slice and type.
local stamp, stamped = nil, { prefix = '-' }

local function new_mark(slice, fingerprint, letters, id)
  local prefix = stamped.prefix
  if sub(id, 1, #prefix) ~= prefix or slice ~= stamped.slice or letters ~= stamped.letters then
    local ms = match(id, '^%d+')
    prefix = ms .. '-'
    stamp = packed_ms(ms, slice.begins)
    stamp = stamp and stamp .. letters
    stamped = { prefix = prefix, slice = slice, letters = letters }
  end
  if not stamp then return fingerprint .. ABSENT .. letters .. ' ' .. id end
  local seq = sub(id, #prefix + 1)
  if seq == '0' then return fingerprint .. stamp end
  return fingerprint .. stamp .. seq
end

-- Remembers an entry under an identity, in the bucket that `look_up` has said.
local function remember(book, search, key, identity, fingerprint, letters, id)
  local slice = search.present
  local added = call('HSET', key, identity, new_mark(slice, fingerprint, letters, id))
  if added ~= 1 then return end
  slice.marks = slice.marks + 1
  slice.changed = true
  if (slice.marks <= slice.settled or book.went_back) and call('HLEN', key) == 1 then
    local spread = floor(byte(identity, 16) / 256 * margin(slice.half))
    call('PEXPIREAT', key, slice.dies + spread)
  end
  if slice.marks >= slice.room then
    grow(slice, slice.marks + 1)
    for _, other in pairs(book.searches) do lay_out(other, book) end
  end
end

-- Writes down what a call has changed. A slice that begins clears away the dead, but for those
-- that say how large the next will be.
local function close_book(book)
  local last, begun = 0, false
  for _, slice in ipairs(book.slices) do
    if slice.changed then
      call('HSET', book.key, slice.field, base36(slice.buckets) .. ' ' .. base36(slice.marks))
      begun = begun or not slice.listed
      last = max(last, slice.dies)
    elseif slice.listed then
      last = max(last, slice.dies)
    end
  end
  if not begun then return end
  for _, slice in ipairs(book.slices) do
    if now >= slice.dies + slice.half then call('HDEL', book.key, slice.field) end
  end
  call('PEXPIREAT', book.key, last)
end
