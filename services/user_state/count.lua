-- Counts users of one bucket in its indexes, without reading a record.
-- `bounds` are points that rise within a range. `ranges` name an index each (manual or not, and the level) and the
-- numbers of its first and last bound, from 0. Two neighbouring bounds enclose a stretch, which excludes the upper one.
-- Returns how many ranges were counted, how many manual levels are past their protection at `now`, and then, for each
-- stretch that has users, its number (from 0, over all ranges) and how many. The caller asks again for the remaining
-- ranges: after MOST steps of about a microsecond each, other callers get their turn.
local MOST = 300
local known = {}
local counted, steps, stretch, at = 0, 0, 0, 1
local reply = { 0, redis.call('ZCOUNT', protections_key, '-inf', now) }

local function bound(i)
  if not known[i] then known[i] = struct.unpack(BOUND, bounds, 4 * i + 1) end
  return known[i]
end

local function add(position, users)
  if users > 0 then reply[#reply + 1], reply[#reply + 2] = stretch + position, users end
end

-- Where there are few users, reading their points is cheaper than a search for each bound.
local function count_by_points(key, first, last)
  local found = redis.call('ZRANGEBYSCORE', key, bound(first), '(' .. bound(last), 'WITHSCORES')
  local i, users = first, 0
  for k = 2, #found, 2 do
    local points = tonumber(found[k])
    if points >= bound(i + 1) then
      add(i - first, users)
      users = 0
      repeat i = i + 1 until points < bound(i + 1)
    end
    users = users + 1
  end
  add(i - first, users)
end

local function count_by_bounds(key, first, last, total)
  local i, below = first, 0
  while below < total do
    i = i + 1
    local users = i == last and total or redis.call('ZCOUNT', key, bound(first), '(' .. bound(i))
    add(i - 1 - first, users - below)
    below = users
  end
end

while at <= #ranges and steps < MOST do
  local is_manual, level, first, last
  is_manual, level, first, last, at = struct.unpack(RANGE, ranges, at)
  local key = (is_manual == 1 and manual_prefix or level_prefix) .. level
  local total = redis.call('ZCOUNT', key, bound(first), '(' .. bound(last))
  if total > 0 and last - first == 1 then
    add(0, total)
  elseif total > 0 and total <= 2 * (last - first) then
    count_by_points(key, first, last)
    steps = steps + total
  elseif total > 0 then
    count_by_bounds(key, first, last, total)
    steps = steps + last - first
  end
  steps, counted, stretch = steps + 1, counted + 1, stretch + last - first
end
reply[1] = counted
return reply
