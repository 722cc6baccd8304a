-- Searches the indexes of one bucket for users whose id begins with `prefix`. Comes after rank.lua.
-- `levels` are packed; index 2 * i holds the users who earned level i, and the next one those for whom it was set
-- manually. The search starts in index `start`, after the user `after` with `after_points` ('' starts with the first
-- user). It ends after `limit` users that it found or `most` that it examined, so that other callers get their turn.
-- Returns 1 if it reached the end, otherwise 0; the index, user and points at which it ended; and then the index, user
-- and points of each user that it found.
local CHUNK = 100
local reply, matches, examined = { 1, 0, '', 0 }, 0, 0

local function ended_at(number, index, user)
  reply[1], reply[2], reply[3], reply[4] = 0, number, user, redis.call('ZSCORE', index, user)
  return reply
end

for number = start, #levels / LEVEL_BYTES * 2 - 1 do
  local level = struct.unpack(LEVEL, levels, math.floor(number / 2) * LEVEL_BYTES + 1)
  local index = (number % 2 == 1 and manual_prefix or level_prefix) .. level
  local rank = 0
  if number == start and after ~= '' then rank = rank_after(index, after_points, after) end
  local found
  repeat
    found = redis.call('ZRANGE', index, rank, rank + CHUNK - 1)
    for _, user in ipairs(found) do
      if user:find(prefix, 1, true) == 1 then
        local at = #reply
        reply[at + 1], reply[at + 2], reply[at + 3] = number, user, redis.call('ZSCORE', index, user)
        matches = matches + 1
        if matches == limit then return ended_at(number, index, user) end
      end
    end
    rank, examined = rank + #found, examined + #found
    if examined >= most then return ended_at(number, index, found[#found]) end
  until #found < CHUNK
end
return reply
