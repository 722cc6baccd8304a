-- Prepares the requests of the family upbot: JSON bodies.
local fields = require("fields")
local json = require("json")
local odd_field = require("odd_values")
local parameters = require("parameters")
local reading = require("reading")
local refusals = require("refusals")
local spellings = require("spellings")

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
  if refusal or body == "" then return refusal end
  local read = fields["POST " .. path]
  spellings.reset()
  if not json.is_plain(body, read, spellings.note) then
    local members = parameters.from_json(body, MOST_VALUES[path])
    if not members then return bad() end
    local odd = odd_field(members, read)
    if odd then return bad(odd .. ": not what the contract has") end
  end
  local words = spellings.words()
  if words then handle:headers():replace(spellings.HEADER, words) end
end
