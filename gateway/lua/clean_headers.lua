-- Decides which headers are passed on to a service. HTTP allows header names and "-bin" values that make a gRPC call
-- fail, and so do more than 8 KiB of headers and a client's own grpc-encoding.
local HTTP = { [":authority"] = true, [":method"] = true, [":path"] = true, [":scheme"] = true }
local PASSED_ON = {
  authorization = true, ["content-length"] = true, ["content-type"] = true, ["transfer-encoding"] = true,
  traceparent = true, tracestate = true, ["user-agent"] = true, ["x-request-id"] = true,
}
local LONGEST_HEADER = 1024

-- Removes all other headers and returns the remaining values by name. Iterating once over the headers costs less than
-- asking Envoy for each header that the families need, and for its size.
return function(headers)
  local values, others = {}, nil
  for name, value in pairs(headers) do
    if HTTP[name] or PASSED_ON[name] and #value <= LONGEST_HEADER then
      values[name] = value
    else
      others = others or {}
      others[#others + 1] = name
    end
    if name == "authorization" and not values.refused and (#value > LONGEST_HEADER or value:find("[^ -~]")) then
      values.refused = true
    end
  end
  if others then
    for _, name in ipairs(others) do headers:remove(name) end
  end
  headers:replace(":authority", "gateway")
  return values
end
