"""Calls at a steady pace through both doors of a running suite, and what became of each."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import httpx

from levelgate.member.v1.member_level_pb2 import ShowUserRequest, UpgradeUserRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.shop.v1.shop_level_pb2 import GetMemberLevelsRequest
from levelgate.shop.v1.shop_level_pb2_grpc import ShopLevelStub
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from services.runtime.error_catalogue import TOO_MANY_REQUESTS, UNAVAILABLE, body

# Longer than any route's deadline: what takes longer hangs.
PATIENCE = 15.0
WORKERS_PER_DOOR = 24
_TICK = 0.01

SHOP = "/addons/yun_shop/api.php?i=6&route=member.member-level.index"
BUSY = {body(family, UNAVAILABLE) for family in ("upbot", "member", "shop")}
REFUSED = {body(family, TOO_MANY_REQUESTS) for family in ("upbot", "member", "shop")}


@dataclass(frozen=True)
class Outcome:
    """One call; times in seconds of time.monotonic."""

    call: str
    began: float
    seconds: float
    status: str
    """HTTP status or gRPC code, or the name of what was raised."""
    is_good: bool
    is_documented: bool = True
    """Whether a failure came in the form that the documents give it."""

    @property
    def ended(self) -> float:
        return self.began + self.seconds


Call = Callable[[], tuple[str, bool, bool]]
"""Gives status, is_good and is_documented."""


def json_call(client: httpx.Client, method: str, url: str, **options: Any) -> Call:
    def call() -> tuple[str, bool, bool]:
        reply = client.request(method, url, **options)
        is_good = reply.status_code == 200 and '"error"' not in reply.text
        return str(reply.status_code), is_good, is_good or reply.text in BUSY | REFUSED

    return call


def grpc_call(rpc: Any, request: Any, token: str) -> Call:
    def call() -> tuple[str, bool, bool]:
        try:
            rpc(request, timeout=PATIENCE, metadata=(("authorization", token),))
        except grpc.RpcError as error:
            code = error.code()
            return code.name, False, code in DOCUMENTED
        return "OK", True, True

    return call


Door = Callable[[str, str, ExitStack], dict[str, Call]]
"""From gateway and token to the calls, over connections of their own."""

DOCUMENTED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


def json_calls(gateway: str, token: str, opened: ExitStack) -> dict[str, Call]:
    client = opened.enter_context(
        httpx.Client(
            base_url=gateway,
            timeout=PATIENCE,
            headers={"authorization": token},
            limits=httpx.Limits(keepalive_expiry=60),
        )
    )
    check = {"openid": "3dfg4df", "level": [1, 3]}
    return {
        "json upbot": json_call(client, "POST", "/upbot/api/CheckUserXYLevel", json=check),
        "json member": json_call(client, "GET", "/userlevel/42?point=3200"),
        "json shop": json_call(client, "GET", SHOP + "&uid=joe"),
    }


def grpc_calls(gateway: str, token: str, opened: ExitStack) -> dict[str, Call]:
    target = gateway.removeprefix("http://")
    # A connection of its own: else all channels of a process share one.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = opened.enter_context(grpc.insecure_channel(target, options))
    check = CheckUserXYLevelRequest(openid="3dfg4df", level=[1, 3])
    shop = GetMemberLevelsRequest(i="6", uid="joe")
    members = MemberLevelStub(channel)
    return {
        "grpc upbot": grpc_call(UpbotChecksStub(channel).CheckUserXYLevel, check, token),
        "grpc member": grpc_call(members.ShowUser, ShowUserRequest(user_id="42"), token),
        "grpc write": grpc_call(
            members.UpgradeUser, UpgradeUserRequest(user_id="42", point=3200), token
        ),
        "grpc shop": grpc_call(ShopLevelStub(channel).GetMemberLevels, shop, token),
    }


@dataclass
class Load:
    """`rate` calls a second while the block lasts, half of them JSON and half gRPC."""

    gateway: str
    token: str
    rate: float = 200.0
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.stall = 0.0
        """The longest time, in seconds, for which the machine itself stood still.

        Limits of time are meant beyond that: the machine is shared, and stalls for all alike.
        """

    def __enter__(self) -> Self:
        watcher = threading.Thread(target=self._watch_the_machine, daemon=True)
        watcher.start()
        self._threads.append(watcher)
        doors = (json_calls, grpc_calls) * WORKERS_PER_DOOR
        started = time.monotonic()
        pause = len(doors) / self.rate
        for number, door in enumerate(doors):
            first = started + pause * number / len(doors)
            thread = threading.Thread(target=self._work, args=(door, first, pause), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive(), "a call hangs"

    def _watch_the_machine(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(_TICK)
            self.stall = max(self.stall, time.monotonic() - began - _TICK)

    def _work(self, door: Door, first: float, pause: float) -> None:
        with ExitStack() as opened:
            calls = door(self.gateway, self.token, opened)
            for number, (name, call) in enumerate(itertools.cycle(calls.items())):
                # Its time, also if the call before took longer: the pace is not the callee's.
                due = first + number * pause
                if self._over.wait(max(0.0, due - time.monotonic())):
                    return
                self.outcomes.append(_outcome(name, call))

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.is_good]

    def since(self, moment: float) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.began >= moment]

    def figures(self) -> dict[str, Any]:
        seconds = max(o.ended for o in self.outcomes) - min(o.began for o in self.outcomes)
        return {
            "requests": len(self.outcomes),
            "requests_per_second": round(len(self.outcomes) / seconds),
            "failed": len(self.failures),
            "failures": dict(Counter(f"{each.call}: {each.status}" for each in self.failures)),
            "p50_ms": milliseconds(self.outcomes, 0.5),
            "p99_ms": milliseconds(self.outcomes, 0.99),
            "slowest_ms": milliseconds(self.outcomes, 1.0),
            "machine_stalled_ms": round(1_000 * self.stall),
        }


def _outcome(name: str, call: Call) -> Outcome:
    began = time.monotonic()
    try:
        status, is_good, is_documented = call()
    except httpx.HTTPError as error:
        status, is_good, is_documented = type(error).__name__, False, False
    return Outcome(name, began, time.monotonic() - began, status, is_good, is_documented)


def milliseconds(outcomes: Sequence[Outcome], quantile: float) -> float:
    times = sorted(outcome.seconds for outcome in outcomes)
    return round(1000 * times[min(len(times) - 1, int(quantile * len(times)))], 1)
