-- Reads the parts of a request.
local reading = {}

local MOST_BYTES = 1048576

-- Returns the body, "" if there is none, or nil and a refusal if it is too large. Envoy itself buffers at most twice as
-- much. Afterwards, objects that were taken from the handle before can no longer be used.
function reading.read_body(handle)
  local body = handle:body()
  if not body then return "" end
  local length = body:length()
  if length > MOST_BYTES then return nil, { status = 413 } end
  return body:getBytes(0, length)
end

-- Returns the path and the query.
function reading.split(url)
  return url:match("^([^?]*)%??(.*)$")
end

return reading
