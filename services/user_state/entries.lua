-- Reads `page`: a page of several indexes of one bucket, one index after the other, each in its own order. `indexes` are their keys.
-- The page has at most `limit` entries and starts after the user `after` in the first index ('' starts with the first
-- user). `bounds` holds for each index the lowest points and the points before which it ends. `page` gets the number
-- of the index (from 0), the user and the points, in turns, and `left` how many more it could have. A rank could not serve as a position: ranks change meanwhile.

-- The index orders equal scores by bytes. Lua's own comparison would depend on the locale.
local function comes_after(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = one:byte(i), other:byte(i)
    if a ~= b then return a > b end
  end
  return #one > #other
end

local function rank_after(index, points, user)
  local low, high = 0, redis.call('ZCARD', index)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('ZRANGE', index, middle, middle, 'WITHSCORES')
    local score = tonumber(found[2])
    if score > points or (score == points and comes_after(found[1], user)) then high = middle else low = middle + 1 end
  end
  return low
end

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
