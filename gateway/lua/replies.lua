-- Writes every answer in the form that the document of its family has; errors from the error
-- catalogue, services/runtime/error_catalogue.py.
local errors = require("error_table")
local field_names = require("field_names")
local json = require("json")
local parameters = require("parameters")
local text = require("text")

local replies = {}

local INVALID_ARGUMENT = 3

local function with_field(failure)
  return failure.field_in_text and failure.text .. ": " .. failure.field_in_text or failure.text
end

local ENVELOPES = {
  upbot = function(failure) return ('{"ret":%d,"msg":%s}'):format(failure.ret, json.quote(failure.text)) end,
  member = function(failure) return ('{"code":"error","msg":%s,"data":null}'):format(json.quote(with_field(failure))) end,
  shop = function(failure)
    local msg = failure.shop_text or with_field(failure)
    return ('{"result":0,"msg":%s,"data":[]}'):format(json.quote(msg))
  end,
  none = function(failure)
    -- This client follows no document, so the code has to say that the call failed: never 200.
    return ('{"code":%d,"msg":%s}'):format(failure.seen, json.quote(failure.text))
  end,
}
ENVELOPES.health = ENVELOPES.none

-- The field that a refusal of the transcoder or of this filter names: "rules[1].vipLevel".
-- For a number or a text in a list, the transcoder always says that it is the first one, so that index is left out.
local function refused_field(detail)
  local field = detail:match("^([%a_][%w_.%[%]]*): ")
  if field and detail:find(" for type TYPE_[%u%d]+$") then field = field:gsub("%[0%]$", "") end
  return field
end

local function error_info(members)
  for _, detail in ipairs(json.get(members, "details") or {}) do
    local info = detail.members or {}
    if json.get(info, "@type") == "type.googleapis.com/google.rpc.ErrorInfo" then
      local metadata = json.get(info, "metadata")
      return metadata and metadata.members or {}, json.get(info, "reason")
    end
  end
  return {}
end

local function failure_at(status)
  local outcome = errors.outcomes[status]
  if not outcome then status, outcome = 500, errors.outcomes[500] end
  return {
    status = status, seen = status, ret = outcome.ret, text = outcome.text, shop_text = outcome.shop_text,
    reason = outcome.reason, retry_after = outcome.retry_after,
  }
end

-- The failure of a service, from its google.rpc.Status.
local function service_failure(code, message, info, reason)
  local failure = failure_at(errors.http_status[code] or 500)
  failure.code = code
  failure.reason = errors.reasons[reason] and reason or errors.reason_of_code[code] or failure.reason
  failure.field = json.get(info, "field")
  failure.ret = tonumber(json.get(info, "ret")) or failure.ret
  if code == INVALID_ARGUMENT then
    -- The message of the service is in English; the client gets the text of the catalogue and the field.
    failure.field_in_text = failure.field
  elseif failure.status == 200 and message ~= "" then
    failure.text = message
  end
  return failure
end

-- The failure of a request that Envoy, the transcoder or this filter refused.
local function local_failure(status, body, reason)
  local failure = failure_at(status == 400 and 200 or status)
  -- local_reply_config sees more of Envoy's own refusals than their status.
  failure.reason = reason or failure.reason
  if status == 400 then
    failure.seen, failure.field = 400, refused_field(body)
    failure.field_in_text = failure.field and parameters.spelled(failure.field)
  end
  return failure
end

local function read_failure(status, headers, body)
  -- The transcoder answers with this content type; Envoy's own answers are text/plain.
  local members = headers.content_type == "application/json" and json.object(body) or nil
  local code = members and json.get(members, "code")
  if type(code) == "number" then
    return service_failure(code, tostring(json.get(members, "message") or ""), error_info(members))
  end
  -- The transcoder leaves the status in the headers if its details have a type that it does not know.
  code = tonumber(headers.code)
  if code and code ~= 0 then return service_failure(code, text.unescape(headers.message) or "", {}) end
  return local_failure(status, body, headers.reason)
end

-- The headers by which a program tells failures apart. No value has bytes of the caller.
local function add_headers(headers, family, failure)
  local field = field_names.spelled(family, failure.field)
  headers:replace("x-levelgate-reason", failure.reason)
  if field then headers:replace("x-levelgate-field", field) end
  if failure.retry_after then headers:replace("retry-after", failure.retry_after) end
end

local function clean(headers)
  local names = {}
  for name in pairs(headers) do
    if name:find("^grpc%-") or name:find("^x%-envoy%-") then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do headers:remove(name) end
end

-- What has to be changed in a successful answer.
local SUCCESSES = {
  health = function() return '{"code":0,"msg":"ok"}' end,
  -- "goods" has a second shape. Python's protobuf crashes if two fields have the same JSON name.
  shop = function(body) return (body:gsub('"goods_other_shape":', '"goods":')) end,
}

local JSON = "application/json; charset=utf-8"

-- An answer to HEAD gets no body: Envoy would send it, and the client would read it as its next answer. `requests.shape`
-- notes the method. A call over the rate limit does not reach it; then only an answer to HEAD has no body.
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
  -- Clients of a path of no family do not know that HTTP 200 may be an error.
  local seen = ENVELOPES[family] == ENVELOPES.none and failure.seen or failure.status
  handle:headers():replace(":status", tostring(seen))
  add_headers(handle:headers(), family, failure)
  if failure.code then handle:streamInfo():dynamicMetadata():set("levelgate", "grpc", failure.code) end
  if has_body then set_body(handle, function() return ENVELOPES[family](failure) end) end
end

-- Headers of a service that JSON clients must not see. For a failure `clean` checks all headers, because a failure may
-- come from anywhere; to do so for each answer would cost every call 5 us.
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
    reason = headers:get("x-levelgate-reason"),
  }
  clean(headers)
  -- Without a route the request was refused before any filter saw it, and local_reply_config wrote the body.
  if handle:streamInfo():routeName() ~= "" then shape_failure(handle, family, status, grpc) end
end

return replies
