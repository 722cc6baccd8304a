-- A gRPC call before a service sees it. What breaks the rules of gRPC is refused here: a service may end such a call with
-- a reset, which Envoy cannot tell from a broken instance, and gRPC libraries log the values that they cannot decode.
-- The words of a refusal choose its details in status_details.lua.

local function is_malformed(values, may_be_empty)
  -- The buffer filter gives every body a length.
  return values[":method"] ~= "POST" or values.te ~= "trailers" or not may_be_empty and not values["content-length"]
end

-- The id is given here because a route with a direct response adds no headers to what a filter answers.
local function refuse(handle, values, status, why)
  local headers = { [":status"] = status, ["grpc-message"] = why, ["x-request-id"] = values["x-request-id"] }
  handle:respond(headers) -- no body, which an answer to HEAD would not have
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
