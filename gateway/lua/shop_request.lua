-- Prepares the requests of the family shop: in the old API, the parameter `route` is the path.
local fields = require("fields")
local parameters = require("parameters")
local reading = require("reading")
local refusals = require("refusals")
local text = require("text")

local bad, not_allowed, read_body, split = refusals.bad, refusals.not_allowed, reading.read_body, reading.split

local ROUTE = "member.member-level.index"
local PATH = "/shop/" .. ROUTE

-- Only parameters of the contract are passed on.
return function(handle, headers, values, methods)
  local _, query = split(values[":path"])
  local list = parameters.from_form(query)
  if not list then return bad() end
  local found, kept = false, {}
  for _, parameter in ipairs(list) do
    local name, value = parameter.name, parameter.value
    if name == "route" then
      if value ~= ROUTE then return { status = 404 } end
      found = true
    elseif fields["GET " .. PATH][name] then
      if kept[name] then return bad(name .. ": given twice") end
      if #value > parameters.LONGEST then return bad(name .. ": too long") end
      kept[name] = true
      kept[#kept + 1] = name .. "=" .. text.escape(value)
    end
  end
  if not found then return { status = 404 } end
  if values[":method"] ~= methods then return not_allowed(methods) end
  headers:replace(":path", PATH .. "?" .. table.concat(kept, "&"))
  headers:replace("content-type", "application/json")
  -- The transcoder would read parameters from the body although the contract binds none.
  local body, refusal = read_body(handle)
  if refusal or body == "" then return refusal end
  handle:body():setBytes("{}")
end
