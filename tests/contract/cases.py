"""Reads the cases from their files; README.md explains each key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

FOLDER = Path(__file__).parent

# The value of `authorization` for a call without a token.
NO_TOKEN = "none"

# The keys that give the body of a JSON request; a case has at most one of them.
BODIES = ("body", "body_text", "body_base64", "form")


class CaseError(Exception):
    """A case file that cannot be read."""


@dataclass(frozen=True)
class Step:
    """A gRPC call before or after the call under test."""

    rpc: str
    request: Mapping[str, Any]
    reply: Mapping[str, Any] | None = None
    fails: str = ""


@dataclass(frozen=True)
class JsonRequest:
    """One HTTP request. `method` and `target` are sent unchanged."""

    method: str
    target: str
    headers: Mapping[str, str | None] = field(default_factory=dict)
    kind: str = ""
    """The key in BODIES that gave `content`; empty for a request without a body."""
    content: Any = None


@dataclass(frozen=True)
class Case:
    """One request by JSON, by gRPC or by both, and the answer that is wanted."""

    file: str
    family: str
    rpc: str
    name: str
    """The sentence that the case proves. The cases of one `each` share it."""
    detail: str
    """What is special about this request; empty outside of `each`."""
    is_open: bool
    authorization: str
    given: Sequence[Step]
    then: Sequence[Step]
    json: JsonRequest | None
    grpc: Mapping[str, Any] | None
    reply: Mapping[str, Any] | None
    fails: str
    reply_headers: Mapping[str, str]

    def __str__(self) -> str:
        detail = f", {self.detail}" if self.detail else ""
        return f"{self.file}: {self.name}{detail}"


def all_cases(folder: Path = FOLDER) -> list[Case]:
    """The cases of all files. The folder of a file is the family of its call."""
    return [case for path in sorted(folder.glob("*/*.yaml")) for case in _read(path)]


def sample_of(cases: Sequence[Case]) -> list[Case]:
    """The first case for each call, each kind of failure and each kind of body.

    It is enough where the same code runs in another way: in containers, or with grpcio's server.
    """
    found: dict[tuple[str, str, str], Case] = {}
    for case in cases:
        kind = case.json.kind if case.json else ""
        # The name of a failure ends with the parameter, which does not matter here.
        failure = " ".join(case.fails.split(" ")[:2])
        if not case.is_open:
            found.setdefault((case.rpc, failure, kind), case)
    return list(found.values())


def read_yaml(path: Path) -> Any:
    with path.open(encoding="utf-8") as stream:
        return yaml.load(stream, _StrictLoader)


def _read(path: Path) -> Iterator[Case]:
    document = read_yaml(path)
    head = {key: value for key, value in document.items() if key != "cases"}
    names: set[str] = set()
    for fields in document["cases"]:
        try:
            yield from _cases(path, {**head, **fields})
        except (CaseError, KeyError, TypeError, ValueError) as error:
            raise CaseError(f"{path.name}: {fields.get('name', fields)}: {error!r}") from error
        if fields["name"] in names:
            raise CaseError(f"{path.name}: two cases are named: {fields['name']}")
        names.add(fields["name"])


def _cases(path: Path, fields: dict[str, Any]) -> Iterator[Case]:
    """One case, or one for each entry of `each`, which may override the keys around it."""
    for detail, own in fields.pop("each", {"": {}}).items():
        yield _case(path, {**fields, **own}, detail)


def _case(path: Path, fields: dict[str, Any], detail: str) -> Case:
    fields.pop("document", None)
    http, both = fields.pop("http", ""), fields.pop("both", None)
    case = Case(
        file=path.stem,
        family=path.parent.name,
        rpc=fields.pop("rpc", ""),
        name=fields.pop("name"),
        detail=detail,
        is_open=_is_open(fields.pop("setting", "")),
        authorization=fields.pop("authorization", "$token"),
        given=[_step(step) for step in fields.pop("given", [])],
        then=[_step(step) for step in fields.pop("then", [])],
        json=_json_request(http, both, fields),
        grpc=fields.pop("grpc", both),
        reply=fields.pop("reply", None),
        fails=fields.pop("fails", ""),
        reply_headers=fields.pop("reply_headers", {}),
    )
    if fields:
        raise CaseError(f"unknown keys: {', '.join(fields)}")
    if case.json is None and case.grpc is None:
        raise CaseError("no request")
    if (case.reply is None) == (not case.fails):
        raise CaseError("either `reply` or `fails`")
    return case


def _is_open(setting: str) -> bool:
    if setting not in {"", "open"}:
        raise CaseError(f"unknown setting: {setting}")
    return setting == "open"


def _step(step: dict[str, Any]) -> Step:
    call = {name: value for name, value in step.items() if name not in {"reply", "fails"}}
    ((rpc, request),) = call.items()
    return Step(rpc, request, step.get("reply"), step.get("fails", ""))


def _json_request(http: str, both: Any, fields: dict[str, Any]) -> JsonRequest | None:
    line, headers = fields.pop("request", ""), fields.pop("headers", {})
    bodies = {kind: fields.pop(kind) for kind in BODIES if kind in fields}
    if both is not None:
        if line or bodies:
            raise CaseError("`both` is the whole JSON request")
        return _spelled_out(http, both, headers)
    if not line and not bodies:
        return None
    ((kind, content),) = bodies.items() or [("", None)]
    method, target = (line or http).split(" ", 1)
    return JsonRequest(method, target, headers, kind, content)


def _spelled_out(
    http: str, parameters: Mapping[str, Any], headers: Mapping[str, str | None]
) -> JsonRequest:
    """Puts the parameters into the path where it names them. GET and DELETE send the others in the
    query, POST in a JSON body.
    """
    method, target = http.split(" ", 1)
    left = dict(parameters)
    for name, value in parameters.items():
        if f"{{{name}}}" in target:
            target = target.replace(f"{{{name}}}", _escaped(value))
            del left[name]
    if "{" in target:
        raise CaseError(f"`both` leaves a gap in {target}: write `request` and `grpc`")
    if method == "POST":
        return JsonRequest(method, target, headers, "body", left)
    query = "&".join(f"{name}={_escaped(value)}" for name, value in left.items())
    joint = "&" if "?" in target else "?"
    return JsonRequest(method, target + (joint + query if query else ""), headers)


def _escaped(value: Any) -> str:
    # Dollar names stay as they are: they are filled in when the case runs.
    return quote(str(value), safe="$():")


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is given twice; PyYAML would silently drop the first value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise CaseError(f"{node.start_mark}: given twice: {', '.join(sorted(twice))}")
        return super().construct_mapping(node, deep)
