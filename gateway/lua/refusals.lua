-- How a request is refused: {status, detail, allow}. If the refused field is known, `detail` is "field: why", as in the
-- transcoder's refusals.
local refusals = {}

function refusals.bad(detail)
  return { status = 400, detail = detail or "malformed" }
end

function refusals.not_allowed(methods)
  return { status = 405, allow = methods }
end

return refusals
