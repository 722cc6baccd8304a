"""The implementations of a check that `make bench` compares, and a test of their answers."""

import grpc
import httpx

from bench import components, report
from bench.components import DEFAULT, GRPCIO, STORE, far_service, gateway, service
from bench.generator import Target
from bench.launch import HOST, Processes
from bench.many import LEVELS, REPLY
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub

OPENID = "3dfg4df"
BODY = {"openid": OPENID, "levels": LEVELS}
RPC = "/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel"
BATCH_RPC = "/levelgate.upbot.v1.Eligibility/BatchCheck"
PATH = "/upbot/api/CheckUserXYLevel"


def _ours(running: Processes, implementation: str, grpc_name: str, json_name: str) -> list[Target]:
    direct, in_front = service(implementation), gateway(implementation)
    return [
        Target(grpc_name, running.ports[direct], RPC, (direct, STORE), is_grpc=True),
        Target(json_name, running.ports[in_front], PATH, (in_front, direct, STORE)),
    ]


def _peers(running: Processes) -> list[Target]:
    ports, envoy = running.ports, running.ports[components.TRANSCODER]
    found = [
        Target(report.FASTAPI, ports[components.FASTAPI], PATH, (components.FASTAPI, STORE)),
        Target(report.ORDINARY, envoy, PATH, (components.TRANSCODER, components.ORDINARY, STORE)),
    ]
    if port := ports.get(components.GO):
        found.append(Target(report.GO_GRPC, port, RPC, (components.GO, STORE), is_grpc=True))
        found.append(Target(report.GO_JSON, port + 1, PATH, (components.GO, STORE)))
    return found


def hot(running: Processes) -> list[Target]:
    """The same user in each request; every target that has a cache keeps it."""
    ports, envoy = running.ports, running.ports[components.TRANSCODER]
    uncached, empty = components.FASTAPI_UNCACHED, (components.TRANSCODER, components.EMPTY)
    return [
        Target(report.EMPTY, ports[components.EMPTY], RPC, (components.EMPTY,), is_grpc=True),
        *_ours(running, DEFAULT, report.GRPC, report.JSON),
        *_ours(running, GRPCIO, report.GRPCIO_GRPC, report.GRPCIO_JSON),
        Target(report.DIRECT, envoy, "/baseline", (components.TRANSCODER,)),
        Target(report.EMPTY_JSON, envoy, PATH, empty, host="empty"),
        *_peers(running),
        Target(report.FASTAPI_UNCACHED, ports[uncached], PATH, (uncached, STORE)),
    ]


def cold(running: Processes) -> list[Target]:
    """Another user in each request, who was never asked about before."""
    ours = _ours(running, DEFAULT, report.GRPC, report.JSON)
    ours += _ours(running, GRPCIO, report.GRPCIO_GRPC, report.GRPCIO_JSON)[:1]
    return [each.for_new_users(report.new_user(each.name)) for each in [*ours, *_peers(running)]]


def far(running: Processes) -> list[Target]:
    """New users, with a store that is 2.5 ms away."""
    found = []
    for implementation, name in ((DEFAULT, report.FAR), (GRPCIO, report.GRPCIO_FAR)):
        of = far_service(implementation)
        found.append(Target(name, running.ports[of], RPC, (of, STORE), is_grpc=True, is_cold=True))
    return found


def batch(running: Processes) -> Target:
    of = service(DEFAULT)
    port = running.ports[of]
    return Target(report.BATCH, port, BATCH_RPC, (of, STORE), is_grpc=True, body="batch")


def require_right_answer(target: Target, token: str) -> None:
    """Raises ValueError unless the target gives the right answer and refuses a wrong token."""
    if target.is_grpc:
        request = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
        with grpc.insecure_channel(f"{HOST}:{target.port}") as channel:
            check = UpbotChecksStub(channel).CheckUserXYLevel
            if not check(request, timeout=5, metadata=(("authorization", token),)).data.ok:
                raise ValueError(f"{target.name} says no")
        return
    url = f"http://{HOST}:{target.port}{target.path}"
    found = httpx.post(url, json=BODY, headers={"authorization": token})
    if found.json() != REPLY:
        raise ValueError(f"{target.name} says {found.text}")
    refused = httpx.post(url, json=BODY, headers={"authorization": "x"})
    if target.path == PATH and refused.is_success:
        raise ValueError(f"{target.name} takes any token")
