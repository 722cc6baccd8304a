-- The error table: what went wrong, as the document of each family writes it.
local json = require("json")
local parameters = require("parameters")
local text = require("text")

local replies = {}

local BAD, BUSY = "请求参数错误，请稍后再试", "系统繁忙，请稍后再试"

-- By the HTTP status that a caller gets. 200: the caller's mistake, which its client finds by
-- reading the body; the documents know no HTTP status. Whatever is not here is a 500.
local OUTCOMES = {
  [200] = { ret = 1001, msg = BAD },
  [401] = { ret = 1002, msg = "未授权" },
  [403] = { ret = 1003, msg = "无权限" },
  [404] = { ret = 1004, msg = "接口不存在" },
  [405] = { ret = 1005, msg = "请求方法不支持" },
  [408] = { ret = 1001, msg = BAD },
  [413] = { ret = 1001, msg = "请求体过大" },
  [429] = { ret = 1006, msg = "请求过于频繁，请稍后再试" },
  [500] = { ret = 1000, msg = BUSY },
  [503] = { ret = 1000, msg = BUSY },
  [504] = { ret = 1000, msg = BUSY },
}

-- By the gRPC code of a service; any other is a 500. At 200 the message is the service's own,
-- but for INVALID_ARGUMENT, which has one text and a field.
local HTTP_STATUS = {
  INVALID_ARGUMENT = 200, NOT_FOUND = 200, ALREADY_EXISTS = 200, FAILED_PRECONDITION = 200, ABORTED = 200, OUT_OF_RANGE = 200,
  UNAUTHENTICATED = 401, PERMISSION_DENIED = 403, RESOURCE_EXHAUSTED = 429, UNAVAILABLE = 503, DEADLINE_EXCEEDED = 504,
}

-- google.rpc.Code, counted from 1.
local CODES = {
  "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
  "DATA_LOSS", "UNAUTHENTICATED",
}

local function with_field(failure)
  return failure.field and failure.msg .. ": " .. failure.field or failure.msg
end

local ENVELOPES = {
  upbot = function(failure) return ('{"ret":%d,"msg":%s}'):format(failure.ret, json.quote(failure.msg)) end,
  member = function(failure) return ('{"code":"error","msg":%s,"data":null}'):format(json.quote(with_field(failure))) end,
  shop = function(failure)
    local msg = failure.status == 401 and "请登录" or with_field(failure)
    return ('{"result":0,"msg":%s,"data":[]}'):format(json.quote(msg))
  end,
  none = function(failure)
    -- A caller of no known document has only the code to go by, and a refusal is never code 200.
    return ('{"code":%d,"msg":%s}'):format(failure.seen, json.quote(failure.msg))
  end,
}
ENVELOPES.health = ENVELOPES.none

-- The field in a refusal of the transcoder or of ours, in the spelling of JSON: "rules[1].vipLevel".
local function refused_field(detail)
  local field = detail:match("^([%a_][%w_.%[%]]*): ")
  return field and parameters.spelled(field)
end

local function error_info(members)
  for _, detail in ipairs(json.get(members, "details") or {}) do
    local info = detail.members or {}
    if json.get(info, "@type") == "type.googleapis.com/google.rpc.ErrorInfo" then
      local metadata = json.get(info, "metadata")
      return metadata and metadata.members or {}
    end
  end
  return {}
end

local function failure_at(status)
  local outcome = OUTCOMES[status]
  if not outcome then status, outcome = 500, OUTCOMES[500] end
  return { status = status, seen = status, ret = outcome.ret, msg = outcome.msg }
end

-- What a service said, from its google.rpc.Status.
local function service_failure(code, message, info)
  local name = CODES[code] or "UNKNOWN"
  local failure = failure_at(HTTP_STATUS[name] or 500)
  failure.code = code
  failure.ret = tonumber(json.get(info, "ret")) or failure.ret
  if name == "INVALID_ARGUMENT" then
    failure.field = json.get(info, "field")
  elseif failure.status == 200 and message ~= "" then
    failure.msg = message
  end
  return failure
