-- Notes which tolerated spellings a request uses, for the service, which counts them by app. docs/tolerances.md lists the
-- words; services/runtime/tolerances.py counts no others.
local spellings = {}

spellings.HEADER = "x-levelgate-spellings"

-- What a name is counted as if it is not the one that the contract documents. Any other such name is that of protobuf.
local WORDS = {
  level = "level", gid = "gid", useId = "useId", user_id = "user_id", use_id = "use_id", form = "form", json = "json",
}

-- The words of the current request. Between `reset` and `words` no other request may run on this thread: nothing there may
-- wait for a body.
local noted, count = {}, 0

function spellings.reset()
  if count > 0 then noted, count = {}, 0 end
end

function spellings.note(name)
  local word = WORDS[name] or "proto"
  if noted[word] then return end
  count = count + 1
  noted[word], noted[count] = true, word
end

-- Returns the words for the header; nil if there are none.
function spellings.words()
  return count > 0 and table.concat(noted, ",") or nil
end

return spellings
