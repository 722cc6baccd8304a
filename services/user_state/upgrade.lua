-- ARGV[3]: the user's total points; ARGV[4]: the level they earn, -1 for none.
-- Returns the packed record and whether the level rose; nil for an unknown user.
local points, earned = tonumber(ARGV[3]), tonumber(ARGV[4])
local r = load(record_key)
if not r then return nil end
local rises = earned > r.level
if not rises and points == r.points then
  return { redis.call('GET', record_key), 0 } -- a repeat: nothing changed, so no new version
end
unindex(user, r)
r.points = points
if rises then earn(r, earned) end
return { save(record_key, user, r), rises and 1 or 0 }
