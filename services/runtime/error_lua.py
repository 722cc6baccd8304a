"""The error catalogue as Lua, for the Envoy of the gateway and the one of each service."""

import json
from collections.abc import Mapping
from importlib.resources import files

from services.runtime.error_catalogue import OUTCOME_OF_CODE, OUTCOMES, REASONS, Outcome

_HEAD = """\
-- Written by `make generate` from services/runtime/error_catalogue.py.
return {
"""


def error_table() -> str:
    """A Lua chunk that returns the catalogue: gateway/lua/error_table.lua."""
    # BAD_PARAMETER and DECLINED share a status, and all that Lua has to know of them.
    outcomes = {outcome.http: _outcome(outcome) for outcome in OUTCOMES}
    statuses = {str(code.value[0]): str(each.http) for code, each in OUTCOME_OF_CODE.items()}
    reasons = {
        name: f"{{ code = {entry.code.value[0]}, message = {_quoted(entry.message)} }}"
        for name, entry in REASONS.items()
    }
    return "".join(
        [
            _HEAD,
            "  -- By HTTP status. `ret` is the number in the bodies of upbot.\n",
            _table("outcomes", {f"[{status}]": row for status, row in outcomes.items()}),
            "  -- The HTTP status for a gRPC code; every other code is a 500.\n",
            _table("http_status", {f"[{code}]": status for code, status in statuses.items()}),
            "  -- By the reason in the ErrorInfo. `code` is the gRPC code.\n",
            _table("reasons", reasons),
            "}\n",
        ]
    )


def status_details_script() -> str:
    """status_details.lua and the table that it reads, in one script."""
    script = files("services.runtime").joinpath("status_details.lua").read_text()
    return f"local errors = (function()\n{error_table()}end)()\n{script}"


def _outcome(outcome: Outcome) -> str:
    fields = f"ret = {outcome.ret}, text = {_quoted(outcome.text)}"
    if outcome.shop_text:
        fields += f", shop_text = {_quoted(outcome.shop_text)}"
    return f"{{ {fields} }}"


def _table(name: str, rows: Mapping[str, str]) -> str:
    lines = "".join(f"    {key} = {value},\n" for key, value in rows.items())
    return f"  {name} = {{\n{lines}  }},\n"


def _quoted(text: str) -> str:
    # What JSON escapes, Lua escapes in the same way.
    return json.dumps(text, ensure_ascii=False)
