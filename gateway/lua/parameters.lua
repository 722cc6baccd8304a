-- Reads the parameters of a call from a query string, a form or a JSON body.
local json = require("json")
local text = require("text")

local parameters = {}

-- The most bytes of a value, escapes included. It is more than any contract accepts: the longest value is a URL of
-- 2,048 characters, each of which takes four bytes, or twelve as an escape.
parameters.LONGEST = 32768

-- A longer text is not decoded: no field has such a name, and a field with such a value is refused later.
local function decode(escaped)
  if #escaped > parameters.LONGEST then return escaped end
  return text.decode((escaped:gsub("+", " ")))
end

-- No contract has ten parameters. 1 MiB of parameters would keep a thread of Envoy busy.
local MOST = 1000

-- Reads a query string or a form. Returns a list of {name, value}, or nil if an escape or the UTF-8 is malformed.
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

-- Reads a JSON body. Returns a list of {name, value, raw}, where `raw` is the value as JSON, or nil if the body is
-- not a JSON object.
function parameters.from_json(body, most)
  if not text.is_utf8(body) then return nil end
  return json.object(body, most)
end

-- Turns vip_level into vipLevel. Both are the same parameter; callers know it by the second name.
function parameters.spelled(name)
  return (name:gsub("_(%l)", string.upper))
end

-- Returns the name of a parameter that is given more than once in the lists. A repeated scalar may be given several
-- times: its values are joined. Parameters that the call does not read are ignored.
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
