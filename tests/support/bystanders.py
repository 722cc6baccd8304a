"""The methods of each service, and another client that calls them during a fault."""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from levelgate.member.v1.member_level_pb2 import ShowUserRequest
from levelgate.shop.v1.shop_level_pb2 import GetMemberLevelsRequest
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest

CALLS, SECONDS = 20, 2.0

CHECK = "/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel"
BATCH_CHECK = "/levelgate.upbot.v1.Eligibility/BatchCheck"
SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"
SHOP = "/levelgate.shop.v1.ShopLevel/GetMemberLevels"
WATCH = "/levelgate.member.v1.MemberHistory/WatchLevels"
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

_REQUESTS: Mapping[str, Message] = {
    CHECK: CheckUserXYLevelRequest(openid="3dfg4df", level=[1, 3]),
    SHOW: ShowUserRequest(user_id="3dfg4df"),
    SHOP: GetMemberLevelsRequest(i="6", uid="joe"),
    HEALTH: health_pb2.HealthCheckRequest(),
}

# Methods whose request is one message: no thread may wait for the rest of it.
WHOLE: Mapping[str, Sequence[str]] = {
    "upbot_checks": (CHECK, BATCH_CHECK),
    "member_level": (SHOW, WATCH, "/levelgate.member.v1.MemberLevel/UpgradeUser"),
    "shop_level": (SHOP,),
}
# Methods of every service, which need no token.
COMMON = (HEALTH, "/grpc.health.v1.Health/Watch", REFLECTION, "/x.Unknown/Unknown")
# Methods whose request is a stream of messages; shop_level has none.
STREAMED: Mapping[str, Sequence[str]] = {
    "upbot_checks": ("/levelgate.upbot.v1.Eligibility/StreamCheck",),
    "member_level": ("/levelgate.member.v1.MemberBulk/ImportUsers",),
}


def message(request: Message) -> bytes:
    """The message as it is sent."""
    serialized = request.SerializeToString()
    return struct.pack("!BI", 0, len(serialized)) + serialized


def calls_of_another(target: str, path: str, token: str) -> Counter[str]:
    """The number of each gRPC status of calls that another client makes at the same time."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options) as channel:
        rpc: Any = channel.unary_unary(path, lambda request: request.SerializeToString())
        metadata = (("authorization", token),)
        pending = [
            rpc.future(_REQUESTS[path], timeout=SECONDS, metadata=metadata) for _ in range(CALLS)
        ]
        return Counter(each.code().name for each in pending)
