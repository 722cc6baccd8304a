-- Deletes the user. Returns 1, or 0 for an unknown user. The bucket's counter of versions stays and counts the
-- deletion, so a user who comes back never gets an old version again.
local r = load(record_key)
if not r then return 0 end
reserve(1)
announce(user, NO_USER, r, entry(r, DELETED, {}))
unindex(user, r)
redis.call('DEL', record_key)
settle()
return 1