end

-- What Envoy, the transcoder or this filter refused.
local function local_failure(status, body)
  if status ~= 400 then return failure_at(status) end
  local failure = failure_at(200)
  failure.seen, failure.field = 400, refused_field(body)
  return failure
end

local function read_failure(status, headers, body)
  -- The transcoder's content type; a local reply is text/plain.
  local members = headers.content_type == "application/json" and json.object(body) or nil
  local code = members and json.get(members, "code")
  if type(code) == "number" then
    return service_failure(code, tostring(json.get(members, "message") or ""), error_info(members))
  end
  -- The transcoder leaves a status in the headers if it has details of a type it does not know.
  code = tonumber(headers.code)
  if code and code ~= 0 then return service_failure(code, text.unescape(headers.message) or "", {}) end
  return local_failure(status, body)
end

local function clean(headers)
  local names = {}
  for name in pairs(headers) do
    if name:find("^grpc%-") or name:find("^x%-envoy%-") then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do headers:remove(name) end
end

-- What is left to do to an answer that is no failure.
local SUCCESSES = {
  health = function() return '{"code":0,"msg":"ok"}' end,
  -- "goods" has a second shape, and Python's protobuf crashes on two fields of one JSON name.
  shop = function(body) return (body:gsub('"goods_other_shape":', '"goods":')) end,
}

local JSON = "application/json; charset=utf-8"

-- An answer to HEAD gets no body: Envoy would send it after the headers all the same, and the client take it for its next
-- answer. `requests.shape` notes the method. A call over the rate limit does not come that far, but only HEAD has no body
-- then.
local function is_head(handle, status, code)
  local noted = handle:streamInfo():dynamicMetadata():get("levelgate")
  return noted and noted.is_head or status == "429" and not code and not handle:body()
end

local function set_body(handle, make)
  local body = handle:body(true)
  body:setBytes(make(body:getBytes(0, body:length())))
end

local function shape_success(handle, headers, family)
  if headers:get("content-type") or family == "health" then headers:replace("content-type", JSON) end
  if not SUCCESSES[family] then return end
  if not is_head(handle) then set_body(handle, SUCCESSES[family]) end
end

local function shape_failure(handle, family, status, grpc)
  handle:headers():replace("content-type", JSON)
  local has_body = not is_head(handle, status, grpc.code)
  local body = has_body and handle:body(true) or ""
  if has_body then body = body:getBytes(0, body:length()) end
  local failure = read_failure(tonumber(status), grpc, body)
  -- A path of no family has no client that reads 200 as a refusal.
  local seen = ENVELOPES[family] == ENVELOPES.none and failure.seen or failure.status
  handle:headers():replace(":status", tostring(seen))
  if failure.code then handle:streamInfo():dynamicMetadata():set("levelgate", "grpc", failure.code) end
  if has_body then set_body(handle, function() return ENVELOPES[family](failure) end) end
end

-- What a service sends with an answer that is none of a JSON client's business. A failure may come from anywhere, with
-- anything: `clean` looks at all it has. Looking at each header of each answer would cost every call 5 us.
local GRPC_HEADERS = { "grpc-status", "grpc-message", "grpc-accept-encoding", "grpc-encoding" }

function replies.shape(handle, family)
  local headers = handle:headers()
  local status = headers:get(":status")
  local code = headers:get("grpc-status")
  headers:replace("cache-control", "no-store")
  if #status == 3 and status < "400" and (not code or code == "0") then
    for _, name in ipairs(GRPC_HEADERS) do headers:remove(name) end
    return shape_success(handle, headers, family)
  end
  local grpc = {
    code = code,
    message = headers:get("grpc-message") or "",
    content_type = headers:get("content-type"),
  }
  clean(headers)
  -- Without a route it was refused before any filter saw it, and local_reply_config wrote the body.
  if handle:streamInfo():routeName() ~= "" then shape_failure(handle, family, status, grpc) end
end

return replies
