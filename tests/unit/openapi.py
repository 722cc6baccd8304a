"""The committed OpenAPI document, and its operations by RPC, for the tests of it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tools.routes import Route, read_routes

ROOT = Path(__file__).resolve().parents[2]
INITIALISE, UPGRADE = "InitUser", "UpgradeUser"


@dataclass(frozen=True)
class Operation:
    """One operation, and the RPC that it describes."""

    path: str
    method: str
    route: Route
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@cache
def document() -> Any:
    return json.loads((ROOT / "gateway/web/openapi.json").read_text())


@cache
def routes() -> dict[str, Route]:
    """The JSON calls, by the name of their method."""
    image = (ROOT / "gateway/levelgate.binpb").read_bytes()
    return {route.rpc.split("/")[1]: route for route in read_routes(image) if route.path != "-"}


def operations() -> list[Operation]:
    """All operations; that of InitUser describes UpgradeUser as well."""
    return [
        Operation(path, method, routes()[fields["operationId"].removesuffix("At2")], fields)
        for path, methods in document()["paths"].items()
        for method, fields in methods.items()
    ]


def operation_of(rpc: str) -> Operation:
    name = rpc.split("/")[1]
    wanted = INITIALISE if name == UPGRADE else name
    return next(each for each in operations() if each.fields["operationId"] == wanted)


def validator(component: str) -> Draft202012Validator:
    reference = {"$ref": f"#/components/schemas/{component}"}
    return Draft202012Validator({**reference, "components": document()["components"]})
