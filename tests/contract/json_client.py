"""Sends one HTTP request as a client of the documents would send it."""

import base64
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.contract.cases import NO_TOKEN, JsonRequest
from tests.contract.placeholders import Values, fill
from tests.contract.replies import compact

CONTENT_TYPE = "application/json; charset=utf-8"

_CONTENT_TYPE_OF = {
    "body": "application/json",
    "body_text": "application/json",
    "body_base64": "application/json",
    "form": "application/x-www-form-urlencoded",
}

_SECONDS = 10


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str


def send(gateway: str, request: JsonRequest, authorization: str, values: Values) -> Reply:
    connection = _Connection(urlsplit(gateway).netloc, timeout=_SECONDS)
    headers = _headers(request, authorization, values)
    content = _content(request.kind, fill(request.content, values))
    chunked = "transfer-encoding" in headers
    try:
        connection.request(
            request.method,
            fill(request.target, values),
            _one_chunk(content or b"") if chunked else content,
            headers,
            encode_chunked=chunked,
        )
        response = connection.getresponse()
        text = response.read().decode()
        headers_got = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers_got, text)
    finally:
        connection.close()


def _headers(request: JsonRequest, authorization: str, values: Values) -> dict[str, str]:
    headers: dict[str, str | None] = {}
    if request.kind:
        headers["content-type"] = _CONTENT_TYPE_OF[request.kind]
    if authorization != NO_TOKEN:
        headers["authorization"] = fill(authorization, values)
    headers |= request.headers
    return {name: value for name, value in headers.items() if value is not None}


def _content(kind: str, content: Any) -> bytes | None:
    match kind:
        case "":
            return None
        case "body":
            return compact(content).encode()
        case "body_base64":
            return base64.b64decode(content)
        case _:
            return str(content).encode()


def _one_chunk(content: bytes) -> Iterator[bytes]:
    yield content


class _Connection(http.client.HTTPConnection):
    """Sends the target unchanged, with unescaped Chinese, as a careless client does."""

    def _encode_request(self, request: str) -> bytes:
        return request.encode()
