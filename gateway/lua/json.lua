-- Reads JSON strictly. The reader of the transcoder accepts much that is not JSON.
local BYTES = require("text").BYTES

local json = {}

local DEEPEST = 64 -- far more than any contract needs, and far less than the stack allows
-- Most contracts need no more than a list of 1,000 rules with three values each. 1 MiB of tiny values would keep one of
-- Envoy's few threads busy for half a second (measured).
local MOST_VALUES = 4096
local ESCAPED = { ['"'] = '"', ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local LITERALS = { t = "true", f = "false", n = "null" }

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40) end
  if code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return string.char(0xF0 + math.floor(code / 0x40000), 0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

-- Replaces each escape by as many "x", so that a string ends at the next quote. Reading the escapes of 1 MiB one by one
-- would take 0.1 s (measured). An escape outside a string becomes "x" as well, which is no JSON value either.
-- Returns nil if an escape is malformed. Half of a surrogate pair is malformed too: UTF-8 cannot represent it, and a
-- service would fail with an internal error.
local function without_escapes(text)
  if not text:find("\\", 1, true) then return text end
  text = text:gsub('\\["\\/bfnrt]', "xx"):gsub("\\u[dD][89abAB]%x%x\\u[dD][c-fC-F]%x%x", ("x"):rep(12))
  text = text:gsub("\\u[%dabcefABCEF]%x%x%x", ("x"):rep(6)):gsub("\\u[dD][0-7]%x%x", ("x"):rep(6))
  return not text:find("\\", 1, true) and text or nil
end

local CODES = setmetatable({ ["005c"] = "\\" }, { __index = function(_, digits) return utf8(tonumber(digits, 16)) end })

-- Returns the text that well-formed escapes stand for.
local function unescape(text)
  if not text:find("\\", 1, true) then return text end
  text = text:gsub("\\\\", "\\u005c"):gsub('\\(["/bfnrt])', ESCAPED)
  text = text:gsub("\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
    return utf8(0x10000 + (tonumber(high, 16) - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00)
  end)
  return (text:gsub("\\u(%x%x%x%x)", CODES))
end

-- Decodes the escapes of ASCII characters in a name. The name of a field has no other characters.
local function plain_name(name)
  return (name:gsub("\\u00(%x%x)", BYTES))
end

local written -- the text as it was received, with its escapes

-- The readers below take the text without escapes and a position. They return the value and the position after it, or
-- nil if the text is not JSON. The value of a string keeps its escapes, because few of the values are read.

local function read_string(text, at)
  local stop = text:find('[%z\1-\31"]', at + 1)
  if not stop or text:byte(stop) ~= 34 then return nil end
  return written:sub(at + 1, stop - 1), stop + 1
end

local function read_number(text, at)
  if text:find("^-?0%d", at) then return nil end
  local _, stop = text:find("^-?%d+", at)
  if not stop then return nil end
  _, stop = nil, select(2, text:find("^%.%d+", stop + 1)) or stop
  stop = select(2, text:find("^[eE][+-]?%d+", stop + 1)) or stop
  return tonumber(text:sub(at, stop)), stop + 1
end

local function after_space(text, at)
  if (text:byte(at) or 0) > 32 then return at end -- usually there is no space
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local read_value
local values_left

local function read_member(text, at, depth)
  if text:sub(at, at) ~= '"' then return nil end
  local name, colon = read_string(text, at)
  if not name then return nil end
  colon = after_space(text, colon)
  if text:sub(colon, colon) ~= ":" then return nil end
  local from = after_space(text, colon + 1)
  local value, after = read_value(text, from, depth)
  if value == nil then return nil end
  return { name = plain_name(name), value = value, from = from, to = after - 1 }, after
end

local function read_list(text, at, depth, close, read_item)
  local items = {}
  at = after_space(text, at + 1)
  if text:sub(at, at) == close then return items, at + 1 end
  while true do
    local item
    item, at = read_item(text, at, depth)
    if item == nil then return nil end
    if values_left < 0 then return nil end
    items[#items + 1] = item
    at = after_space(text, at)
    local char = text:sub(at, at)
    if char == close then return items, at + 1 end
    if char ~= "," then return nil end
    at = after_space(text, at + 1)
  end
end

function read_value(text, at, depth)
  values_left = values_left - 1
  local char = text:sub(at, at)
  if char == '"' then return read_string(text, at) end
  if depth == 0 then return nil end
  if char == "[" then return read_list(text, at, depth - 1, "]", read_value) end
  if char == "{" then
    local members, after = read_list(text, at, depth - 1, "}", read_member)
    if not members then return nil end
    return { members = members }, after
  end
  local literal = LITERALS[char]
  if not literal then return read_number(text, at) end
  if text:sub(at, at + #literal - 1) ~= literal then return nil end
  return { literal = literal }, at + #literal
end

-- Reads a JSON object. Returns its members in their order, each as {name, value, raw}, or nil if the text is not a
-- JSON object or has more than `most` values (by default 4,096).
-- An array is a table, an object {members = ...}, and true, false and null are {literal = ...}. A string keeps its
-- escapes.
function json.object(text, most)
  values_left, written = most or MOST_VALUES, text
  text = without_escapes(text)
  if not text then return nil end
  local value, after = read_value(text, after_space(text, 1), DEEPEST)
  if type(value) ~= "table" or not value.members then return nil end
  if after_space(text, after) <= #text then return nil end
  for _, member in ipairs(value.members) do member.raw = written:sub(member.from, member.to) end
  return value.members
end

local SHORT_TEXT = 1024

-- Returns the position after a string of plain ASCII or an integer, or nil if there is neither.
local function after_scalar(text, at)
  return text:match('^"[ !#-Z^-~]*"()', at) or text:match("^-?[1-9]%d*()", at) or text:match("^0()", at)
end

-- Whether the text is certainly a valid object of strings, integers and lists of them, in which no name is given twice
-- and no field of `fields` that takes a single value has a list. This recognizes what most callers send, so that it
-- need not be parsed. The result false means nothing. Calls `note` with each name of a field that is another spelling.
function json.is_plain(text, fields, note)
  local at, seen = #text <= SHORT_TEXT and text:match('^{ ?()"'), {}
  while at do
    local name
    name, at = text:match('^"([ !#-Z^-~]*)": ?()', at)
    if not name or seen[name] then return false end
    seen[name] = true
    if fields[name] and fields[name].name ~= name then note(name) end
    if text:byte(at) == 91 then -- [
      if fields[name] and not fields[name].list then return false end
      repeat
        at = after_scalar(text, at + 1)
        local comma = at and text:byte(at) == 44
        if comma and text:byte(at + 1) == 32 then at = at + 1 end
      until not comma
      at = at and text:match("^%]()", at)
    elseif at then
      at = after_scalar(text, at)
    end
    if not at then return false end
    if text:byte(at) == 125 then return at == #text end -- }
    at = text:match("^, ?()", at)
  end
  return false
end

-- Returns the value of the last member with this name, as most JSON readers do. A string is returned without escapes.
function json.get(members, name)
  local value
  for _, member in ipairs(members) do
    if member.name == name then value = member.value end
  end
  return type(value) == "string" and unescape(value) or value
end

local QUOTED = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

for code = 0, 31 do
  local char = string.char(code)
  QUOTED[char] = QUOTED[char] or ("\\u%04x"):format(code)
end

function json.quote(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', QUOTED) .. '"'
end

return json
