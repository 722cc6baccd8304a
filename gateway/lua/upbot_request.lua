-- Prepares the requests of the family upbot: JSON bodies.
local fields = require("fields")
local json = require("json")
local odd_field = require("odd_values")
local parameters = require("parameters")
local reading = require("reading")
local refusals = require("refusals")

local bad, read_body, split = refusals.bad, reading.read_body, reading.split

-- Enough for 10,000 users, 1,000 of them with a version. Reading these takes Envoy's thread 10-20 ms (measured).
local MOST_VALUES = { ["/upbot/api/BatchCheckEligibility"] = 16384 }

return function(handle, headers, values)
  local path = values[":path"]
  if path:find("?", 1, true) then
    path = split(path)
    headers:replace(":path", path)
  end
  -- A body that is not JSON is refused, whatever its content type.
  if values["content-type"] ~= "application/json" then headers:replace("content-type", "application/json") end
  local body, refusal = read_body(handle)
  if refusal or body == "" or json.is_plain(body) then return refusal end
  local members = parameters.from_json(body, MOST_VALUES[path])
  if not members or odd_field(members, fields["POST " .. path]) then return bad() end
end
