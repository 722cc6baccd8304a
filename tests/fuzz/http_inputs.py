"""Documented JSON requests with changes in body, parameters, address, headers and framing."""

from random import Random
from typing import Any
from urllib.parse import quote

from tests.contract.cases import NO_TOKEN, JsonRequest
from tests.fuzz.contracts import any_json_request, field_names
from tests.fuzz.inputs import HttpInput, secret
from tests.fuzz.json_texts import mutated_json
from tests.fuzz.values import mutated_bytes, odd_number, odd_text

_JSON, _FORM = b"application/json", b"application/x-www-form-urlencoded"
_TYPES = (
    _JSON,
    _FORM,
    b"",
    b"application/json; charset=utf-16",
    b"a/b;c=\xff",
    *b"text/plain multipart/form-data application/grpc application/grpc-web x /".split(),
)
_METHODS = b"GET POST DELETE PUT PATCH HEAD OPTIONS TRACE CONNECT PROPFIND MKCOL get".split()
_HEADERS = b"""
accept accept-encoding cookie te expect upgrade connection origin x-request-id grpc-timeout
x-envoy-upstream-rq-timeout-ms x-envoy-original-path grpc-encoding grpc-status content-encoding
traceparent x-forwarded-for range user-agent x-http-method-override x-bin-bin x_y host
authorization date
""".split()
_HEADER_VALUES = (
    b"",
    b"a, b, c",
    *b"gzip identity 100-continue websocket close keep-alive trailers 1 0 -1 99999999999".split(),
    *b"h2c bytes=0-1 https://shop.example".split(),
)
_ADDRESSES = b"""
/ // /healthz /upbot /upbot/api/ /userlevel /userlevel/ /vipBiz/ /show/x /leveldown/x * /?route=x
/?route=member.member-level.index&uid=5 /upgrade/userlevel/5 /shop/member.member-level.index
/addons/yun_shop/api.php /levelgate.upbot.v1.UserFacts/PutStarState http://x/show
/userlevel/show/ /%2e%2e
""".split()


def http_input(random: Random) -> HttpInput:
    """A request that is valid HTTP."""
    head, body = _request(random)
    framing = "none"
    if body or random.random() < 0.1:
        framing = "chunked" if random.random() < 0.1 else "length"
    return HttpInput(head, body, framing)


def raw_input(random: Random) -> HttpInput:
    """Bytes that are perhaps no request."""
    return HttpInput(*_broken(random, *_request(random)), "raw")


def _request(random: Random) -> tuple[bytes, bytes]:
    request, authorization = any_json_request(random)
    method, target = request.method.encode(), request.target.encode()
    content_type, body = _body(random, request)
    token = None if authorization == NO_TOKEN else authorization.encode()
    headers = [] if token is None else [(b"authorization", token)]
    if content_type:
        headers.append((b"content-type", content_type))
    if random.random() < 0.45:
        target = _target(random, target)
    if random.random() < 0.05:
        method = random.choice(_METHODS)
    if random.random() < 0.25:
        _change_headers(random, headers)
    version = b"HTTP/1.0" if random.random() < 0.003 else b"HTTP/1.1"
    lines = [b"%s %s %s" % (method, _one_line(target), version), b"host: x"]
    lines += [_one_line(name) + b": " + _one_line(value) for name, value in headers]
    return b"\r\n".join(lines), body


def _body(random: Random, request: JsonRequest) -> tuple[bytes, bytes]:
    """The content type, which need not be the right one, and the body."""
    match request.kind:
        case "":
            if random.random() < 0.2:
                return _JSON, mutated_json(random, {"point": 1}, field_names())
            return b"", b""
        case "body":
            if isinstance(request.content, dict) and random.random() < 0.1:
                return _FORM, _parameters(random, _as_query(request.content))
            body = mutated_json(random, request.content, field_names())
        case "form":
            body = _parameters(random, str(request.content).encode())
        case "body_base64":
            body = random.randbytes(20)
        case _:
            body = str(request.content).encode()
    content_type = _FORM if request.kind == "form" else _JSON
    if random.random() < 0.1:
        body = mutated_bytes(random, body, b'{"a":[1,2,{"b":null}]}')
    return (random.choice(_TYPES) if random.random() < 0.08 else content_type), body


