-- Sets `level` for `partner`, protected from demotion until `protected_until`.
-- Returns the packed record; nil for an unknown user.
local r = load(record_key)
if not r then return nil end
r.level, r.source, r.protected_until, r.partner = level, MANUAL, protected_until, partner
return save_one(r, SET_MANUALLY, { partner = partner })
