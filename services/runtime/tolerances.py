"""Counts who uses which tolerated spelling, so that operators can retire one at a time.

docs/tolerances.md explains each of them. The gateway notes what a JSON request used in a header
(gateway/lua/spellings.lua); how a token was sent is known here.
"""

import threading
from collections import Counter as Calls
from collections import deque

from prometheus_client import CollectorRegistry, Counter

from services.runtime.auth import WITHOUT_TOKEN
from services.runtime.call import Call, Caller
from services.runtime.telemetry import FlushFirst

# All values of the label `spelling`.
SPELLINGS = frozenset(
    {
        "level",
        "gid",
        "useId",
        "user_id",
        "use_id",
        "proto",
        "form",
        "json",
        "raw_token",
        "bearer_token",
        "no_token",
    }
)
# The label `app` of calls without an app, and of apps beyond the limit.
_NO_APP, _OTHER = "none", "other"
_MOST_APPS = 1_000
# More than all words that the gateway writes. Anybody may call a service directly.
_LONGEST = 128
# Many calls are counted together because most of them are alike: those of one app.
_COUNTED_TOGETHER = 128


class Tolerances:
    """The metric `levelgate_tolerated_spellings_total`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(FlushFirst(self._count))
        self._used = Counter(
            "levelgate_tolerated_spellings_total",
            "Calls that used a tolerated spelling: docs/tolerances.md.",
            ["app", "spelling"],
            registry=registry,
        )
        self._apps: set[str] = set()
        self._uncounted: deque[tuple[str | None, str, str]] = deque()
        self._counting = threading.Lock()

    def admitted(self, caller: Caller, call: Call) -> None:
        """Counts a call that was admitted."""
        if call.authorization:
            # A token has no space.
            is_raw = " " not in call.authorization[0].strip()
            sent = "raw_token" if is_raw else "bearer_token"
        elif caller is WITHOUT_TOKEN:
            sent = "no_token"
        elif call.spellings:
            sent = ""
        else:
            return
        self._uncounted.append((caller.appid, sent, call.spellings))
        if len(self._uncounted) >= _COUNTED_TOGETHER:
            self._count()

    def _count(self) -> None:
        with self._counting:
            calls: Calls[tuple[str | None, str, str]] = Calls()
            while self._uncounted:
                calls[self._uncounted.popleft()] += 1
            for (appid, sent, noted), number in calls.items():
                app = self._label(appid)
                words = noted.split(",") if len(noted) <= _LONGEST else []
                for word in SPELLINGS.intersection((*words, sent)):
                    self._used.labels(app, word).inc(number)

    def _label(self, appid: str | None) -> str:
        if appid is None:
            return _NO_APP
        if appid not in self._apps:
            if len(self._apps) == _MOST_APPS:
                return _OTHER
            self._apps.add(appid)
        return appid