def _as_query(content: dict[str, Any]) -> bytes:
    return "&".join(f"{name}={quote(str(value))}" for name, value in content.items()).encode()


def _target(random: Random, target: bytes) -> bytes:
    if random.random() < 0.05:
        return random.choice(_ADDRESSES)
    path, mark, query = target.partition(b"?")
    if random.random() < 0.5 or not mark:
        parts = path.split(b"/")
        at = random.randrange(len(parts)) if random.random() < 0.3 else -1
        parts[at] = _escaped(random, odd_text(random))
        path = b"/".join(parts)
    if random.random() < 0.6:
        query, mark = _parameters(random, query), b"?"
    return path + mark + query


def _parameters(random: Random, given: bytes) -> bytes:
    pairs = given.split(b"&") if given else []
    for _ in range(random.choice((1, 1, 2, 4))):
        name = random.choice(field_names())
        if pairs and random.random() < 0.5:
            name = random.choice(pairs).partition(b"=")[0]
        value = odd_number(random) if random.random() < 0.5 else odd_text(random)
        pair = name + random.choice((b"=", b"=", b"=", b"", b"==")) + _escaped(random, value)
        match random.randrange(5):
            case 0 if pairs:
                del pairs[random.randrange(len(pairs))]
            case 1 if pairs:
                pairs[random.randrange(len(pairs))] = pair
            case 2:
                pairs += [pair] * random.choice((1, 2, 2, 999, 1_001))
            case _:
                pairs.insert(random.randrange(len(pairs) + 1), pair)
    return b"&".join(pairs)


def _escaped(random: Random, text: bytes) -> bytes:
    return quote(text).encode() if random.random() < 0.8 else text.replace(b" ", b"+")


def _change_headers(random: Random, headers: list[tuple[bytes, bytes]]) -> None:
    match random.randrange(8):
        case 0:
            headers[:] = [each for each in headers if each[0] != b"authorization"]
        case 1:
            headers[:] = [(n, v if n != b"authorization" else odd_text(random)) for n, v in headers]
        case 2:
            scope = random.choice(
                (
                    secret("upbot:check"),
                    secret("member:read"),
                    secret("member"),
                    b"Bearer " + secret("all"),
                )
            )
            headers.insert(0, (b"authorization", scope))
        case 3:
            headers += [(b"x-%d" % n, b"y" * 10) for n in range(random.choice((10, 60, 105)))]
        case 4:
            headers.append((random.choice(_HEADERS), odd_text(random)[:9_000]))
        case _:
            headers.append((random.choice(_HEADERS), random.choice(_HEADER_VALUES)))


def _one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")


def _broken(random: Random, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Bytes that are no request, or only a part of one, or two that look like one."""
    length = random.choice(
        (b"%d" % len(body), b"%d" % (len(body) + 9), b"-1", b"1e3", b"0", b"+1", b"1, 1")
    )
    head += random.choice(
        (b"", b"\r\ntransfer-encoding: chunked", b"\r\ntransfer-encoding: gzip, chunked")
    )
    whole = head + b"\r\ncontent-length: " + length + b"\r\n\r\n"
    match random.randrange(4):
        case 0:
            return whole, body
        case 1:
            return mutated_bytes(random, whole), body
        case 2:
            return whole[: random.randrange(len(whole))], b""
        case _:
            sizes = (b"%x", b"%x;x=y", b"-%x", b"0%x", b"ffffffffffffffff%x")
            chunk = random.choice(sizes) % len(body) + b"\r\n" + body + b"\r\n0\r\n\r\n"
            return head + b"\r\ntransfer-encoding: chunked\r\n\r\n", mutated_bytes(random, chunk)
