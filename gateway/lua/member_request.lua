-- Prepares the requests of the family member: turns query, form and JSON body into one JSON body, so that a parameter is
-- found wherever it is given, and also if it is given twice in different places.
local fields = require("fields")
local json = require("json")
local odd_field = require("odd_values")
local parameters = require("parameters")
local reading = require("reading")
local refusals = require("refusals")
local spellings = require("spellings")
local text = require("text")

local bad, read_body, split = refusals.bad, reading.read_body, reading.split

-- The path names the user. In the document, tables have useId and paths userId; callers may use the proto spellings
-- too.
local USER = { userId = true, useId = true, user_id = true, use_id = true }

-- Returns the list without parameters that name the user, or nil if one of them names another user than `user`, and the
-- name by which the list names the user.
local function without_user(list, user)
  local others, name = {}, nil
  for _, parameter in ipairs(list) do
    if not USER[parameter.name] then
      others[#others + 1] = parameter
    elseif user and parameter.value ~= user then
      return nil
    else
      name = parameter.name
    end
  end
  return others, name
end

local function is_form(content_type)
  return content_type and content_type:lower():find("^%s*application/x%-www%-form%-urlencoded")
end

-- `curl -d` sends JSON with the content type of a form. A form cannot begin with `{`, which would be escaped there.
-- Returns the parameters, and "form" or "json".
local function read_parameters(body, content_type)
  if body == "" then return {} end
  if is_form(content_type) and not body:find("^[ \t\r\n]*{") then return parameters.from_form(body), "form" end
  return parameters.from_json(body), "json"
end

local function note_spellings(user_in_query, user_in_body, kind)
  spellings.reset()
  if user_in_query and user_in_query ~= "userId" then spellings.note(user_in_query) end
  if user_in_body and user_in_body ~= "userId" then spellings.note(user_in_body) end
  if kind then spellings.note(kind) end
end

local function has(list, name)
  for _, parameter in ipairs(list) do
    if parameter.name == name then return true end
  end
  return false
end

-- Writes only the parameters that the call reads. With escapes, 1 MiB of ignored parameters could become 6 MiB.
local function to_json(read, ...)
  local members = {}
  for _, list in ipairs({ ... }) do
    for _, parameter in ipairs(list) do
      if read[parameter.name] then
        members[#members + 1] = json.quote(parameter.name) .. ":" .. (parameter.raw or json.quote(parameter.value))
      end
    end
  end
  return "{" .. table.concat(members, ",") .. "}"
end

return function(handle, headers, values)
  local path, query = split(values[":path"])
  local prefix, escaped_user = path:match("^(/userlevel/)([^/]+)$")
  if not prefix then prefix, escaped_user = path:match("^(/userlevel/%l+/)([^/]+)$") end
  local user = escaped_user and text.decode(escaped_user)
  if escaped_user and not user then return bad("userId: malformed") end

  local in_query = parameters.from_form(query)
  if not in_query then return bad() end
  local user_in_query, user_in_body
  in_query, user_in_query = without_user(in_query, user)
  if not in_query then return bad("userId: not the user of the path") end
  local body, refusal = read_body(handle)
  if refusal then return refusal end
  local in_body, kind = read_parameters(body, values["content-type"])
  if not in_body then return bad() end
  in_body, user_in_body = without_user(in_body)
  if prefix == "/userlevel/" and values[":method"] == "GET" and (has(in_query, "point") or has(in_body, "point")) then
    prefix = "/upgrade/userlevel/"
  end
  local read = fields[values[":method"] .. " " .. (prefix or path)]
  local twice = parameters.repeated(read, in_query, in_body)
  if twice then return bad(twice .. ": given twice") end
  note_spellings(user_in_query, user_in_body, kind)
  local odd = odd_field(in_query, read) or odd_field(in_body, read)
  if odd then return bad(odd .. ": not what the contract has") end

  headers = handle:headers() -- Taken again: reading the body has invalidated the old object.
  if user then path = prefix .. text.escape(user) end
  local words = spellings.words()
  if words then headers:replace(spellings.HEADER, words) end
  headers:replace(":path", path)
  headers:replace("content-type", "application/json")
  handle:body(true):setBytes(to_json(read, in_query, in_body))
end
