-- Prepares the requests of each family for the transcoder.
local clean_headers = require("clean_headers")
local refusals = require("refusals")

local requests = {}

local FAMILIES = {
  upbot = require("upbot_request"),
  member = require("member_request"),
  shop = require("shop_request"),
}

-- Gets Envoy's handle and returns nil, or a refusal as in refusals.lua.
function requests.shape(handle, family, methods)
  local headers = handle:headers()
  local method = headers:get(":method")
  if method == "HEAD" then handle:streamInfo():dynamicMetadata():set("levelgate", "is_head", true) end
  if not methods then return nil end -- The route of unknown paths answers 404 itself.
  -- Only the query tells whether a path of the shop is known, so `shop` checks the method itself.
  if family ~= "shop" and method ~= methods and not (", " .. methods .. ","):find(", " .. method .. ",", 1, true) then
    return refusals.not_allowed(methods)
  end
  local values = clean_headers(headers)
  if values.refused then return { status = 401 } end
  return FAMILIES[family](handle, headers, values, methods)
end

return requests
