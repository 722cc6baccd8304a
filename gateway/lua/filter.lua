-- The two functions that Envoy calls. The filter_context of a route has `family`, the API document that its clients
-- follow, and `methods`, the methods that the path accepts. A route without `methods` answers unknown paths, and a
-- route without a filter_context belongs to no family.
local replies = require("replies")
local requests = require("requests")

local function family_of(route)
  return route:get("family") or "none"
end

function envoy_on_request(handle)
  local route = handle:filterContext()
  local refusal = requests.shape(handle, family_of(route), route:get("methods"))
  if refusal then
    handle:respond({ [":status"] = tostring(refusal.status), allow = refusal.allow }, refusal.detail or "")
  end
end

function envoy_on_response(handle)
  replies.shape(handle, family_of(handle:filterContext()))
end
