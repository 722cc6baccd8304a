-- A gRPC call before a service sees it. What breaks the rules of gRPC is refused here: a service may end such a call with
-- a reset, which Envoy cannot tell from a broken instance, and gRPC libraries log the values that they cannot decode.
-- The words of a refusal choose its details in status_details.lua.

local function is_malformed(values, may_be_empty)
  -- The buffer filter gives every body a length.
  return values[":method"] ~= "POST" or values.te ~= "trailers" or not may_be_empty and not values["content-length"]
end

local function refuse(handle, status, why)
  handle:respond({ [":status"] = status, ["grpc-message"] = why }) -- no body, which an answer to HEAD would not have
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local values, undecodable = {}, {}
  for name, value in pairs(headers) do
    values[name] = value
    if value:find("[^ -~]") then undecodable[#undecodable + 1] = name end
  end
  if is_malformed(values, handle:filterContext():get("may_be_empty")) then
    return refuse(handle, "400", "malformed call")
  end
  if (values.authorization or ""):find("[^ -~]") then return refuse(handle, "401", "malformed token") end
  for _, name in ipairs(undecodable) do headers:remove(name) end
end
