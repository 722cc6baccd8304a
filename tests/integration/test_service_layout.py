"""A service writes only to a store whose data has its layout."""

import itertools
import threading
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from levelgate.member.v1 import member_level_pb2 as pb
from operations.commands.demo import prepare
from services.store import keys
from services.store.client import connect
from tests.stack.waiting import until
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings
from tests.support.switch import switch


def test_a_service_refuses_data_of_another_layout(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    connect(store_settings(store_server.port)).set(keys.LAYOUT, '{"buckets": 9, "format": 9}')
    with running_service(store_server.address, tmp_path / "service.log") as service:
        assert service.process.wait(15) == 1
        assert "refusing to serve" in service.lines
        assert "Traceback" not in service.lines


def test_a_lost_mark_is_written_again_and_a_changed_one_ends_the_service(
    service: Service, store_server: ServerProcess
) -> None:
    store = connect(store_settings(store_server.port))
    mark = store.get(keys.LAYOUT)
    store.delete(*(key.decode() for key in store.scan_iter()))
    until(lambda: store.get(keys.LAYOUT) == mark, "the mark")
    assert service.status() == "SERVING"
    store.set(keys.LAYOUT, '{"buckets": 9, "format": 2}')
    assert service.process.wait(15) == 1
    assert "refusing to serve" in service.lines


@pytest.mark.parametrize("is_missed", [True, False])
def test_a_service_whose_store_is_exchanged_writes_nothing_to_the_other_one(
    store_server: ServerProcess, tmp_path: Path, is_missed: bool
) -> None:
    demo = prepare(store_server.address)
    (tmp_path / "other").mkdir()
    with (
        server(SERVERS["valkey"], tmp_path / "other") as other,
        switch(store_server.port) as address,
        running_service(
            f"redis://127.0.0.1:{address.port}/0",
            tmp_path / "log",
            MEMBER_LEVEL_HEALTH_INTERVAL_SECONDS="60",
        ) as service,
    ):
        theirs = connect(store_settings(other.port))
        theirs.set(keys.LAYOUT, '{"buckets": 9, "format": 2}')
        service.token = demo.token
        service.wait_for("SERVING")
        writes = Writes(service)
        until(lambda: writes.acknowledged > 20, "writes")
        if is_missed:
            address.turn(0)
            service.wait_for("NOT_SERVING")
        address.turn(other.port)
        assert service.process.wait(20) == 1
        writes.end()
        assert list(theirs.scan_iter()) == [keys.LAYOUT.encode()]
        assert "refusing to serve" in service.lines
        assert "Traceback" not in service.lines


class Writes:
    """Creates one member after another in a thread, and counts the successes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged = 0
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count():
            if self._is_over.wait(0.002):
                return
            request = pb.InitUserRequest(user_id=f"u{number}")
            with suppress(grpc.RpcError):
                members, metadata = self._service.members, self._service.metadata
                members.InitUser(request, timeout=2, metadata=metadata)
                self.acknowledged += 1
