-- What each family does to a request before it is transcoded. A function gets Envoy's handle and
-- answers nothing, or a refusal {status, detail}: `detail` is "field: why" where a field is known,
-- as in the transcoder's own refusals.
local json = require("json")
local parameters = require("parameters")
local text = require("text")

local requests = {}

local function bad(detail)
  return { status = 400, detail = detail or "malformed" }
end

local function not_allowed(methods)
  return { status = 405, allow = methods }
end

local function split(url)
  local path, query = url:match("^([^?]*)%??(.*)$")
  return path, query
end

local function content_type(headers)
  return (headers:get("content-type") or ""):lower():match("^%s*([^;%s]*)")
end

function requests.upbot(handle)
  local headers = handle:headers()
  headers:replace(":path", (split(headers:get(":path"))))
  headers:replace("content-type", "application/json") -- whatever it said: the body is JSON or refused
  local body = handle:body()
  if body and not parameters.from_json(body:getBytes(0, body:length())) then return bad() end
end

local SHOP_ROUTE = "member.member-level.index"

-- The old API's path is its parameter `route`; shop and member are all that goes on.
function requests.shop(handle, methods)
  local headers = handle:headers()
  local _, query = split(headers:get(":path"))
  local list = parameters.from_form(query)
  if not list then return bad() end
  local found, kept = false, {}
  for _, parameter in ipairs(list) do
    local name, value = parameter.name, parameter.value
    if name == "route" then
      if value ~= SHOP_ROUTE then return { status = 404 } end
      found = true
    elseif name == "i" or name == "uid" then
      if kept[name] then return bad(name .. ": given twice") end
      kept[name] = true
      kept[#kept + 1] = name .. "=" .. text.escape(value)
    end
  end
  if not found then return { status = 404 } end
  if headers:get(":method") ~= methods then return not_allowed(methods) end
  headers:replace(":path", "/shop/member.member-level.index?" .. table.concat(kept, "&"))
end

-- The documents' table writes useId, their path userId.
local USER_NAMES = { userId = true, useId = true }

local function without_user(list, user)
  local others = {}
  for _, parameter in ipairs(list) do
    if not USER_NAMES[parameters.spelled(parameter.name)] then
      others[#others + 1] = parameter
    elseif user and parameter.value ~= user then
      return nil
    end
  end
  return others
end

local function read_body(handle, is_form)
  local body = handle:body()
  if not body then return {}, nil end
  local bytes = body:getBytes(0, body:length())
  return is_form and parameters.from_form(bytes) or not is_form and parameters.from_json(bytes), body
end

function requests.member(handle)
  local headers = handle:headers()
  local method = headers:get(":method")
  local path, query = split(headers:get(":path"))
  local is_form = content_type(headers) == "application/x-www-form-urlencoded"

  local prefix, escaped = path:match("^(/userlevel/)([^/]+)$")
  if not prefix then prefix, escaped = path:match("^(/userlevel/show/)([^/]+)$") end
  local user = escaped and text.unescape(escaped)
  if escaped and not (user and text.is_utf8(user)) then return bad("userId: malformed") end

  local in_query = parameters.from_form(query)
  if not in_query then return bad() end
  in_query = without_user(in_query, user)
  if not in_query then return bad("userId: not the user of the path") end

  headers:replace("content-type", "application/json")
  local in_body, body = read_body(handle, is_form)
  headers = handle:headers() -- body() yields, and what was got before it is dead
  if not in_body then return bad() end
  in_body = without_user(in_body)

  local repeated = parameters.repeated(in_query, in_body)
  if repeated then return bad(repeated .. ": given twice") end

  local members, has_point = {}, false
  for _, list in ipairs({ in_query, in_body }) do
    for _, parameter in ipairs(list) do
      has_point = has_point or parameter.name == "point"
      members[#members + 1] = json.quote(parameter.name) .. ":" .. parameter.raw
    end
  end
  if user then path = prefix .. text.escape(user) end
  if has_point and method == "GET" and prefix == "/userlevel/" then path = "/upgrade" .. path end
  headers:replace(":path", path)
  local out = "{" .. table.concat(members, ",") .. "}"
  body = handle:body(true)
  body:setBytes(out)
end

local FAMILIES = { upbot = requests.upbot, member = requests.member, shop = requests.shop }

function requests.shape(handle, route)
  local family, methods = route:get("family"), route:get("methods")
  local shape = FAMILIES[family]
  if not shape or not methods then return nil end
  local method = handle:headers():get(":method")
  if family ~= "shop" and not (", " .. methods .. ","):find(", " .. method .. ",", 1, true) then
    return not_allowed(methods)
  end
  return shape(handle, methods)
end

return requests
