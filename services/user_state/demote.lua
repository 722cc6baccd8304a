-- Re-fits users of one bucket to their points: those whose points no longer keep the level that
-- they earned, and those whose hand-set level is past its protection. Never raises.
-- KEYS[1]: the prefix of the bucket's records; KEYS[5]: how many this run re-fitted here.
-- ARGV[8]: how many users at most; ARGV[9], ARGV[10]: the rules and their version; ARGV[11]: the
-- run; ARGV[12]: the levels to look at and the fewest points that keep each, as Crowd.demote packs
-- them. Whoever has fewer must earn a lower level, or would be found again and again.
-- Returns how many were re-fitted now, and by this run in all, whoever drove it.
-- Called again until it re-fits fewer than ARGV[8].
local KEPT_SECONDS = 86400
local limit, steps, run = tonumber(ARGV[8]), steps_of(ARGV[9], tonumber(ARGV[10])), ARGV[11]
local left, NO_RULE = limit, {}

local function refit(members)
  if #members == 0 then return end
  local keys = {}
  for i, member in ipairs(members) do keys[i] = record_key .. member end
  reserve(#members)
  for i, packed in ipairs(redis.call('MGET', unpack(keys))) do
    local r = read(packed)
    local step = step_for(steps, r.points)
    local falls = step.level < r.level
    earn(r, math.min(r.level, step.level))
    save(keys[i], members[i], r, DEMOTED, falls and step or NO_RULE)
  end
  left = left - #members
end

if #steps == 0 then return { 0, 0 } end
refit(redis.call('ZRANGEBYSCORE', manual_key, '-inf', math.floor(now / 1000), 'LIMIT', 0, left))
for at = 1, #ARGV[12], 8 do
  if left <= 0 then break end
  local level, below = struct.unpack('>I4I4', ARGV[12], at)
  refit(redis.call('ZRANGEBYSCORE', level_prefix .. level, '-inf', '(' .. below, 'LIMIT', 0, left))
end
if left < limit then settle() end
local of_run, before = (redis.call('GET', KEYS[5]) or ''):match('^(.*):(%d+)$')
local total = (of_run == run and tonumber(before) or 0) + limit - left
if left < limit then redis.call('SET', KEYS[5], run .. ':' .. total, 'EX', KEPT_SECONDS) end
return { limit - left, total }
