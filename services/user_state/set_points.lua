-- ARGV[8]: the user's total points; ARGV[9], ARGV[10]: the rules and their version.
-- Returns the packed record and whether the level rose; nil for an unknown user.
local points, steps = tonumber(ARGV[8]), steps_of(ARGV[9], tonumber(ARGV[10]))
local r = load(record_key)
if not r then return nil end
local step = step_for(steps, points)
if points == r.points and not (step and step.level > r.level) then
  return { redis.call('GET', record_key), 0 } -- a repeat: nothing changed, so no new version
end
return { set_points(r, points, steps, POINTS_SET) }
