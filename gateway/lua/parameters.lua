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
function parameters.from_json(body, most)
  if not text.is_utf8(body) then return nil end
  return json.object(body, most)
end

-- vip_level and vipLevel are one parameter: contracts give both spellings, callers know the latter.
function parameters.spelled(name)
  return (name:gsub("_(%l)", string.upper))
end

-- What the documented calls of the member family read. Anything else is ignored, however often it
-- comes.
local DOCUMENTED = {
  point = true, vipLevel = true, partnerId = true, id = true, name = true, downPoint = true, upPoint = true, picUrl = true,
}

-- What the later calls read, by their path up to the user. Apart from the others, for a documented
-- call goes on ignoring a `version` or `time` that its client adds.
local READ = {
  ["/userlevel/points/"] = { delta = true, billNo = true, expectedVersion = true },
  ["/userlevel/history/"] = {},
  ["/userlevel/at/"] = { time = true },
  ["/vipBiz/preview"] = { rules = true },
  ["/vipBiz/version"] = { version = true },
  ["/leveldown/plan"] = { sampleSize = true },
  ["/leveldown/atRisk"] = { points = true, pageSize = true, cursor = true },
}

-- The name of a parameter of the call that stands in the lists more than once.
function parameters.repeated(call, ...)
  local read, seen = READ[call] or DOCUMENTED, {}
  for _, list in ipairs({ ... }) do
    for _, parameter in ipairs(list) do
      local name = parameters.spelled(parameter.name)
      if read[name] and seen[name] then return name end
      seen[name] = true
    end
  end
  return nil
end

return parameters
