"""gRPC calls with changed messages, frames and headers that no gRPC library would send."""

import gzip
import struct
from random import Random

from levelgate.member.v1.demotion_pb2 import ListAtRiskRequest
from levelgate.member.v1.members_pb2 import ListMembersRequest, SearchMembersRequest
from tests.fuzz.contracts import Rpc, any_rpc, rpcs, rpcs_with_cursor
from tests.fuzz.cursor_inputs import LISTED_LEVEL, SEARCHED_PREFIX, forged_cursor
from tests.fuzz.inputs import GrpcInput, PipelineInput, secret
from tests.fuzz.messages import mutated_message, written
from tests.fuzz.values import mutated_bytes, odd_text

Headers = list[tuple[bytes, bytes]]
_TOKENS = (
    *map(secret, ("member", "upbot:check", "member:read")),
    b"Bearer " + secret("all"),
    b"",
    b"x",
)
_TIMEOUTS = (b"", *b"10m 50m 300m 1S 1u 0m 99999999H -1S x 1 123456789S".split())
_TYPES = (
    b"",
    *b"application/grpc+proto application/grpc+json application/grpc-web text/plain".split(),
    *b"application/json application/grpcx Application/GRPC application/grpc;x=y".split(),
)
_OTHER_PATHS = b"""
/levelgate.upbot.v1.UpbotChecks/Nothing /x.Y/Z / // /grpc.health.v1.Health/Check
/grpc.health.v1.Health/Watch /grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo
/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel/ /LEVELGATE.upbot.v1.UpbotChecks/CheckStarState
""".split()
_BESIDE_CURSOR = {
    "/levelgate.member.v1.Demotion/ListAtRisk": ListAtRiskRequest(
        points=1_000, page_size=5
    ).SerializeToString(),
    "/levelgate.member.v1.Members/ListMembers": ListMembersRequest(
        level=LISTED_LEVEL
    ).SerializeToString(),
    "/levelgate.member.v1.Members/SearchMembers": SearchMembersRequest(
        prefix=SEARCHED_PREFIX
    ).SerializeToString(),
}
_CURSOR_SHARE = 0.02
# A stream may last until its caller leaves, so each of them has a deadline.
_STREAM_TIMEOUTS = (b"20m", b"50m", b"100m")


def grpc_input(random: Random) -> GrpcInput:
    rpc, messages = _call(random)
    port = rpc.service if random.random() < 0.5 else "gateway"
    headers: Headers = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", rpc.path.encode()),
        (b":authority", b"x"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        (b"authorization", _token(random)),
    ]
    if rpc.is_stream:
        headers.append((b"grpc-timeout", random.choice(_STREAM_TIMEOUTS)))
    body = b"".join(_framed(random, message) for message in messages)
    if random.random() < 0.2:
        headers = _changed_headers(random, headers)
    if random.random() < 0.05:
        body = mutated_bytes(random, body, b"\0\0\0\0\5hello")
    end = "end"
    if random.random() < 0.03:
        end = random.choice(("reset", "half"))
    return GrpcInput(port, tuple(headers), body, end)


def pipeline_input(random: Random) -> PipelineInput:
    rpc, messages = _call(random)
    seconds = random.choice((0.02, 0.1)) if rpc.is_stream else 5.0
    return PipelineInput(rpc.path, _token(random), tuple(messages), seconds)


def _token(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.93:
        return secret("all")
    return random.choice(_TOKENS) if kind < 0.97 else _header_value(odd_text(random))


def _call(random: Random) -> tuple[Rpc, list[bytes]]:
    if random.random() < _CURSOR_SHARE:
        rpc = random.choice(rpcs_with_cursor())
        cursor = forged_cursor(random, rpc.path.rpartition("/")[2])
        # Nothing else is wrong in this message: a wrong cursor is noticed last.
        return rpc, [_BESIDE_CURSOR.get(rpc.path, b"") + written([(rpc.cursor, 2, cursor)])]
    rpc = any_rpc(random)
    return rpc, _messages(random, rpc)


def _messages(random: Random, rpc: Rpc) -> list[bytes]:
    count = random.choice((1, 1, 2, 5, 0)) if rpc.sends_stream else 1
    return [_message(random, rpc) for _ in range(count)]


def _message(random: Random, rpc: Rpc) -> bytes:
    kind = random.random()
    if kind < 0.06:
        return random.randbytes(random.choice((1, 2, 5, 20, 100, 1_000)))
    if kind < 0.12:
        return random.choice(rpc.examples)
    other = random.choice(random.choice(rpcs()).examples)
    return mutated_message(random, random.choice(rpc.examples), other)


def _framed(random: Random, message: bytes) -> bytes:
    if random.random() < 0.95:
        return struct.pack(">BI", 0, len(message)) + message
    flag = random.choice((0, 1, 1, 2, 255))
    if flag == 1 and random.random() < 0.5:
        message = gzip.compress(message * random.choice((1, 1, 200)), 1, mtime=0)
    length = random.choice((len(message), len(message), len(message) + 1, 0, 2**31, 2**32 - 1))
    return struct.pack(">BI", flag, length) + message


def _changed_headers(random: Random, headers: Headers) -> Headers:
    found = dict(headers)
    match random.randrange(10):
        case 0:
            del found[b"te"]
        case 1:
            found[b"content-type"] = random.choice(_TYPES)
        case 2:
            del found[b"authorization"]
        case 3:
            found[b"authorization"] = random.choice((secret("all"), b"x")) + _header_value(
                odd_text(random)
            )
        case 4:
            found[b":method"] = random.choice((b"GET", b"PUT", b"DELETE", b"HEAD", b"OPTIONS"))
        case 5:
            found[b":path"] = random.choice(_OTHER_PATHS)
            found[b"grpc-timeout"] = random.choice(_STREAM_TIMEOUTS)
        case 6:
            found[b":path"] += _header_value(odd_text(random).translate(None, b" #"))
            found[b"grpc-timeout"] = random.choice(_STREAM_TIMEOUTS)
        case 7 if b"grpc-timeout" not in found:
            found[b"grpc-timeout"] = random.choice(_TIMEOUTS)
        case 8:
            found[b"grpc-encoding"] = random.choice(
                (b"gzip", b"deflate", b"identity", b"br", b"snappy")
            )
        case _:
            name = random.choice(
                (b"x-request-id", b"user-agent", b"x-bin", b"grpc-accept-encoding", b"cookie")
            )
            return [*found.items(), (name, _header_value(odd_text(random)[:3_000]))]
    return list(found.items())


def _header_value(value: bytes) -> bytes:
    """Only bytes that HTTP/2 allows in a header: others would make the whole stream malformed."""
    return bytes(byte for byte in value[:3_000] if byte >= 32 and byte != 127).strip()
