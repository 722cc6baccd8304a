-- Checks gRPC calls before they reach a service, and refuses those that break the rules of gRPC. A service may answer them
-- with a reset, which Envoy takes for a broken instance, and gRPC libraries log values that they cannot decode.
-- status_details.lua chooses code, reason and message of the refusal by its grpc-message.

local function is_malformed(values, may_be_empty)
  -- Every body has a length here: the buffer filter adds it.
  return values[":method"] ~= "POST" or values.te ~= "trailers" or not may_be_empty and not values["content-length"]
end

-- The request id is added here because a route with a direct response adds no headers to a filter's answer.
local function refuse(handle, values, status, why)
  local headers = { [":status"] = status, ["grpc-message"] = why, ["x-request-id"] = values["x-request-id"] }
  handle:respond(headers) -- without a body, because an answer to HEAD must not have one
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local values, undecodable = {}, {}
  for name, value in pairs(headers) do
    values[name] = value
    if value:find("[^ -~]") and name ~= ":path" then undecodable[#undecodable + 1] = name end
  end
  if is_malformed(values, handle:filterContext():get("may_be_empty")) then
    return refuse(handle, values, "400", "malformed call")
  end
  if (values.authorization or ""):find("[^ -~]") then return refuse(handle, values, "401", "malformed token") end
  for _, name in ipairs(undecodable) do headers:remove(name) end
end
