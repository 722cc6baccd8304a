"""A check sees every write that was acknowledged before it, also by another process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from pydantic import SecretStr

from levelgate.member.v1 import member_level_pb2 as member
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.upbot.v1 import user_facts_pb2 as facts
from levelgate.upbot.v1.upbot_checks_pb2 import CheckStarStateRequest, CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from levelgate.upbot.v1.user_facts_pb2_grpc import UserFactsStub
from operations.commands.demo import prepare
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from tests.support.other_readers import OtherReaders, other_readers
from tests.support.service import running_service
from tests.support.store_server import SERVERS, server

BUCKETS = Buckets()
SERVICES = ("member_level", "upbot_checks")
SCOPES = ("member:read", "member:write", "upbot:check", "facts:write")
# Points and the level that they earn by the demo rules.
LADDER = ((600, 1), (800, 2), (1500, 3), (3000, 5))
NOBODY = -1
CHECKS_A_ROUND = 13


class Suite(NamedTuple):
    """A writer, a checker, and other readers to whom the store sends invalidations."""

    channels: dict[str, grpc.Channel]
    token: str
    others: OtherReaders


@pytest.fixture(params=SERVERS)
def suite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Suite]:
    log = tmp_path / "service.log"
    with ExitStack() as stack:
        store = stack.enter_context(server(SERVERS[request.param], tmp_path))
        token = _token(store.address)
        services = [
            stack.enter_context(running_service(store.address, log, name)) for name in SERVICES
        ]
        for each in services:
            each.wait_for("SERVING")
        channels = {each.name: each.channel for each in services}
        Client(Suite(channels, token, OtherReaders([])), "first").run(1)
        others = stack.enter_context(other_readers(store.port))
        yield Suite(channels, token, others)


def _token(address: str) -> str:
    prepare(address)
    store = connect(StoreSettings(url=SecretStr(address)))
    apps = Apps(store)
    apps.create("one", SCOPES)
    app = apps.get("one")
    assert app is not None
    pair = Tokens(store).issue(app)
    store.close()
    assert pair is not None
    return pair.access_token


class Client:
    """Writes and then immediately checks; each call waits for the one before."""

    def __init__(self, suite: Suite, name: str) -> None:
        self.name = name
        self.metadata = (("authorization", suite.token),)
        self.others = suite.others
        self.members = MemberLevelStub(suite.channels["member_level"])
        self.checks = UpbotChecksStub(suite.channels["upbot_checks"])
        self.facts = UserFactsStub(suite.channels["upbot_checks"])
        self.checked = 0
        self.stale: list[str] = []

    def run(self, rounds: int) -> "Client":
        for number in range(rounds):
            user = f"{self.name}-{number}"
            for level in self._levels(user):
                self._expect(self._has_level(user, level), f"{user}: level {level}")
            for is_lit in self._stars(user):
                self._expect(self._is_lit(user) == is_lit, f"{user}: lit {is_lit}")
        return self

    def _levels(self, user: str) -> Iterator[int]:
        """Checks each level immediately after the user got it."""
        # That the user does not exist is remembered, too.
        yield NOBODY
        self._write(self.members.InitUser, member.InitUserRequest(user_id=user))
        yield 0
        for points, level in LADDER:
            upgrade = member.UpgradeUserRequest(user_id=user, point=points)
            self._write(self.members.UpgradeUser, upgrade)
            yield level
        manual = member.UpdateUserRequest(user_id=user, vip_level=2, partner_id="test")
        self._write(self.members.UpdateUser, manual)
        yield 2
        self._write(self.members.DeleteUser, member.DeleteUserRequest(user_id=user))
        yield NOBODY

    def _stars(self, user: str) -> Iterator[bool]:
        yield False
        for is_lit in (True, False, True):
            star = facts.StarState(gid=7, device=2, lit=is_lit)
            self._write(self.facts.PutStarState, facts.PutStarStateRequest(openid=user, star=star))
            yield is_lit
        self._write(self.facts.DeleteUserFacts, facts.DeleteUserFactsRequest(openid=user))
        yield False

    def _has_level(self, user: str, level: int) -> bool:
        levels = [level] if level != NOBODY else [0, 1, 2, 3, 5]
        question = CheckUserXYLevelRequest(openid=user, level=levels)
        return self._is_ok(self.checks.CheckUserXYLevel, question) == (level != NOBODY)

    def _is_lit(self, user: str) -> bool:
        question = CheckStarStateRequest(openid=user, gid=[7])
        return self._is_ok(self.checks.CheckStarState, question)

    def _is_ok(self, call: Any, question: Any) -> bool:
        return bool(call(question, timeout=10, metadata=self.metadata).data.ok)

    def _write(self, call: Any, request: Any) -> None:
        """Lets other readers remember the value, which delays this reader's invalidation."""
        is_fact = hasattr(request, "openid")
        user = request.openid if is_fact else request.user_id
        bucket = BUCKETS.of(user)
        self.others.read(bucket.facts(user) if is_fact else bucket.record(user))
        call(request, timeout=10, metadata=self.metadata)

    def _expect(self, is_seen: bool, what: str) -> None:
        self.checked += 1
        if not is_seen:
            self.stale.append(what)


def _run(suite: Suite, clients: int, rounds: int) -> None:
    each = [Client(suite, f"{clients}-{number}") for number in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda client: client.run(rounds), each))
    assert [stale for client in each for stale in client.stale] == []
    assert sum(client.checked for client in each) == CHECKS_A_ROUND * clients * rounds


def test_no_check_after_an_acknowledged_write_is_stale(suite: Suite) -> None:
    # Without Store.confirm about one check a round is stale.
    _run(suite, clients=1, rounds=12)
    # Under load the delay occurs without other readers, too, but in few rounds.
    _run(suite._replace(others=OtherReaders([])), clients=4, rounds=25)
