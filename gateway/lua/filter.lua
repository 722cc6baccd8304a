-- The two functions that Envoy calls. A route says what it is in its filter_context: `family`,
-- whose document the caller reads, and `methods`, absent where the path is unknown.
local replies = require("replies")
local requests = require("requests")

function envoy_on_request(handle)
  local route = handle:filterContext()
  local family = route:get("family")
  -- For local_reply_config, which answers where no response passes this filter.
  handle:streamInfo():dynamicMetadata():set("levelgate", "fault", replies.FAULTS[family])
  local refusal = requests.shape(handle, family, route:get("methods"))
  if refusal then
    handle:respond({ [":status"] = tostring(refusal.status), allow = refusal.allow }, refusal.detail or "")
  end
end

function envoy_on_response(handle)
  replies.shape(handle, handle:filterContext():get("family"))
end
