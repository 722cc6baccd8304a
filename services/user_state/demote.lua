-- Re-fits users of one bucket to their points: those below the floor of their earned level, and
-- those whose hand-set level is past its protection. Never raises.
-- KEYS[1]: the prefix of the bucket's records; ARGV[2]: nothing; ARGV[3]: now; ARGV[4]: how many
-- users at most; then, by rising level, pairs of level and floor. Returns how many were re-fitted.
-- Called again until it returns fewer than ARGV[4].
local now, left = tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, levels, floors = left, {}, {}
for i = 5, #ARGV, 2 do
  levels[#levels + 1], floors[#floors + 1] = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
end

-- The same rule as Ladder.level_for; a property test holds the two together.
local function level_for(points)
  for i = #levels, 2, -1 do
    if floors[i] <= points then return levels[i] end
  end
  return levels[1]
end

local function refit(member)
  local key = record_key .. member
  local r = load(key)
  unindex(member, r)
  earn(r, math.min(r.level, level_for(r.points)))
  save(key, member, r)
  left = left - 1
end

if #levels == 0 then return 0 end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', manual_key, '-inf', now, 'LIMIT', 0, left)) do
  refit(member)
end
-- The lowest level has nothing below it, however few the points.
for i = 2, #levels do
  if left <= 0 then break end
  local below = '(' .. floors[i]
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', level_prefix .. levels[i], '-inf', below, 'LIMIT', 0, left)) do
    refit(member)
  end
end
return limit - left
