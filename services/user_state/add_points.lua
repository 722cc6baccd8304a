-- Adds `delta` to the user's total points, once for each idempotency key (`bill_key`), which is known for
-- `bill_seconds`. `expected_version` is the version that the user must have, -1 for any.
-- Returns the outcome and: for DONE and REPEAT the result, packed as ADDED; for VERSION the user's version; for
-- RANGE the user's points; nothing for UNKNOWN.
local MAX_POINTS = 2147483647
local answered = redis.call('GET', bill_key)
if answered then return { 'REPEAT', answered } end
local r = load(record_key)
if not r then return { 'UNKNOWN' } end
if expected_version >= 0 and expected_version ~= r.version then return { 'VERSION', r.version } end
local total = r.points + delta
if total < 0 or total > MAX_POINTS then return { 'RANGE', r.points } end
local _, rose = change_points(r, total, read_thresholds(thresholds, rules_version), POINTS_ADDED)
local answer = pack(ADDED, delta, r.points, r.level, rose, r.version)
redis.call('SET', bill_key, answer, 'EX', bill_seconds)
return { 'DONE', answer }
