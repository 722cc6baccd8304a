"""The kinds of inputs, and how one is written into a file of the corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

# The length of every secret, so that filling one in does not change the lengths around it.
SECRET_LENGTH = 43


def secret(name: str) -> bytes:
    """A placeholder for a secret, which is known only when the input is sent."""
    return b"{{" + name.ljust(SECRET_LENGTH - 4, ".").encode() + b"}}"


@dataclass(frozen=True)
class HttpInput:
    """One HTTP/1.1 request to the gateway."""

    head: bytes
    """The request line and the headers, without the ones for the length of the body."""
    body: bytes
    framing: str
    """How the body is sent: "length", "chunked" or "none"; "raw": head and body are sent unchanged,
    and then the connection is half closed."""

    target = "http"


@dataclass(frozen=True)
class GrpcInput:
    """One HTTP/2 request, to the gateway or to a service's own port."""

    port: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    end: str
    """How the request ends: "end" normally, "reset" by the caller, "half" not at all."""

    target = "grpc"


@dataclass(frozen=True)
class PipelineInput:
    """One call of a service's pipeline inside the process of the fuzzer."""

    rpc: str
    authorization: bytes
    messages: tuple[bytes, ...]
    seconds: float

    target = "pipeline"


@dataclass(frozen=True)
class RecordInput:
    """A record in the store, and the scripts that then run against it."""

    record: bytes
    user: str
    is_indexed: bool
    steps: tuple[str, ...]
    number: int
    """The argument of the steps that need a number."""

    target = "record"


Input = HttpInput | GrpcInput | PipelineInput | RecordInput
_KINDS = {kind.target: kind for kind in (HttpInput, GrpcInput, PipelineInput, RecordInput)}


# Fields of bytes. In a document, each byte is the character with that number.
_OF_BYTES = {"head", "body", "headers", "authorization", "messages", "record"}


def to_document(given: Input) -> dict[str, Any]:
    """As a JSON document."""
    return {
        "target": given.target,
        **{name: _written(value) for name, value in vars(given).items()},
    }


def from_document(document: Mapping[str, Any]) -> Input:
    kind = _KINDS[document["target"]]
    names = [field.name for field in fields(kind)]
    return kind(**{name: _read(document[name], name in _OF_BYTES) for name in names})


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _read(value: Any, is_bytes: bool) -> Any:
    if isinstance(value, list):
        return tuple(_read(each, is_bytes) for each in value)
    return value.encode("latin-1") if is_bytes else value


def fill(given: bytes, secrets: Mapping[str, str]) -> bytes:
    """Replaces the placeholders by the secrets."""
    if b"{{" not in given:
        return given
    for name, value in secrets.items():
        given = given.replace(secret(name), value.encode())
    return given
