-- Counts users of one bucket on its indexes, without reading a record.
-- KEYS[1]: the index of hand-set levels by the end of their protection. ARGV[1], ARGV[2]: the prefixes of the indexes
-- by level (earned, by hand). ARGV[3]: the time; a protection that ends by then has ended. ARGV[4]: bounds of
-- points, 4 bytes each, which ascend within a range. ARGV[5]: ranges, 13 bytes each: by hand or not, the level, and the
-- numbers of the first and last bound, from 0. Each two neighbouring bounds enclose a stretch without the upper one.
-- Returns how many ranges were counted, the hand-set levels past their protection, and then, for each stretch that
-- has users, its number (from 0, over all ranges) and how many. The caller asks again for the ranges that are left:
-- after MOST steps of about a microsecond the store must serve somebody else.
local MOST = 300
local bounds, ranges, known = ARGV[4], ARGV[5], {}
local counted, steps, stretch, at = 0, 0, 0, 1
local reply = { 0, redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[3]) }

local function bound(i)
  if not known[i] then known[i] = struct.unpack('>I4', bounds, 4 * i + 1) end
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
  local by_hand, level, first, last
  by_hand, level, first, last, at = struct.unpack('>BI4I4I4', ranges, at)
  local key = (by_hand == 1 and ARGV[2] or ARGV[1]) .. level
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
