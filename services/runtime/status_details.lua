-- Adds google.rpc.ErrorInfo and RequestInfo, which every failure of levelgate has, to a gRPC failure without details. Such
-- a failure comes from Envoy or from a gRPC library. Their messages may name internals, so they are replaced by messages of
-- the error catalogue. error_lua.py puts the catalogue before this script, as `errors`.
--
-- Every reply passes this function. The request id comes from the response header x-request-id, because Lua does not see
-- the headers of the request here; a route's `response_headers_to_add` adds it to Envoy's own answers too.

local function failure(reason, message)
  local entry = errors.reasons[reason]
  return { reason = reason, code = entry.code, message = message or entry.message }
end

local INTERNAL = failure("INTERNAL")
local DEADLINE = failure("DEADLINE_EXCEEDED")
local TOO_LARGE = failure("MESSAGE_TOO_LARGE")
local TOO_MANY = failure("TOO_MANY_CALLS")

-- The code alone does not say enough: Envoy turns HTTP 408 and 413 into UNKNOWN, and 503 and 504 into UNAVAILABLE.
local BY_MESSAGE = {
  ["Payload Too Large"] = TOO_LARGE,
  ["malformed call"] = failure("INVALID_PARAMETER", "a gRPC call is a POST with `te: trailers` and one complete message"),
  ["malformed token"] = failure("TOKEN_INVALID", "a token is printable ASCII"),
  ["local_rate_limited"] = failure("RATE_LIMITED"),
  ["reached concurrency limit"] = TOO_MANY,
  ["request timeout"] = DEADLINE,
  ["stream timeout"] = DEADLINE,
  ["upstream request timeout"] = DEADLINE,
}
local BY_CODE = {
  ["2"] = INTERNAL,
  ["4"] = DEADLINE,
  ["8"] = TOO_MANY,
  ["12"] = failure("METHOD_UNKNOWN"),
  ["13"] = INTERNAL,
  ["14"] = failure("SERVICE_UNAVAILABLE"),
}

local LONGEST_REQUEST_ID = 128

local function failure_of(code, message)
  if BY_MESSAGE[message] then return BY_MESSAGE[message] end
  if message:find("reset reason: overflow", 1, true) then return TOO_MANY end -- a circuit breaker
  if message:find("message larger than max", 1, true) then return TOO_LARGE end -- grpcio
  return BY_CODE[code]
end

local function varint(number)
  if number < 128 then return string.char(number) end
  return string.char(128 + number % 128) .. varint(math.floor(number / 128))
end

-- Encodes a field of a protobuf message, for strings, bytes and messages.
local function field(number, bytes)
  return string.char(number * 8 + 2) .. varint(#bytes) .. bytes
end

local function any(type_name, message)
  return field(3, field(1, "type.googleapis.com/google.rpc." .. type_name) .. field(2, message))
end

local function status(failed, request_id)
  local encoded = string.char(8, failed.code) .. field(2, failed.message)
    .. any("ErrorInfo", field(1, failed.reason) .. field(2, "levelgate"))
  if request_id and #request_id <= LONGEST_REQUEST_ID then
    encoded = encoded .. any("RequestInfo", field(1, request_id))
  end
  return encoded
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local code = headers:get("grpc-status")
  if not code or code == "0" or headers:get("grpc-status-details-bin") then return end
  local failed = failure_of(code, headers:get("grpc-message") or "")
  if not failed then return end -- a service chose this code, for example the NOT_FOUND of grpc.health.v1
  headers:replace("grpc-status", tostring(failed.code))
  headers:replace("grpc-message", failed.message)
  headers:replace("grpc-status-details-bin", handle:base64Escape(status(failed, headers:get("x-request-id"))))
end
