-- Makes the group of a stream that it is given again, with the stream.
--
-- A part of other scripts, which have written before they call it: a full server would refuse it.

-- Whether it was made now: then nobody may know of the stream yet. Nothing where nobody asked.
local made
local function make_group(key, group)
  if made ~= nil then return end
  local reply = redis.pcall('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM')
  made = reply.ok and true or false
end
