-- Puts records back as an archive kept them, each with its version and history, into the bucket
-- where they now belong. KEYS[1]: the prefix of the bucket's records. ARGV[8]: the version from which
-- the bucket goes on; then users and packed records in turns.
local last = tonumber(redis.call('GET', versions_key) or 0)
if tonumber(ARGV[8]) > last then redis.call('SET', versions_key, ARGV[8]) end
for i = 9, #ARGV, 2 do
  local member, packed = ARGV[i], ARGV[i + 1]
  redis.call('SET', record_key .. member, packed)
  index(member, read(packed))
end
settle()
