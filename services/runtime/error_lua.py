"""The error catalogue as Lua, for the Envoy of the gateway and the one of each service."""

import json
from collections.abc import Mapping
from importlib.resources import files

from services.runtime.error_catalogue import (
    DECLINED,
    OUTCOME_OF_CODE,
    OUTCOMES,
    REASONS,
    Outcome,
)

_HEAD = """\
-- Written by `make generate` from services/runtime/error_catalogue.py.
return {
"""


def error_table() -> str:
    """A Lua chunk that returns the catalogue: gateway/lua/error_table.lua."""
    # DECLINED has the status of BAD_PARAMETER, and the gateway itself declines nothing.
    outcomes = {each.http: _outcome(each) for each in OUTCOMES if each is not DECLINED}
    reason_of = {code: each.reason for code, each in OUTCOME_OF_CODE.items()}
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
            "  -- The reason for a gRPC code where the service gave none; otherwise INTERNAL.\n",
            _table(
                "reason_of_code",
                {f"[{code.value[0]}]": _quoted(reason) for code, reason in reason_of.items()},
            ),
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
    fields += f", reason = {_quoted(outcome.reason)}"
    if outcome.shop_text:
        fields += f", shop_text = {_quoted(outcome.shop_text)}"
    if outcome.retry_after:
        # A header's value is a string.
        fields += f', retry_after = "{outcome.retry_after}"'
    return f"{{ {fields} }}"


def _table(name: str, rows: Mapping[str, str]) -> str:
    lines = "".join(f"    {key} = {value},\n" for key, value in rows.items())
    return f"  {name} = {{\n{lines}  }},\n"


def _quoted(text: str) -> str:
    # What JSON escapes, Lua escapes in the same way.
    return json.dumps(text, ensure_ascii=False)
