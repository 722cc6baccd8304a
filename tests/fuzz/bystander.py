"""Another caller, who repeats a few calls during the run and must always get right answers.

The answers do not depend on the rules, which the fuzzer changes.
"""

import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import quote
from uuid import uuid4

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
        self._address, self._token = place.address("gateway"), bystander_token(store)
        self._connection = http.client.HTTPConnection(*self._address, timeout=_SECONDS)
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
        self._connection.close()

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
                self._connection.close()
                self._find(type(error).__name__, str(error))

    def _round(self) -> None:
        bill = uuid4().hex
        added = self._call("POST", f"/userlevel/points/{self.user}", {"delta": 1, "billNo": bill})
        version = int(added["data"]["version"])
        self._points += 1
        self._expect(
            added["data"]["points"] == self._points and version > self._version, "AddPoints", added
        )
        self._version = version
        again = self._call("POST", f"/userlevel/points/{self.user}", {"delta": 1, "billNo": bill})
        self._expect(again == added, "AddPoints again", again)
        history = self._call("GET", f"/userlevel/history/{self.user}")
        self._expect(history["data"]["current"]["points"] == self._points, "ListHistory", history)
        star = {"openid": self.user, "gids": [77]}
        lit = self._call("POST", "/upbot/api/CheckStarState", star)
        self._expect(lit == {"ret": 0, "msg": "", "data": {"ok": True}}, "CheckStarState", lit)
        points = {"compare_type": 1, "value": self._points}
        check = {"openid": self.user, "min_version": version, "condition": {"points": points}}
        checked = self._call("POST", "/upbot/api/CheckEligibility", check)
        self._expect(checked["data"]["ok"] is True, "CheckEligibility", checked)
        query = f"/?route=member.member-level.index&i={self.shop}&uid={quote(self.user)}"
        shop = self._call("GET", query)
        self._expect(shop["data"]["shop_set"]["name"] == self.shop, "GetMemberLevels", shop)

    def _call(self, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
        started = time.monotonic()
        headers = {"authorization": self._token}
        packed = None
        if body is not None:
            packed, headers["content-type"] = json.dumps(body), "application/json"
        self._connection.request(method, target, packed, headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        self.calls += 1
        self.slowest = max(self.slowest, time.monotonic() - started)
        self._expect(response.status == 200, target.partition("?")[0], f"{response.status} {text}")
        return json.loads(text)

    def _expect(self, is_right: bool, what: str, got: object) -> None:
        if not is_right:
            self._find(what, str(got))

    def _find(self, what: str, got: str) -> None:
        what = what.replace(self.user, "{user}")
        self._findings.append(Finding("the bystander is served", f"{what}: {got[:300]}"))
