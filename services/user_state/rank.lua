-- Finds the place of a user in an index. A rank itself could not serve as a position between calls: ranks change.

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

