-- Sets the user's total points. Returns the packed record and whether the level rose; nil for an unknown user.
local levels = read_thresholds(thresholds, rules_version)
local r = load(record_key)
if not r then return nil end
local earned = earned_level(levels, points)
if points == r.points and not (earned and earned.level > r.level) then
  return { redis.call('GET', record_key), 0 } -- a repeat: nothing changed, so no new version
end
return { change_points(r, points, levels, POINTS_SET) }
