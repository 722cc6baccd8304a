"""Another caller, who repeats a few calls during the run and must always get right answers.

The answers do not depend on the rules, which the fuzzer changes.
"""

import threading
import time
from typing import Any
from uuid import uuid4

import httpx

from services.rules.rule_book import RuleBook
from services.shop_level.shop import Shop, ShopSet
from services.shop_level.shop_store import ShopStore
from services.store.keys import Buckets
from services.store.store import Store
from services.user_facts.fact import ANDROID, Star
from services.user_facts.fact_store import FactStore
from services.user_state.state import UserState
from tests.fuzz.findings import Finding
from tests.fuzz.place import Place, bystander_token

_SECONDS = 10.0
# Between two rounds, so that it does not become a load.
_PAUSE = 0.02


class Bystander:
    """Calls from `start` until `stop`."""

    def __init__(self, place: Place, store: Store) -> None:
        self.user, self.shop = f"by-{uuid4().hex}", f"by{uuid4().hex}"
        self.calls, self.slowest = 0, 0.0
        headers = {"authorization": bystander_token(store)}
        self._client = httpx.Client(base_url=place.gateway, headers=headers, timeout=_SECONDS)
        self._points, self._version = 0, 0
        self._findings: list[Finding] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bystander", daemon=True)
        self._settle(store)

    @property
    def kept(self) -> list[str]:
        """The prefixes of its keys, which a sweep must keep."""
        return [Buckets().of(self.user).prefix, f"lg:{{shop:{self.shop}}}"]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(2 * _SECONDS)
        self._client.close()

    def findings(self) -> list[Finding]:
        """What went wrong since the last call."""
        found, self._findings = self._findings, []
        return found

    def summary(self) -> str:
        return f"{self.calls:,} calls, the slowest {self.slowest:.2f} s"

    def _settle(self, store: Store) -> None:
        users = UserState(store, Buckets())
        thresholds = RuleBook(store).book().thresholds
        users.initialise(self.user, thresholds.levels[0], thresholds.version)
        FactStore(store, Buckets()).put_star(self.user, Star(77, ANDROID), lit=True)
        shop = Shop(level_type="0", shop_set=ShopSet(name=self.shop))
        ShopStore(store, Buckets()).change(self.shop, lambda _: shop)

    def _run(self) -> None:
        while not self._over.wait(_PAUSE):
            try:
                self._round()
            except Exception as error:
                self._find(type(error).__name__, str(error))

    def _round(self) -> None:
        points, history = f"/userlevel/points/{self.user}", f"/userlevel/history/{self.user}"
        bill = {"delta": 1, "billNo": uuid4().hex}
        added = self._call("POST", points, bill)
        self._points += 1
        before, self._version = self._version, int(added["data"]["version"])
        again = self._call("POST", points, bill)
        listed = self._call("GET", history)
        lit = self._call("POST", "/upbot/api/CheckStarState", {"openid": self.user, "gids": [77]})
        condition = {"points": {"compare_type": 1, "value": self._points}}
        check = {"openid": self.user, "min_version": self._version, "condition": condition}
        checked = self._call("POST", "/upbot/api/CheckEligibility", check)
        query = f"/?route=member.member-level.index&i={self.shop}&uid={self.user}"
        shop = self._call("GET", query)
        is_added = added["data"]["points"] == self._points and self._version > before
        for what, got, is_right in (
            ("AddPoints", added, is_added),
            ("AddPoints again", again, again == added),
            ("ListHistory", listed, listed["data"]["current"]["points"] == self._points),
            ("CheckStarState", lit, lit == {"ret": 0, "msg": "", "data": {"ok": True}}),
            ("CheckEligibility", checked, checked["data"]["ok"] is True),
            ("GetMemberLevels", shop, shop["data"]["shop_set"]["name"] == self.shop),
        ):
            if not is_right:
                self._find(what, str(got))

    def _call(self, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
        started = time.monotonic()
        reply = self._client.request(method, target, json=body)
        self.calls += 1
        self.slowest = max(self.slowest, time.monotonic() - started)
        if reply.status_code != 200:
            self._find(target.partition("?")[0], f"{reply.status_code} {reply.text}")
        return reply.json()

    def _find(self, what: str, got: str) -> None:
        what = what.replace(self.user, "{user}")
        self._findings.append(Finding("the bystander is served", f"{what}: {got[:300]}"))
