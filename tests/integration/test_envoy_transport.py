"""The limits of the server inside Envoy, which grpcio's server does not have."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.half_open import Call, Connection, half_open
from levelgate.member.v1 import member_level_pb2
from operations.commands.demo import prepare
from tests.stack.waiting import until
from tests.support.bystanders import message
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, server

SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("service")
    with server(SERVERS["valkey"], directory) as store:
        token = prepare(store.address).token
        with running_service(store.address, directory / "service.log") as started:
            started.token = token
            started.wait_for("SERVING")
            yield started


def test_many_resets_neither_end_a_connection_nor_fill_the_log(service: Service) -> None:
    """All callers share the gateway's connection, and one of them may cancel most of its calls."""
    whole = message(member_level_pb2.ShowUserRequest(user_id="5"))
    sent = [Call(SHOW, whole, service.token, is_whole=True)] * 20
    with ExitStack() as opened:
        connection = Connection(("127.0.0.1", service.port), opened)
        # 800 calls: Envoy closes a connection after 500 resets, grpcio's library after 1,000.
        for _ in range(40):
            connection.begin(sent)
            connection.reset()
        connection.send()
    assert service.show().data.level == 5
    assert [line for line in service.lines.splitlines() if not line.startswith("{")] == []


def test_calls_whose_request_never_comes_keep_their_memory_for_two_seconds_only(
    service: Service,
) -> None:
    """No time limit ends a watch, and each call is too small to be ended for its size."""
    path = "/levelgate.member.v1.MemberHistory/WatchLevels"
    with half_open(("127.0.0.1", service.port), [Call(path)], 80, 250) as held:
        assert held.begun > 19_000
        until(lambda: held.answers.total() > 5_000, "calls that are ended", 20)
        until(lambda: service.status() == "SERVING", "health", 20)
        for _ in range(20):
            assert service.show().data.level == 5
