-- Finds values that the transcoder would not read as the caller meant them: it flattens an array in an array, drops a
-- null in an array, and reads an object as a list of one object or as a time. A string that is longer than any
-- service accepts is odd too, because the transcoder and the service would spend time on it.
local parameters = require("parameters")
local spellings = require("spellings")

local odd_field

-- Returns the path from the field to the odd value, "" if the value itself is odd, or nil.
local function odd_part(field, value)
  if type(value) == "string" then return #value > parameters.LONGEST and "" or nil end
  if type(value) ~= "table" then return nil end
  if value.literal then return nil end
  if value.members then
    if field.list or not field.of then return "" end
    local inner = odd_field(value.members, field.of)
    return inner and "." .. inner
  end
  if not field.list then return "" end
  for number, item in ipairs(value) do
    if type(item) == "string" then
      if #item > parameters.LONGEST then return ("[%d]"):format(number - 1) end
    elseif type(item) == "table" then
      if not field.of or not item.members then return "" end
      local inner = odd_field(item.members, field.of)
      if inner then return ("[%d].%s"):format(number - 1, inner) end
    end
  end
  return nil
end

-- Returns the path of a field that is given twice or whose value is odd, for example "rules[1].vipLevel", or nil.
function odd_field(members, fields)
  local twice = parameters.repeated(fields, members)
  if twice then return twice end
  for _, member in ipairs(members) do
    local field = fields[member.name]
    if field and field.name ~= member.name then spellings.note(member.name) end
    local part = field and odd_part(field, member.value)
    if part then return field.name .. part end
  end
  return nil
end

return odd_field
