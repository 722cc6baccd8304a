-- The parameters of a call, from where its caller put them.
local json = require("json")
local text = require("text")

local parameters = {}

-- Bytes of a value as it is written, above what any contract accepts: a URL of 2,048 characters, each of them four bytes,
-- or twelve with escapes.
parameters.LONGEST = 32768

-- What is longer stays as it is: no field has such a name, and the value of a field is refused.
local function decode(escaped)
  if #escaped > parameters.LONGEST then return escaped end
  return text.decode((escaped:gsub("+", " ")))
end

local MOST = 1000 -- no contract has ten; a mebibyte of them would keep a thread of Envoy busy

-- From a query string or a form: a list of {name, value}; nil where an escape or the UTF-8 is malformed.
function parameters.from_form(form)
  local list = {}
  for pair in form:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name, value = decode(name), decode(value)
    if not name or not value or #list == MOST then return nil end
    list[#list + 1] = { name = name, value = value }
  end
  return list
end

-- From a JSON body: a list of {name, value, raw}, raw being the value as JSON; nil for what is no JSON object.
function parameters.from_json(body, most)
  if not text.is_utf8(body) then return nil end
  return json.object(body, most)
end

-- vip_level and vipLevel are one parameter: contracts give both spellings, callers know the latter.
function parameters.spelled(name)
  return (name:gsub("_(%l)", string.upper))
end

-- The name of a parameter of the call that stands in the lists more than once. Lists of scalars are joined, and what the
-- call does not read is ignored, however often it comes.
function parameters.repeated(fields, ...)
  local seen = {}
  for _, list in ipairs({ ... }) do
    for _, parameter in ipairs(list) do
      local field = fields[parameter.name]
      if field and (field.of or not field.list) then
        if seen[field.name] then return field.name end
        seen[field.name] = true
      end
    end
  end
  return nil
end

return parameters
