"""A service with small limits on one of the transports, and what its metrics say of calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from operations.commands.demo import prepare
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, ServerProcess, server

TRANSPORTS = ("envoy", "grpcio")
STREAMS = LONG_CALLS = 2
SETTINGS = {
    "MEMBER_LEVEL_STREAMS": f"{STREAMS}",
    "MEMBER_LEVEL_LONG_CALLS": f"{LONG_CALLS}",
    # One member per second, so that a demotion of a few members takes a few seconds.
    "MEMBER_LEVEL_DEMOTION_RATE": "1",
    # grpcio's watches of health end only with the grace period.
    "MEMBER_LEVEL_GRACE_SECONDS": "0.5",
}


class Running(NamedTuple):
    """A service and its store, for the tests of one file."""

    service: Service
    store: ServerProcess


@contextmanager
def running_transport(transport: str, directory: Path) -> Iterator[Running]:
    settings = {**SETTINGS, "MEMBER_LEVEL_SERVER": transport}
    with server(SERVERS["valkey"], directory) as store:
        token = prepare(store.address).token
        with running_service(store.address, directory / "log", **settings) as service:
            service.token = token
            service.wait_for("SERVING")
            yield Running(service, store)


def failure_of(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    """The code of a failed call, and its details by their type's name."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    details = {}
    for packed in [] if status is None else status.details:
        name = packed.TypeName().rpartition(".")[2]
        details[name] = getattr(error_details_pb2, name).FromString(packed.value)
    return raised.value.code(), details


def counted(service: Service, method: str, *codes: str) -> float:
    """How many calls of a method ended with one of these codes."""
    text = httpx.get(f"http://127.0.0.1:{service.metrics_port}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("grpc_server_handled_total")]
    mine = [line for line in lines if f'grpc_method="{method}"' in line]
    ends = [f'grpc_code="{code}"' for code in codes]
    return sum(float(line.split()[-1]) for line in mine if any(each in line for each in ends))
