-- Re-evaluates up to `limit` users of one bucket by their points: those whose points no longer keep the level
-- that they earned, and those whose manual level is past its protection. Never raises a level.
-- `demotion_thresholds` lists levels and the lowest points that keep each. Users with fewer points must earn a
-- lower level, otherwise they would be found again and again.
-- Returns how many users this call re-evaluated, and how many this run did in this bucket, whichever process
-- carried it out. The caller repeats the call until it re-evaluates fewer than `limit`.
local COUNT_SECONDS = 86400
local levels = read_thresholds(thresholds, rules_version)
local left, NO_RULE = limit, {}

local function reevaluate(members)
  if #members == 0 then return end
  local keys = {}
  for i, member in ipairs(members) do keys[i] = record_key .. member end
  reserve(#members)
  for i, packed in ipairs(redis.call('MGET', unpack(keys))) do
    local r = read(packed)
    local earned = earned_level(levels, r.points)
    local falls = earned.level < r.level
    set_earned(r, math.min(r.level, earned.level))
    save(keys[i], members[i], r, DEMOTED, falls and earned or NO_RULE)
  end
  left = left - #members
end

if #levels == 0 then return { 0, 0 } end
reevaluate(redis.call('ZRANGEBYSCORE', protections_key, '-inf', math.floor(now / 1000), 'LIMIT', 0, left))
local at = 1
while at <= #demotion_thresholds and left > 0 do
  local level, points
  level, points, at = struct.unpack(DEMOTION_THRESHOLD, demotion_thresholds, at)
  reevaluate(redis.call('ZRANGEBYSCORE', level_prefix .. level, '-inf', '(' .. points, 'LIMIT', 0, left))
end
if left < limit then settle() end
local counted_run, before = (redis.call('GET', demoted_key) or ''):match('^(.*):(%d+)$')
local total = (counted_run == run and tonumber(before) or 0) + limit - left
if left < limit then redis.call('SET', demoted_key, run .. ':' .. total, 'EX', COUNT_SECONDS) end
return { limit - left, total }
