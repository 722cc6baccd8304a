-- What each family does to a request before it is transcoded. The functions get Envoy's handle
-- and return nothing, or a refusal {status, detail, allow}; `detail` is "field: why" where a
-- field is known, as in the transcoder's own refusals.
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

-- What goes on to a service. gRPC fails a call for a header name or a "-bin" value that HTTP
-- allows, for more than 8 KiB of headers, and for a client's own grpc-encoding.
local HTTP = { [":authority"] = true, [":method"] = true, [":path"] = true, [":scheme"] = true }
local PASSED_ON = {
  authorization = true, ["content-length"] = true, ["content-type"] = true, ["transfer-encoding"] = true,
  traceparent = true, tracestate = true, ["user-agent"] = true, ["x-request-id"] = true,
}
local LONGEST_HEADER = 1024

-- The values by name, after everything else has been removed. One look at each header costs less than asking Envoy for
-- those that the functions below need, and for the size of each.
local function clean(headers)
  local values, others = {}, nil
  for name, value in pairs(headers) do
    if HTTP[name] or PASSED_ON[name] and #value <= LONGEST_HEADER then
      values[name] = value
    else
      others = others or {}
      others[#others + 1] = name
    end
    if name == "authorization" and not values.refused and (#value > LONGEST_HEADER or value:find("[^ -~]")) then
      values.refused = true
    end
  end
  if others then
    for _, name in ipairs(others) do headers:remove(name) end
  end
  headers:replace(":authority", "gateway")
  return values
end

local MOST_BYTES = 1048576

-- The body, "" where there is none; nil and a refusal where it is too large. Envoy itself keeps at most twice as much.
-- Whatever was got from the handle before is dead after it.
local function read_body(handle)
  local body = handle:body()
  if not body then return "" end
  local length = body:length()
  if length > MOST_BYTES then return nil, { status = 413 } end
  return body:getBytes(0, length)
end

local function split(url)
  return url:match("^([^?]*)%??(.*)$")
end

-- Arrays of numbers or strings, and arrays of objects. The transcoder flattens an array in an array, drops a null, and
-- takes a lone object: a service would check another thing than the caller's.
local LISTS = {
  level = true, levels = true, gid = true, gids = true, xinyue_codes = true, xinyueCodes = true, openids = true,
}
local OBJECT_LISTS = { rules = true, conditions = true, min_versions = true, minVersions = true }

local has_odd_list

local function is_odd_item(name, item)
  if type(item) ~= "table" then return false end -- the transcoder says which one
  return LISTS[name] or OBJECT_LISTS[name] and not item.members or item.members and has_odd_list(item.members)
end

function has_odd_list(members)
  for _, member in ipairs(members) do
    local name, value = member.name, member.value
    if type(value) == "table" then
      if value.members then
        if OBJECT_LISTS[name] or has_odd_list(value.members) then return true end
      else
        for _, item in ipairs(value) do
          if is_odd_item(name, item) then return true end
        end
      end
    end
  end
  return false
end

-- 10,000 users, and 1,000 of them with a version. It takes Envoy's thread 10-20 ms (measured).
local MOST_VALUES = { ["/upbot/api/BatchCheckEligibility"] = 16384 }

local function upbot(handle, headers, values)
  local path = values[":path"]
  if path:find("?", 1, true) then
    path = split(path)
    headers:replace(":path", path)
  end
  -- The body is JSON or refused, whatever this said.
  if values["content-type"] ~= "application/json" then headers:replace("content-type", "application/json") end
  local body, refusal = read_body(handle)
  if refusal or body == "" or json.is_plain(body) then return refusal end
  local members = parameters.from_json(body, MOST_VALUES[path])
  if not members or has_odd_list(members) then return bad() end
end

local SHOP_ROUTE = "member.member-level.index"

-- In the old API the parameter `route` is the path; the shop and the member are all that goes on.
local function shop(handle, headers, values, methods)
  local _, query = split(values[":path"])
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
  if values[":method"] ~= methods then return not_allowed(methods) end
  headers:replace(":path", "/shop/" .. SHOP_ROUTE .. "?" .. table.concat(kept, "&"))
  headers:replace("content-type", "application/json")
  -- The transcoder would read parameters from a body even where the contract binds none.
  local body, refusal = read_body(handle)
  if refusal or body == "" then return refusal end
  handle:body():setBytes("{}")
end

-- The path names the user. The document's tables write useId, its paths userId.
local USER = { userId = true, useId = true }

-- The list without parameters that name the user; nil if one names another than `user`.
local function without_user(list, user)
  local others = {}
  for _, parameter in ipairs(list) do
    if not USER[parameters.spelled(parameter.name)] then
      others[#others + 1] = parameter
    elseif user and parameter.value ~= user then
      return nil
    end
  end
  return others
end

local function is_form(content_type)
  return content_type and content_type:lower():find("^%s*application/x%-www%-form%-urlencoded")
end

local function has(list, name)
  for _, parameter in ipairs(list) do
    if parameter.name == name then return true end
  end
  return false
end

local function to_json(...)
  local members = {}
  for _, list in ipairs({ ... }) do
    for _, parameter in ipairs(list) do members[#members + 1] = json.quote(parameter.name) .. ":" .. parameter.raw end
  end
  return "{" .. table.concat(members, ",") .. "}"
end

-- Query, form and JSON body become one JSON body, so that there is one place to look at and a
-- parameter given twice is seen wherever it was given.
local function member(handle, headers, values)
  local path, query = split(values[":path"])
  local prefix, escaped_user = path:match("^(/userlevel/)([^/]+)$")
  if not prefix then prefix, escaped_user = path:match("^(/userlevel/%l+/)([^/]+)$") end
  local user = escaped_user and text.decode(escaped_user)
  if escaped_user and not user then return bad("userId: malformed") end

  local in_query = parameters.from_form(query)
  if not in_query then return bad() end
  in_query = without_user(in_query, user)
  if not in_query then return bad("userId: not the user of the path") end
  local from = is_form(values["content-type"]) and parameters.from_form or parameters.from_json
  local body, refusal = read_body(handle)
  if refusal then return refusal end
  local in_body = body == "" and {} or from(body)
  if not in_body then return bad() end
  in_body = without_user(in_body)
  local twice = parameters.repeated(prefix or path, in_query, in_body)
  if twice then return bad(twice .. ": given twice") end
  if path == "/vipBiz/preview" and has_odd_list(in_body) then return bad("rules: no list of objects") end

  headers = handle:headers() -- reading the body yields, and what was got before is dead
  if user then path = prefix .. text.escape(user) end
  if prefix == "/userlevel/" and values[":method"] == "GET" and (has(in_query, "point") or has(in_body, "point")) then
    path = "/upgrade" .. path
  end
  headers:replace(":path", path)
  headers:replace("content-type", "application/json")
  handle:body(true):setBytes(to_json(in_query, in_body))
end

local FAMILIES = { upbot = upbot, member = member, shop = shop }

function requests.shape(handle, family, methods)
  local headers = handle:headers()
  local method = headers:get(":method")
  if method == "HEAD" then handle:streamInfo():dynamicMetadata():set("levelgate", "is_head", true) end
  if not methods then return nil end -- an unknown path: its route answers
  -- A path of the shop is only known by its query, so the shop looks at the method itself.
  if family ~= "shop" and method ~= methods and not (", " .. methods .. ","):find(", " .. method .. ",", 1, true) then
    return not_allowed(methods)
  end
  local values = clean(headers)
  if values.refused then return { status = 401 } end
  return FAMILIES[family](handle, headers, values, methods)
end

return requests
