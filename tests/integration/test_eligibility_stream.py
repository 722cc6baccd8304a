"""StreamCheck, the call that streams in both directions."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from operations.commands.demo import prepare
from tests.stack.waiting import until
from tests.support.service import running_service
from tests.support.store_server import SERVERS, server

Stream = Iterator[pb.EligibilityStreamCheckRequest]


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """StreamCheck of one service; the kind of store makes no difference."""
    directory = tmp_path_factory.mktemp("checks")
    log = directory / "service.log"
    with (
        server(SERVERS["valkey"], directory) as store,
        running_service(store.address, log, "upbot_checks", UPBOT_CHECKS_STREAMS="2") as service,
    ):
        token = prepare(store.address).token
        service.wait_for("SERVING")
        stub = EligibilityStub(service.channel)

        def check(requests: Stream, token: str = token, seconds: float = 20) -> Any:
            metadata = (("authorization", token),)
            return stub.StreamCheck(requests, timeout=seconds, metadata=metadata)

        yield check


def level_at_least(level: int) -> pb.Condition:
    return pb.Condition(level_at_least=level)


def test_a_stream_answers_each_message_in_order(checks: Any) -> None:
    asked: list[int] = []

    def requests() -> Stream:
        asked.append(1)
        yield pb.EligibilityStreamCheckRequest(openids=["5", "42"], condition=level_at_least(3))
        asked.append(2)
        yield pb.EligibilityStreamCheckRequest(openids=["42", "5"], detail=True)
        yield pb.EligibilityStreamCheckRequest(openids=["42"], condition=level_at_least(0))

    replies = [reply.data for reply in checks(requests())]
    assert [list(data.openids) for data in replies] == [["5"], ["5"], ["42"]]
    assert [result.ok for result in replies[1].results] == [False, True]
    assert len(replies) == 3


def test_an_empty_stream_gets_an_empty_answer(checks: Any) -> None:
    assert list(checks(iter(()))) == []


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (pb.EligibilityStreamCheckRequest(), "openids"),
        (pb.EligibilityStreamCheckRequest(openids=["a"] * 10_001), "openids"),
        (
            pb.EligibilityStreamCheckRequest(openids=["a"], condition=pb.Condition()),
            "condition",
        ),
    ],
)
def test_an_invalid_message_ends_the_stream_after_the_earlier_answers(
    checks: Any, second: pb.EligibilityStreamCheckRequest, why: str
) -> None:
    first = pb.EligibilityStreamCheckRequest(openids=["5"], condition=level_at_least(3))
    replies = checks(iter((first, second)))
    assert list(next(replies).data.openids) == ["5"]
    with pytest.raises(grpc.RpcError) as raised:
        next(replies)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert why in str(raised.value.details())


def test_a_stream_without_a_condition_is_refused(checks: Any) -> None:
    with pytest.raises(grpc.RpcError, match="is required in the first message") as raised:
        list(checks(iter((pb.EligibilityStreamCheckRequest(openids=["5"]),))))
    status = rpc_status.from_call(cast(Any, raised.value))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.metadata == {"field": "condition", "violations": "1"}


def test_a_stream_without_a_valid_token_is_refused(checks: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        list(checks(iter(()), token="wrong"))
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_streams_over_the_limit_are_refused_until_one_ends(checks: Any) -> None:
    first = pb.EligibilityStreamCheckRequest(openids=["5"], condition=level_at_least(3))

    def endless() -> Stream:
        while True:
            yield first

    held = [checks(endless()), checks(endless())]
    for replies in held:
        next(replies)
    with pytest.raises(grpc.RpcError) as raised:
        next(checks(iter((first,))))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for replies in held:
        replies.cancel()
    until(lambda: _is_accepted(checks, first), "another stream is accepted")


def _is_accepted(checks: Any, first: pb.EligibilityStreamCheckRequest) -> bool:
    try:
        return bool(list(checks(iter((first,)))))
    except grpc.RpcError:
        return False


def test_a_stream_ends_at_its_deadline(checks: Any) -> None:
    first = pb.EligibilityStreamCheckRequest(openids=["5"], condition=level_at_least(3))

    ended = threading.Event()

    def silent() -> Stream:
        yield first
        ended.wait()

    # Long enough for the first answer even if the machine stalls for a second.
    replies = checks(silent(), seconds=2)
    next(replies)
    with pytest.raises(grpc.RpcError) as raised:
        next(replies)
    ended.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
