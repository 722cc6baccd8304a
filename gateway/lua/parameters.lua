-- The parameters of a call, from where its caller put them.
local json = require("json")
local text = require("text")

local parameters = {}

local function decode(escaped)
  return text.decode((escaped:gsub("+", " ")))
end

local MOST = 1000 -- no contract has ten; a mebibyte of them would keep a thread of Envoy busy

-- From a query string or a form: a list of {name, value, raw}, raw being the value as JSON; nil
-- where an escape or the UTF-8 is malformed.
function parameters.from_form(form)
  local list = {}
  for pair in form:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name, value = decode(name), decode(value)
    if not name or not value or #list == MOST then return nil end
    list[#list + 1] = { name = name, value = value, raw = json.quote(value) }
  end
  return list
end

-- From a JSON body, in the same shape; nil for what is no JSON object.
function parameters.from_json(body)
  if not text.is_utf8(body) then return nil end
  return json.object(body)
end

-- vip_level and vipLevel are one parameter: contracts give both spellings, callers know the latter.
function parameters.spelled(name)
  return (name:gsub("_(%l)", string.upper))
end

-- What the contracts of the member family read. Anything else is ignored, however often it comes.
local READ = {
  point = true, vipLevel = true, partnerId = true, id = true, name = true, downPoint = true, upPoint = true, picUrl = true,
  delta = true, billNo = true, expectedVersion = true, time = true, version = true, rules = true,
  points = true, pageSize = true, cursor = true, sampleSize = true,
}

-- The name of a parameter that stands in the lists more than once.
function parameters.repeated(...)
  local seen = {}
  for _, list in ipairs({ ... }) do
    for _, parameter in ipairs(list) do
      local name = parameters.spelled(parameter.name)
      if READ[name] and seen[name] then return name end
      seen[name] = true
    end
  end
  return nil
end

return parameters
