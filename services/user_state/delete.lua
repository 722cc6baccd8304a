-- Returns 1 if there was a user, else 0. The counter of versions stays and counts the deletion,
-- so that a user who comes back never sees an old version again.
local r = load(record_key)
if not r then return 0 end
reserve(1)
announce(user, NOBODY, r, entry(r, DELETED, {}))
unindex(user, r)
redis.call('DEL', record_key)
settle()
return 1
