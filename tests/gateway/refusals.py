"""How a test reads the refusals of gRPC calls that have the details of every refusal."""

from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from levelgate.access.v1.reason_pb2 import Reason
from levelgate.member.v1.member_history_pb2 import WatchLevelsRequest
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.member.v1.member_level_pb2 import ListRulesRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub


def refusal(call: Any, request: Message, request_id: str = "refused-1") -> tuple[str, str]:
    """Returns the code and the reason, and checks the rest, which is the same for all refusals."""
    begin = call if isinstance(call, grpc.UnaryStreamMultiCallable) else call.future
    failed = begin(request, metadata=(("x-request-id", request_id),), timeout=10)
    assert failed.code() is not grpc.StatusCode.OK
    status = rpc_status.from_call(failed)
    assert status is not None, failed
    info, request_info = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert [status.details[0].Unpack(info), status.details[1].Unpack(request_info)] == [True] * 2
    assert len(status.details) == 2
    assert info.domain == "levelgate"
    assert f"REASON_{info.reason}" in Reason.keys()  # noqa: SIM118  (no dict)
    assert request_info.request_id == request_id
    assert status.message
    return failed.code().name, info.reason


def list_rules(channel: grpc.Channel) -> tuple[str, str]:
    return refusal(MemberLevelStub(channel).ListRules, ListRulesRequest())


def watch_levels(channel: grpc.Channel) -> tuple[str, str]:
    return refusal(MemberHistoryStub(channel).WatchLevels, WatchLevelsRequest())
