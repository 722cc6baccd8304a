-- Gives a gRPC failure without details those that every failure of levelgate has: google.rpc.ErrorInfo and RequestInfo.
-- Such a failure comes from Envoy, or from a gRPC library, before any code of ours saw the call. Their words may name
-- what nobody outside should know, so they only choose one of the sentences below.
--
-- Every reply passes this function, so one that is no failure costs one look at its headers. The request id is taken from
-- the response header x-request-id, which a route's `response_headers_to_add` gives to Envoy's own answers too: Lua does
-- not see the request's headers here.

-- By google.rpc.Code. `reason` is a Reason of levelgate.access.v1 without its prefix.
local INTERNAL = { code = 13, reason = "INTERNAL", message = "internal error" }
local DEADLINE = { code = 4, reason = "DEADLINE_EXCEEDED", message = "the deadline passed" }
local TOO_LARGE = { code = 8, reason = "MESSAGE_TOO_LARGE", message = "the request is larger than this method accepts" }
local RATE_LIMITED = { code = 8, reason = "RATE_LIMITED", message = "too many calls a second; call again later" }
local TOO_MANY = { code = 8, reason = "TOO_MANY_CALLS", message = "too many calls are under way; call again later" }
local MALFORMED = {
  code = 3, reason = "INVALID_PARAMETER", message = "a gRPC call is a POST with `te: trailers` and one complete message",
}
local TOKEN_INVALID = { code = 16, reason = "TOKEN_INVALID", message = "a token is printable ASCII" }
local UNKNOWN_METHOD = { code = 12, reason = "METHOD_UNKNOWN", message = "there is no such method" }
local UNAVAILABLE = { code = 14, reason = "SERVICE_UNAVAILABLE", message = "no instance of the service answers" }

-- Where the code alone is too little: Envoy makes UNKNOWN of HTTP 408 and 413, and UNAVAILABLE of 503 and 504.
local BY_MESSAGE = {
  ["Payload Too Large"] = TOO_LARGE,
  ["malformed call"] = MALFORMED,
  ["malformed token"] = TOKEN_INVALID,
  ["local_rate_limited"] = RATE_LIMITED,
  ["reached concurrency limit"] = TOO_MANY,
  ["request timeout"] = DEADLINE,
  ["stream timeout"] = DEADLINE,
  ["upstream request timeout"] = DEADLINE,
}
local BY_CODE = {
  ["2"] = INTERNAL, ["4"] = DEADLINE, ["8"] = TOO_MANY, ["12"] = UNKNOWN_METHOD, ["13"] = INTERNAL, ["14"] = UNAVAILABLE,
}

local LONGEST_REQUEST_ID = 128

local function failure_of(code, message)
  local failure = BY_MESSAGE[message]
  if failure then return failure end
  if message:find("reset reason: overflow", 1, true) then return TOO_MANY end -- a circuit breaker
  if message:find("message larger than max", 1, true) then return TOO_LARGE end -- grpcio
  return BY_CODE[code]
end

local function varint(number)
  if number < 128 then return string.char(number) end
  return string.char(128 + number % 128) .. varint(math.floor(number / 128))
end

-- A field of a protobuf message that is a string, bytes or a message.
local function field(number, bytes)
  return string.char(number * 8 + 2) .. varint(#bytes) .. bytes
end

local function any(type_name, message)
  return field(3, field(1, "type.googleapis.com/google.rpc." .. type_name) .. field(2, message))
end

local function status(failure, request_id)
  local encoded = string.char(8, failure.code) .. field(2, failure.message)
    .. any("ErrorInfo", field(1, failure.reason) .. field(2, "levelgate"))
  if request_id and #request_id <= LONGEST_REQUEST_ID then
    encoded = encoded .. any("RequestInfo", field(1, request_id))
  end
  return encoded
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local code = headers:get("grpc-status")
  if not code or code == "0" or headers:get("grpc-status-details-bin") then return end
  local failure = failure_of(code, headers:get("grpc-message") or "")
  if not failure then return end -- a code that a service means, as the NOT_FOUND of grpc.health.v1
  headers:replace("grpc-status", tostring(failure.code))
  headers:replace("grpc-message", failure.message)
  headers:replace("grpc-status-details-bin", handle:base64Escape(status(failure, headers:get("x-request-id"))))
end
