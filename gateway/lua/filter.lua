-- The two functions that Envoy calls. A route says what it is in its filter_context: `family`,
-- whose document the caller reads, and `methods`, absent where the path is unknown. A route of no family says nothing.
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
