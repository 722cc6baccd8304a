-- The names of fields that an answer may have in a header: only those of the contracts of its family.
local fields = require("fields")

local field_names = {}

local LONGEST = 256

-- By family: each spelling of a field, and the one that JSON callers know.
local NAMES = { upbot = {}, member = {}, shop = {} }

local function add(names, message, seen)
  if not message or seen[message] then return end
  seen[message] = true
  for spelling, field in pairs(message) do
    names[spelling] = field.name
    add(names, field.of, seen)
  end
end

for call, message in pairs(fields) do
  add(NAMES[call:match("^%u+ /(%l+)/")] or NAMES.member, message, {})
end

-- Returns the path of a field, "rules[1].vipLevel", as JSON spells it; nil if a part of it is not in the contracts.
function field_names.spelled(family, path)
  local names = NAMES[family]
  if not names or not path or #path > LONGEST then return nil end
  local parts = {}
  for part in path:gmatch("[^.]+") do
    local name, index = part:match("^([%a_][%w_]*)([%[%]%d]*)$")
    if not name or not names[name] then return nil end
    parts[#parts + 1] = names[name] .. index
  end
  return table.concat(parts, ".")
end

return field_names
