-- A page of one index, in its order. KEYS[1]: the index. ARGV: the points and the user behind which
-- it starts ('' as user: at these points), the points before which it ends, how many at most.
-- Returns users and points in turns. By rank it could not go on: ranks move under a reader.
local index, points, after, before, limit = KEYS[1], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

-- The index orders equal scores by bytes; Lua's own comparison would ask the locale.
local function is_behind(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = one:byte(i), other:byte(i)
    if a ~= b then return a > b end
  end
  return #one > #other
end

local low, high = 0, redis.call('ZCARD', index)
while low < high do
  local middle = math.floor((low + high) / 2)
  local found = redis.call('ZRANGE', index, middle, middle, 'WITHSCORES')
  local score = tonumber(found[2])
  if score > points or (score == points and is_behind(found[1], after)) then high = middle else low = middle + 1 end
end
local found, page = redis.call('ZRANGE', index, low, low + limit - 1, 'WITHSCORES'), {}
for i = 1, #found, 2 do
  if tonumber(found[i + 1]) >= before then break end
  page[#page + 1], page[#page + 2] = found[i], found[i + 1]
end
return page
