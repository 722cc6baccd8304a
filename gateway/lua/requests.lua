-- Prepares the requests of each family for the transcoder. The functions get Envoy's handle and return nil, or a
-- refusal {status, detail, allow}. If the refused field is known, `detail` is "field: why", as in the transcoder's
-- refusals.
local fields = require("fields")
local json = require("json")
local parameters = require("parameters")
local spellings = require("spellings")
local text = require("text")

local requests = {}

local function bad(detail)
  return { status = 400, detail = detail or "malformed" }
end

local function not_allowed(methods)
  return { status = 405, allow = methods }
end

-- The headers that are passed on to a service. HTTP allows header names and "-bin" values that make a gRPC call fail,
-- and so do more than 8 KiB of headers and a client's own grpc-encoding.
local HTTP = { [":authority"] = true, [":method"] = true, [":path"] = true, [":scheme"] = true }
local PASSED_ON = {
  authorization = true, ["content-length"] = true, ["content-type"] = true, ["transfer-encoding"] = true,
  traceparent = true, tracestate = true, ["user-agent"] = true, ["x-request-id"] = true,
}
local LONGEST_HEADER = 1024

-- Removes all other headers and returns the remaining values by name. Iterating once over the headers costs less than
-- asking Envoy for each header that the functions below need, and for its size.
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

-- Returns the body, "" if there is none, or nil and a refusal if it is too large. Envoy itself buffers at most twice as
-- much. Afterwards, objects that were taken from the handle before can no longer be used.
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

-- Finds values that the transcoder would not read as the caller meant them: it flattens an array in an array, drops a
-- null in an array, and reads an object as a list of one object or as a time. A string that is longer than any
-- service accepts is odd too, because the transcoder and the service would spend time on it.
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

-- Enough for 10,000 users, 1,000 of them with a version. Reading these takes Envoy's thread 10-20 ms (measured).
local MOST_VALUES = { ["/upbot/api/BatchCheckEligibility"] = 16384 }

local function upbot(handle, headers, values)
  local path = values[":path"]
  if path:find("?", 1, true) then
    path = split(path)
    headers:replace(":path", path)
  end
  -- A body that is not JSON is refused, whatever its content type.
  if values["content-type"] ~= "application/json" then headers:replace("content-type", "application/json") end
  local body, refusal = read_body(handle)
  if refusal or body == "" then return refusal end
  local read = fields["POST " .. path]
  spellings.reset()
  if not json.is_plain(body, read, spellings.note) then
    local members = parameters.from_json(body, MOST_VALUES[path])
    if not members then return bad() end
    local odd = odd_field(members, read)
    if odd then return bad(odd .. ": not what the contract has") end
  end
  local words = spellings.words()
  if words then handle:headers():replace(spellings.HEADER, words) end
end

local SHOP_ROUTE = "member.member-level.index"

local SHOP_PATH = "/shop/" .. SHOP_ROUTE

-- In the old API, the parameter `route` is the path. Only parameters of the contract are passed on.
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
  -- The transcoder would read parameters from the body although the contract binds none.
  local body, refusal = read_body(handle)
  if refusal or body == "" then return refusal end
  handle:body():setBytes("{}")
end

-- The path names the user. In the document, tables have useId and paths userId; callers may use the proto spellings
-- too.
local USER = { userId = true, useId = true, user_id = true, use_id = true }

-- Returns the list without parameters that name the user, or nil if one of them names another user than `user`, and the
-- name by which the list names the user.
local function without_user(list, user)
  local others, name = {}, nil
  for _, parameter in ipairs(list) do
    if not USER[parameter.name] then
      others[#others + 1] = parameter
    elseif user and parameter.value ~= user then
      return nil
    else
      name = parameter.name
    end
  end
  return others, name
end

local function is_form(content_type)
  return content_type and content_type:lower():find("^%s*application/x%-www%-form%-urlencoded")
end

-- `curl -d` sends JSON with the content type of a form. A form cannot begin with `{`, which would be escaped there.
-- Returns the parameters, and "form" or "json".
local function read_parameters(body, content_type)
  if body == "" then return {} end
  if is_form(content_type) and not body:find("^[ \t\r\n]*{") then return parameters.from_form(body), "form" end
  return parameters.from_json(body), "json"
end

local function has(list, name)
  for _, parameter in ipairs(list) do
    if parameter.name == name then return true end
  end
  return false
end

-- Writes only the parameters that the call reads. With escapes, 1 MiB of ignored parameters could become 6 MiB.
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

-- Turns query, form and JSON body into one JSON body, so that a parameter is found wherever it is given, and also if
-- it is given twice in different places.
local function member(handle, headers, values)
  local path, query = split(values[":path"])
  local prefix, escaped_user = path:match("^(/userlevel/)([^/]+)$")
  if not prefix then prefix, escaped_user = path:match("^(/userlevel/%l+/)([^/]+)$") end
  local user = escaped_user and text.decode(escaped_user)
  if escaped_user and not user then return bad("userId: malformed") end

  local in_query = parameters.from_form(query)
  if not in_query then return bad() end
  local user_in_query, user_in_body, kind
  in_query, user_in_query = without_user(in_query, user)
  if not in_query then return bad("userId: not the user of the path") end
  local body, refusal = read_body(handle)
  if refusal then return refusal end
  local in_body
  in_body, kind = read_parameters(body, values["content-type"])
  if not in_body then return bad() end
  in_body, user_in_body = without_user(in_body)
  if prefix == "/userlevel/" and values[":method"] == "GET" and (has(in_query, "point") or has(in_body, "point")) then
    prefix = "/upgrade/userlevel/"
  end
  local read = fields[values[":method"] .. " " .. (prefix or path)]
  local twice = parameters.repeated(read, in_query, in_body)
  if twice then return bad(twice .. ": given twice") end
  spellings.reset()
  for _, name in ipairs({ user_in_query or "userId", user_in_body or "userId" }) do
    if name ~= "userId" then spellings.note(name) end
  end
  if kind then spellings.note(kind) end
  local odd = odd_field(in_query, read) or odd_field(in_body, read)
  if odd then return bad(odd .. ": not what the contract has") end

  headers = handle:headers() -- Taken again: reading the body has invalidated the old object.
  if user then path = prefix .. text.escape(user) end
  local words = spellings.words()
  if words then headers:replace(spellings.HEADER, words) end
  headers:replace(":path", path)
  headers:replace("content-type", "application/json")
  handle:body(true):setBytes(to_json(read, in_query, in_body))
end

local FAMILIES = { upbot = upbot, member = member, shop = shop }

function requests.shape(handle, family, methods)
  local headers = handle:headers()
  local method = headers:get(":method")
  if method == "HEAD" then handle:streamInfo():dynamicMetadata():set("levelgate", "is_head", true) end
  if not methods then return nil end -- The route of unknown paths answers 404 itself.
  -- Only the query tells whether a path of the shop is known, so `shop` checks the method itself.
  if family ~= "shop" and method ~= methods and not (", " .. methods .. ","):find(", " .. method .. ",", 1, true) then
    return not_allowed(methods)
  end
  local values = clean(headers)
  if values.refused then return { status = 401 } end
  return FAMILIES[family](handle, headers, values, methods)
end

return requests
