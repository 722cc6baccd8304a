"""What is written from the error catalogue for readers.

docs/errors.md, the table in README.md and the comments in reason.proto.
"""

import re
import textwrap
from collections.abc import Iterable

from grpc import StatusCode

from services.runtime.error_catalogue import (
    BAD_PARAMETER,
    DECLINED,
    INTERNAL_ERROR,
    OUTCOMES,
    REASONS,
    Entry,
    Outcome,
)

_PAGE = """\
<!-- Written by `make generate` from services/runtime/error_catalogue.py. -->
# Errors

## Changing an error

Texts, codes and explanations are in `services/runtime/error_catalogue.py` and nowhere else. Change
them there and run `make generate`, which writes this page, the table in `README.md`, the table of
the gateway (`gateway/lua/error_table.lua`) and the comments in `reason.proto`. The bodies that JSON
clients get are repeated in one test on purpose: `tests/contract/failures.yaml`. A new reason also
needs its number in `protos/levelgate/access/v1/reason.proto`.

## What JSON clients get

A failure has the body of its family: upbot `{"ret":N,"msg":TEXT}`, member
`{"code":"error","msg":TEXT,"data":null}`, shop `{"result":0,"msg":TEXT,"data":[]}`. A path of no
family has `{"code":HTTP,"msg":TEXT}`.

Programs read the headers of a failure, which are there whatever the HTTP status and which CORS
exposes. Outcomes that a document lists as replies, such as `levelConflict`, are no failures.

- `x-levelgate-reason` is the reason that the service gave (the table at the end of this page). If
  none is known, it is the reason in the next table.
- `x-levelgate-field` is the field that is wrong, as JSON spells it: `rules[1].vipLevel`. It is
  absent if no field is known.
- `retry-after` comes with 429 and 503: after how many seconds to try again.

"""
_REASONS = """
## What gRPC clients get

A failure is a status with an ErrorInfo (domain `levelgate`, and the reason below), a RequestInfo
with the id that finds the call in the logs and, where fields are wrong, a BadRequest that names
them. JSON clients get the HTTP status and the text in the third column; where it is empty, only
gRPC clients can get this reason.

"""
_MARKED = re.compile(r"(<!-- errors: .*? -->\n).*?(<!-- end of errors -->\n)", re.DOTALL)
_ENUM_VALUE = re.compile(r"(?:^  //.*\n)*^  REASON_(\w+) = (\d+);\n", re.MULTILINE)
_PROTO_WIDTH = 100


def errors_page() -> str:
    """docs/errors.md."""
    head = (
        "HTTP",
        "`ret` of upbot",
        "text",
        "`x-levelgate-reason`",
        "`retry-after`",
        "when it happens",
        "what the caller should do",
    )
    outcomes = (
        (
            str(each.http),
            str(each.ret),
            _text(each),
            "that of the service" if each is DECLINED else f"`{each.reason}`",
            str(each.retry_after or ""),
            each.when,
            each.action,
        )
        for each in OUTCOMES
    )
    reasons = (
        (f"`{name}`", entry.code.name, _json(entry), entry.when, entry.action)
        for name, entry in REASONS.items()
    )
    reasons_head = ("reason", "gRPC code", "JSON", "when it happens", "what the caller should do")
    return f"{_PAGE}{_table(head, outcomes)}{_REASONS}{_table(reasons_head, reasons)}"


def with_table(readme: str) -> str:
    """README.md with the table of errors between its two comments."""
    head = ("what happened", "HTTP", "`ret` of upbot", "text", "gRPC code")
    rows = (
        (each.when.rstrip("."), str(each.http), str(each.ret), _text(each), _codes(each))
        for each in OUTCOMES
    )
    table = _table(head, rows)
    return _MARKED.sub(lambda found: f"{found[1]}{table}{found[2]}", readme)


def with_comments(proto: str) -> str:
    """reason.proto with a comment on each reason. Exits if a reason is missing on either side."""
    names = {found[1] for found in _ENUM_VALUE.finditer(proto)} - {"UNSPECIFIED"}
    if odd := names ^ set(REASONS):
        raise SystemExit(f"generate: in only one of reason.proto and the catalogue: {sorted(odd)}")
    return _ENUM_VALUE.sub(_with_comment, proto)


def _with_comment(found: re.Match[str]) -> str:
    name, number = found.groups()
    value = f"  REASON_{name} = {number};\n"
    if name not in REASONS:
        return value
    entry = REASONS[name]
    text = f"{entry.code.name}: {entry.when} {entry.action}"
    lines = textwrap.wrap(text, _PROTO_WIDTH - len("  // "), break_on_hyphens=False)
    return "".join(f"  // {line}\n" for line in lines) + value


def _text(outcome: Outcome) -> str:
    if outcome is DECLINED:
        return "the message of the reason"
    if outcome is BAD_PARAMETER:
        return f"{outcome.text}; member and shop: `…: FIELD`"
    return f"{outcome.text}; shop: {outcome.shop_text}" if outcome.shop_text else outcome.text


def _json(entry: Entry) -> str:
    if not _is_for_json(entry):
        return ""
    text = entry.message or "a text that names the limit"
    return f"{entry.outcome.http} {text if entry.outcome is DECLINED else entry.outcome.text}"


def _codes(outcome: Outcome) -> str:
    entries = (entry for entry in REASONS.values() if entry.outcome is outcome)
    return ", ".join(dict.fromkeys(entry.code.name for entry in entries if _is_for_json(entry)))


def _is_for_json(entry: Entry) -> bool:
    """False for codes that only gRPC callers can get."""
    return entry.outcome is not INTERNAL_ERROR or entry.code is StatusCode.INTERNAL


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(line)} |\n" for line in (head, *rows)]
    lines.insert(1, f"|{'---|' * len(head)}\n")
    return "".join(lines)
