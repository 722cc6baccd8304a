-- ARGV[3]: the level; ARGV[4]: the end of its protection; ARGV[5]: the partner.
-- Returns the packed record; nil for an unknown user.
local r = load(record_key)
if not r then return nil end
unindex(user, r)
r.level, r.source, r.protected_until, r.partner = tonumber(ARGV[3]), MANUAL, tonumber(ARGV[4]), ARGV[5]
return save(record_key, user, r)
