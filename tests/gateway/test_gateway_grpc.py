"""gRPC on the gateway's port: an allow-list of services, whose calls pass unchanged."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from levelgate.access.v1 import access_tokens_pb2 as tokens
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.member.v1 import demotion_pb2 as demotion
from levelgate.member.v1 import member_bulk_pb2 as bulk
from levelgate.member.v1 import member_history_pb2 as history
from levelgate.member.v1 import member_level_pb2 as member
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.shop.v1 import shop_admin_pb2, shop_level_pb2
from levelgate.shop.v1.shop_admin_pb2_grpc import ShopAdminStub
from levelgate.shop.v1.shop_level_pb2_grpc import ShopLevelStub
from levelgate.upbot.v1 import upbot_checks_pb2, user_facts_pb2
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from levelgate.upbot.v1.user_facts_pb2_grpc import UserFactsStub
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, failing, slow


@pytest.fixture(scope="module")
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        yield channel


def outcome(call: Any, request: Message, seconds: float = 5) -> Any:
    """Waits for the end of the call and returns it; it has the status, details and trailers."""
    future = call.future(request, timeout=seconds)
    future.exception()
    return future


def test_the_public_services_are_reachable(channel: grpc.Channel, upstream: Upstream) -> None:
    UpbotChecksStub(channel).CheckStarState(upbot_checks_pb2.CheckStarStateRequest(openid="a"))
    AccessTokensStub(channel).GetAccessToken(tokens.GetAccessTokenRequest(appid="b"))
    AccessTokensStub(channel).IssueMemberToken(tokens.IssueMemberTokenRequest(user_id="c"))
    MemberLevelStub(channel).InitUser(member.InitUserRequest(user_id="d"))
    MemberLevelStub(channel).LevelDown(member.LevelDownRequest())
    MemberHistoryStub(channel).ListHistory(history.ListHistoryRequest(user_id="f"))
    DemotionStub(channel).PlanDemotion(demotion.PlanDemotionRequest())
    ShopLevelStub(channel).GetMemberLevels(shop_level_pb2.GetMemberLevelsRequest(uid="e"))
    assert [call.rpc for call in upstream.calls] == [
        "CheckStarState",
        "GetAccessToken",
        "IssueMemberToken",
        "InitUser",
        "LevelDown",
        "ListHistory",
        "PlanDemotion",
        "GetMemberLevels",
    ]


STREAMS = [
    ("WatchLevels", history.WatchLevelsRequest()),
    ("RunDemotion", demotion.RunDemotionRequest()),
]


@pytest.mark.parametrize(("rpc", "request_"), STREAMS, ids=str)
def test_a_stream_has_only_the_deadline_of_its_caller_and_passes_each_message_at_once(
    channel: grpc.Channel, upstream: Upstream, rpc: str, request_: Message
) -> None:
    stub: Any = MemberHistoryStub(channel) if rpc == "WatchLevels" else DemotionStub(channel)
    stream = getattr(stub, rpc)(request_)
    next(stream)
    assert upstream.calls[-1].seconds_left > 10**8  # grpcio's value for no deadline
    stream.cancel()
    limited = getattr(stub, rpc)(request_, timeout=100)
    next(limited)
    assert 10 < upstream.calls[-1].seconds_left < 102  # grpcio rounds up
    limited.cancel()


def test_a_silent_stream_is_not_idle(gateway: Gateway) -> None:
    # The connection manager ends other streams after 75 s of silence, too long for a test.
    # There is a limit of an hour so that Envoy can shorten it when memory is scarce.
    dump = httpx.get(f"http://127.0.0.1:{gateway.admin_port}/config_dump").json()
    found = next(route for route in _routes(dump) if route.get("name") == "grpc member streams")
    assert found["route"]["idle_timeout"] == "3600s"


def _routes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "match" in node and "route" in node:
            yield node
        for value in node.values():
            yield from _routes(value)
    elif isinstance(node, list):
        for item in node:
            yield from _routes(item)


def test_the_services_for_operators_are_not_reachable(
    channel: grpc.Channel, upstream: Upstream
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    calls: list[tuple[Any, Message]] = [
        (UserFactsStub(channel).GetUserFacts, user_facts_pb2.GetUserFactsRequest(openid="a")),
        (ShopAdminStub(channel).GetShop, shop_admin_pb2.GetShopRequest()),
        (MemberBulkStub(channel).ExportUsers, bulk.ExportUsersRequest()),
        (health.Check, health_pb2.HealthCheckRequest()),
    ]
    for call, request in calls:
        if isinstance(call, grpc.UnaryStreamMultiCallable):
            code = call(request, timeout=5).code()
            assert code == grpc.StatusCode.UNIMPLEMENTED
            continue
        assert outcome(call, request).code() == grpc.StatusCode.UNIMPLEMENTED
    assert upstream.calls == []


def test_a_status_keeps_its_details(channel: grpc.Channel, upstream: Upstream) -> None:
    upstream.answers["ShowUser"] = failing(
        grpc.StatusCode.NOT_FOUND, "用户不存在", request_id="r", field="userId"
    )
    error = outcome(MemberLevelStub(channel).ShowUser, member.ShowUserRequest(user_id="7"))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert error.details() == "用户不存在"
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert dict(info.metadata) == {"request_id": "r", "field": "userId"}


def test_the_deadline_of_a_caller_is_passed_on(channel: grpc.Channel, upstream: Upstream) -> None:
    MemberLevelStub(channel).ListRules(member.ListRulesRequest(), timeout=3)
    assert 2.5 < upstream.calls[0].seconds_left < 3.1  # the clocks of C and Python differ slightly
    upstream.answers["ListRules"] = slow(1)
    late = outcome(MemberLevelStub(channel).ListRules, member.ListRulesRequest(), 0.3)
    assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_caller_cannot_make_the_gateway_repeat_a_call(
    channel: grpc.Channel, upstream: Upstream
) -> None:
    upstream.answers["UpgradeUser"] = failing(grpc.StatusCode.UNAVAILABLE)
    metadata = (("x-envoy-retry-grpc-on", "unavailable"), ("x-envoy-max-retries", "3"))
    request = member.UpgradeUserRequest(user_id="7", point=1)
    call = MemberLevelStub(channel).UpgradeUser.future(request, metadata=metadata)
    assert call.code() == grpc.StatusCode.UNAVAILABLE
    assert len(upstream.calls) == 1


def test_a_large_message_passes(channel: grpc.Channel, upstream: Upstream) -> None:
    codes = [f"{number:04}" + "星" * 124 for number in range(3000)]
    request = upbot_checks_pb2.CheckGameInfoRequest(openid="a", xinyue_codes=codes)
    UpbotChecksStub(channel).CheckGameInfo(request)
    assert len(upstream.calls[0].request.xinyue_codes) == 3000


def test_the_request_id_is_passed_on_and_returned(
    channel: grpc.Channel, upstream: Upstream
) -> None:
    request = member.ListRulesRequest()
    metadata = (("x-request-id", "mine-1"), ("authorization", "token"))
    _, call = MemberLevelStub(channel).ListRules.with_call(request, metadata=metadata)
    assert dict(call.initial_metadata())["x-request-id"] == "mine-1"
    assert upstream.calls[0].metadata["x-request-id"] == "mine-1"
    assert upstream.calls[0].metadata["authorization"] == "token"
