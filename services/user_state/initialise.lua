-- ARGV[8]: the lowest level; ARGV[9], ARGV[10]: its rule and the version of the rules.
-- Returns the packed record, the old one if there is one.
local packed = redis.call('GET', record_key)
if packed then return packed end
local r = { points = 0, history = '' }
earn(r, tonumber(ARGV[8]))
return save_one(r, INITIALISED, { rule = tonumber(ARGV[9]), rule_version = tonumber(ARGV[10]) })
