-- What each family does to a request before it is transcoded. The functions get Envoy's handle
-- and return nothing, or a refusal {status, detail, allow}; `detail` is "field: why" where a
-- field is known, as in the transcoder's own refusals.
local fields = require("fields")
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

local odd_field

-- Where the value is another one for the transcoder than for its caller: it flattens an array in an array, drops a null in
-- one, and takes an object for a list of them or for a time. Nil for what it reads or refuses itself, and "" for the value.
-- A text that no service accepts is odd too: the transcoder and the service would be busy with it.
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

-- The field that is given twice, or whose value is odd, as in "rules[1].vipLevel".
function odd_field(members, fields)
  local twice = parameters.repeated(fields, members)
  if twice then return twice end
  for _, member in ipairs(members) do
    local field = fields[member.name]
    local part = field and odd_part(field, member.value)
    if part then return field.name .. part end
  end
  return nil
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
  if not members or odd_field(members, fields["POST " .. path]) then return bad() end
end

local SHOP_ROUTE = "member.member-level.index"

local SHOP_PATH = "/shop/" .. SHOP_ROUTE

-- In the old API the parameter `route` is the path; of the others only those of the contract go on.
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
    elseif fields["GET " .. SHOP_PATH][name] then
      if kept[name] then return bad(name .. ": given twice") end
      if #value > parameters.LONGEST then return bad(name .. ": too long") end
      kept[name] = true
      kept[#kept + 1] = name .. "=" .. text.escape(value)
    end
  end
  if not found then return { status = 404 } end
  if values[":method"] ~= methods then return not_allowed(methods) end
  headers:replace(":path", SHOP_PATH .. "?" .. table.concat(kept, "&"))
  headers:replace("content-type", "application/json")
  -- The transcoder would read parameters from a body even where the contract binds none.
  local body, refusal = read_body(handle)
  if refusal or body == "" then return refusal end
  handle:body():setBytes("{}")
end

-- The path names the user. The document's tables write useId, its paths userId, and callers may write either as protos do.
local USER = { userId = true, useId = true, user_id = true, use_id = true }

-- The list without parameters that name the user; nil if one names another than `user`.
local function without_user(list, user)
  local others = {}
  for _, parameter in ipairs(list) do
    if not USER[parameter.name] then
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

-- A form has no `{` that is not escaped. `curl -d` calls JSON a form.
local function read_parameters(body, content_type)
  if body == "" then return {} end
  if is_form(content_type) and not body:find("^[ \t\r\n]*{") then return parameters.from_form(body) end
  return parameters.from_json(body)
end

local function has(list, name)
  for _, parameter in ipairs(list) do
    if parameter.name == name then return true end
  end
  return false
end

-- Only of what the call reads: a mebibyte that it ignores may become six.
local function to_json(read, ...)
  local members = {}
  for _, list in ipairs({ ... }) do
    for _, parameter in ipairs(list) do
      if read[parameter.name] then
        members[#members + 1] = json.quote(parameter.name) .. ":" .. (parameter.raw or json.quote(parameter.value))
      end
    end
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
  local body, refusal = read_body(handle)
  if refusal then return refusal end
  local in_body = read_parameters(body, values["content-type"])
  if not in_body then return bad() end
  in_body = without_user(in_body)
  if prefix == "/userlevel/" and values[":method"] == "GET" and (has(in_query, "point") or has(in_body, "point")) then
    prefix = "/upgrade/userlevel/"
  end
  local read = fields[values[":method"] .. " " .. (prefix or path)]
  local twice = parameters.repeated(read, in_query, in_body)
  if twice then return bad(twice .. ": given twice") end
  local odd = odd_field(in_query, read) or odd_field(in_body, read)
  if odd then return bad(odd .. ": not what the contract has") end

  headers = handle:headers() -- reading the body yields, and what was got before is dead
  if user then path = prefix .. text.escape(user) end
  headers:replace(":path", path)
  headers:replace("content-type", "application/json")
  handle:body(true):setBytes(to_json(read, in_query, in_body))
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
