-- ARGV[3]: the lowest level. Returns the packed record, the old one if there is one.
local packed = redis.call('GET', record_key)
if packed then return packed end
local r = { points = 0 }
earn(r, tonumber(ARGV[3]))
return save(record_key, user, r)
