-- Follows entries.lua. Groups the users of the page by index and by the values of the `fields` (a JSON array) of their
-- facts, so that the caller evaluates a condition once for each group. The last index is that of the users who have
-- facts, if `record_prefix` is not empty: members are left out there, because the other indexes have them.
-- Returns where the page ended (nothing if it has all entries: index, user, points), how many entries it had, and then
-- the groups: the number of the index, the values that exist, the users, and their points if `with_points` is 1.
local names, known_index = cjson.decode(fields), record_prefix ~= '' and #indexes - 1 or -1
local place = left == 0 and { page[#page - 2], page[#page - 1], page[#page] } or {}
local reply, groups, current = { place, #page / 3 }, {}, nil

local function values_of(user)
  if #names == 0 then return '' end
  local known = ''
  for i, value in ipairs(redis.call('HMGET', facts_prefix .. user, unpack(names))) do
    if value then known = known .. struct.pack(VALUE, i - 1, #value) .. value end
  end
  return known
end

for k = 1, #page, 3 do
  local index, user = page[k], page[k + 1]
  if index ~= current then groups, current = {}, index end
  if index ~= known_index or redis.call('EXISTS', record_prefix .. user) == 0 then
    local known = values_of(user)
    local group = groups[known]
    if not group then
      group = { index, known, {}, {} }
      groups[known], reply[#reply + 1] = group, group
    end
    group[3][#group[3] + 1] = user
    if with_points == 1 then group[4][#group[4] + 1] = page[k + 2] end
  end
end
return reply
