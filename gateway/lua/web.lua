-- The pages for people. gateway/web_files.py renders the table of all paths, and the listener `pages` sends the file to
-- which the path is changed here. Every other path is answered like one of no family.
local replies = require("replies")

local NO_FAMILY = "none"

local function accepts_gzip(headers)
  local accepted = "," .. (headers:get("accept-encoding") or ""):lower():gsub("[ \t]", "") .. ","
  local quality = accepted:match(",gzip;q=([%d.]+)")
  return accepted:find(",gzip,", 1, true) ~= nil or quality ~= nil and tonumber(quality) ~= 0
end

-- Whether the browser's copy is the file. Both have weak tags, and `If-None-Match` may have several.
local function is_known(headers, etag)
  local known = headers:get("if-none-match")
  return known ~= nil and (known == "*" or known:find(etag:sub(3), 1, true) ~= nil)
end

-- The headers of a page, whether it is sent or has not changed.
local function headers_of(page)
  return {
    ["cache-control"] = "no-cache", -- asks again each time, with the tag
    ["etag"] = page.etag,
    ["vary"] = "accept-encoding",
    ["content-security-policy"] = page.policy,
    ["x-content-type-options"] = "nosniff",
    ["referrer-policy"] = "no-referrer",
    ["cross-origin-opener-policy"] = "same-origin",
  }
end

local function answer(pages, handle, headers)
  local method = headers:get(":method")
  local metadata = handle:streamInfo():dynamicMetadata()
  if method == "HEAD" then metadata:set("levelgate", "is_head", true) end
  local path = headers:get(":path"):match("^[^?]*")
  local page = pages[path]
  if not page then return { [":status"] = "404" } end
  if method ~= "GET" and method ~= "HEAD" then return { [":status"] = "405", allow = "GET, HEAD" } end
  if page.location then
    return { [":status"] = "301", location = page.location, ["cache-control"] = "no-cache" }
  end
  if is_known(headers, page.etag) then
    local unchanged = headers_of(page)
    unchanged[":status"] = "304"
    return unchanged
  end
  local is_gzip = page.has_gzip and accepts_gzip(headers)
  metadata:set("levelgate", "page", path)
  if is_gzip then metadata:set("levelgate", "is_gzip", true) end
  headers:replace(":path", page.file .. (is_gzip and ".gz" or ""))
  headers:remove("range") -- a part of a file is of no use to a browser here
  return nil
end

return function(pages)
  function envoy_on_request(handle)
    local refusal = answer(pages, handle, handle:headers())
    if refusal then handle:respond(refusal, "") end
  end

  function envoy_on_response(handle)
    local headers = handle:headers()
    if headers:get(":status") >= "400" then return replies.shape(handle, NO_FAMILY) end
    local noted = handle:streamInfo():dynamicMetadata():get("levelgate")
    local page = noted and pages[noted.page]
    if not page then return end -- a redirect or an unchanged page
    for name, value in pairs(headers_of(page)) do headers:replace(name, value) end
    headers:replace("content-type", page.type)
    headers:remove("accept-ranges")
    if noted.is_gzip then headers:replace("content-encoding", "gzip") end
  end
end
