-- Puts records from an archive into this bucket, each with its version and history. `users_and_records`
-- alternates between users and packed records. The bucket continues from `last_version` if that is higher.
local last = tonumber(redis.call('GET', versions_key) or 0)
if tonumber(last_version) > last then redis.call('SET', versions_key, last_version) end
for i = 1, #users_and_records, 2 do
  local member, packed = users_and_records[i], users_and_records[i + 1]
  redis.call('SET', record_key .. member, packed)
  index(member, read(packed))
end
settle()
