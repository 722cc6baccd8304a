-- Reads `page`: a page of several indexes of one bucket, one index after the other, each in its own order. Comes after
-- rank.lua. `indexes` are their keys. The page has at most `limit` entries and starts after the user `after` in the
-- first index ('' starts with the first user). `bounds` holds for each index the lowest points and the points before
-- which it ends. `page` gets the number of the index (from 0), the user and the points, in turns, and `left` how many
-- more entries it could have.
local page, entries, left = {}, 0, limit
for i, index in ipairs(indexes) do
  if left == 0 then break end
  local least, before, found = tonumber(bounds[2 * i - 1]), tonumber(bounds[2 * i]), nil
  if i == 1 and after ~= '' then
    local rank = rank_after(index, least, after)
    found = redis.call('ZRANGE', index, rank, rank + left - 1, 'WITHSCORES')
  else
    found = redis.call('ZRANGEBYSCORE', index, least, '+inf', 'WITHSCORES', 'LIMIT', 0, left)
  end
  for k = 1, #found, 2 do
    if tonumber(found[k + 1]) >= before then break end
    page[entries + 1], page[entries + 2], page[entries + 3] = i - 1, found[k], found[k + 1]
    entries, left = entries + 3, left - 1
  end
end
