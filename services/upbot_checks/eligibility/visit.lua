-- Follows entries.lua. Groups the users of the page by index and by the values of the `fields` (a JSON array) of their
-- facts, so that the caller evaluates a condition once for each group. Users without any of these values are left out
-- if `left_out` has a 1 for their index, because the condition does not hold for them. The last index is that of the
-- users who have facts, if `record_prefix` is not empty: members are left out there, because the others have them.
-- Returns where the page ended (nothing if it has all entries: index, user, points), how many entries it had, and then
-- the groups: the number of the index, the values that exist, the users, and their points if `with_points` is 1.
local names, known_index = cjson.decode(fields), record_prefix ~= '' and #indexes - 1 or -1
local place = left == 0 and { page[entries - 2], page[entries - 1], page[entries] } or {}
local reply, groups, current, is_left_out = { place, entries / 3 }, {}, nil, false
local call = redis.call

local function values_of(user)
  local known = ''
  for i, value in ipairs(call('HMGET', facts_prefix .. user, unpack(names))) do
    if value then known = known .. struct.pack(VALUE, i - 1, #value) .. value end
  end
  return known
end

for k = 1, entries, 3 do
  local index, user = page[k], page[k + 1]
  if index ~= current then groups, current, is_left_out = {}, index, left_out:byte(index + 1) == 49 end
  local known = #names > 0 and values_of(user) or ''
  local is_asked = not (is_left_out and known == '')
  if is_asked and (index ~= known_index or call('EXISTS', record_prefix .. user) == 0) then
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
