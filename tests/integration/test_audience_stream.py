"""FindUsers, the stream, through the gateway and at the service itself."""

from typing import Any

import grpc
import pytest

from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from tests.stack.waiting import until
from tests.support.running import RunningStack

MEMBERS = pb.FindUsersRequest(condition=pb.Condition(level_at_least=3))


@pytest.fixture(params=["gateway", "service"])
def address(request: pytest.FixtureRequest, stack: RunningStack) -> str:
    stack.reset()
    gateway = stack.gateway.removeprefix("http://")
    return gateway if request.param == "gateway" else stack.grpc["upbot_checks"]


def find(channel: grpc.Channel, token: str, request: pb.FindUsersRequest = MEMBERS) -> Any:
    stub: Any = EligibilityStub(channel)
    return stub.FindUsers(request, timeout=30, metadata=(("authorization", token),))


def test_the_stream_has_everybody_and_ends(stack: RunningStack, address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        found = [message.data for message in find(channel, stack.token)]
    assert [user for each in found for user in each.openids] == ["joe", "3dfg4df", "5"]
    assert (found[-1].percent, found[-1].next_cursor) == (100, "")


@pytest.mark.parametrize(
    ("scope", "cursor", "code"),
    [
        ("upbot:check", "", grpc.StatusCode.PERMISSION_DENIED),
        ("upbot:find", "x", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_wrong_search_is_refused(
    stack: RunningStack, address: str, scope: str, cursor: str, code: grpc.StatusCode
) -> None:
    request = pb.FindUsersRequest(condition=MEMBERS.condition, cursor=cursor)
    with grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            list(find(channel, stack.token_with(scope), request))
        assert raised.value.code() is code


def test_searches_of_callers_who_left_make_room(stack: RunningStack, address: str) -> None:
    def is_answered() -> bool:
        try:
            return bool(list(find(channel, stack.token)))
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED

    with grpc.insecure_channel(address) as channel:
        for _ in range(8):
            find(channel, stack.token).cancel()
        until(is_answered, "a search is answered")
