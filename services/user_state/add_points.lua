-- KEYS[5]: what the bill number stands for. ARGV[8]: the points to add; ARGV[9], ARGV[10]: the
-- rules and their version; ARGV[11]: the version that the user must be at, -1 for any; ARGV[12]:
-- the seconds that the bill number is kept.
-- Returns what became of it, and with it: DONE and REPEAT the answer as state.py reads it,
-- VERSION the version, RANGE the total; UNKNOWN nothing.
local MOST = 2147483647
local answered = redis.call('GET', KEYS[5])
if answered then return { 'REPEAT', answered } end
local r = load(record_key)
if not r then return { 'UNKNOWN' } end
local expected, delta = tonumber(ARGV[11]), tonumber(ARGV[8])
if expected >= 0 and expected ~= r.version then return { 'VERSION', r.version } end
local total = r.points + delta
if total < 0 or total > MOST then return { 'RANGE', r.points } end
local _, rose = set_points(r, total, steps_of(ARGV[9], tonumber(ARGV[10])), POINTS_ADDED)
local answer = pack('>i4I4I4BI8', delta, r.points, r.level, rose, r.version)
redis.call('SET', KEYS[5], answer, 'EX', ARGV[12])
return { 'DONE', answer }
