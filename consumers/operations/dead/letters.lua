-- Reads one page of dead letters, without their bodies.
--
-- Part two of two, after walk.lua.
--
-- KEYS  1 stream of dead letters
-- ARGV  1 "XRANGE" for the oldest first or "XREVRANGE" for the newest, 2 where the page begins,
--       3 where it has to end, 4 how many letters at most, 5 after how many bytes to stop,
--       then the names of the fields that are wanted
-- Returns  1 the last letter's id, "" where nothing is behind it, and 2 the letters, as `told`
--          gives them
-- Cost: one XRANGE for each few letters, as many as likely fit into what is left of the bytes.

local problem = wrong_type()
if problem then return problem end

local wanted, letters = names_from(6), {}

local function take(id, flat)
  local size = size_of(flat)
  letters[#letters + 1] = told(id, size, flat, wanted)
  return size
end

local last = walk(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), take)
return { last, letters }
