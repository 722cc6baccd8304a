-- Starts a user at `level` without points. Returns the packed record, the existing one if there is one.
local packed = redis.call('GET', record_key)
if packed then return packed end
local r = { points = 0, history = '' }
set_earned(r, level)
return save_one(r, INITIALISED, { rule = rule, rules_version = rules_version })
