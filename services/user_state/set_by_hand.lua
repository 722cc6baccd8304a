-- ARGV[8]: the level; ARGV[9]: the end of its protection; ARGV[10]: the partner.
-- Returns the packed record; nil for an unknown user.
local r = load(record_key)
if not r then return nil end
r.level, r.source, r.protected_until, r.partner = tonumber(ARGV[8]), MANUAL, tonumber(ARGV[9]), ARGV[10]
return save_one(r, SET_BY_HAND, { partner = r.partner })
