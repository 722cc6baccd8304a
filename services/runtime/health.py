"""Health that tells the truth about the store."""

import threading
from collections.abc import Callable, Iterable

import redis
import structlog
from grpc_health.v1 import health, health_pb2

from levelgate.access.v1.reason_pb2 import REASON_STORE_UNAVAILABLE
from services.runtime.errors import Failure
from services.store import layout
from services.store.client import is_unavailable, why_unavailable
from services.store.store import Store

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

# One lost answer may be a hiccup of the machine; the second in a row is not.
_FAILURES_UNTIL_DOWN = 2
# A store that is away is looked for more often, in seconds: every caller waits for it.
_INTERVAL_DOWN = 0.1
_SHORTEST_INTERVAL = 0.05


class StoreWatch:
    """Asks the store again and again whether it is there, and says so to gRPC's health service.

    Calls ask `require_available` first: while the store is silent they are refused at once
    instead of each holding a thread until its timeout.
    """

    def __init__(
        self,
        store: Store,
        services: Iterable[str],
        interval: float,
        on_mismatch: Callable[[], None],
        claim: Callable[[], None],
    ) -> None:
        self.servicer = health.HealthServicer()
        self._store = store
        self._services = ("", *services)
        self._interval = interval
        self._interval_down = min(interval, _INTERVAL_DOWN)
        self._on_mismatch = on_mismatch
        self._claim = claim
        # What a service that starts finds out at its first look, it may say at once.
        self._failures = _FAILURES_UNTIL_DOWN
        self._why = ""
        self._available = False
        self.stopping = threading.Event()
        """Set when the service goes down: what waits or runs in the background ends."""
        self._look = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)
        self._log = structlog.get_logger()
        self._publish(NOT_SERVING)

    def start(self) -> None:
        self._thread.start()

    def drain(self) -> None:
        """Says NOT_SERVING from now on, whatever the store does."""
        self.stopping.set()
        self._look.set()
        self.servicer.enter_graceful_shutdown()

    def require_available(self) -> None:
        """Raises Failure UNAVAILABLE while the store is known to be away."""
        if not self._available:
            raise Failure(REASON_STORE_UNAVAILABLE)

    def suspect(self) -> None:
        """A call found the store away: look at once, and let that count as the first failure.

        Else calls would go on waiting for a silent store until the second look by the clock.
        """
        if self._available:
            self._failures = max(self._failures, _FAILURES_UNTIL_DOWN - 1)
            self._look.set()

    def _run(self) -> None:
        while not self.stopping.is_set():
            self._look.clear()
            self._probe()
            # A store that answers a ping but refuses writes makes every write look here.
            self.stopping.wait(_SHORTEST_INTERVAL)
            self._look.wait(self._interval if self._available else self._interval_down)

    def _probe(self) -> None:
        try:
            self._store.ping()
            self._check_layout()
        except layout.LayoutMismatchError as error:
            # The text is the layout's own, and tells the operator what to do.
            self._log.error("refusing to serve", why=str(error))
            self._on_mismatch()
        except Exception as error:
            if not is_unavailable(error):
                self._log.error("store watch failed", exc_info=error)
            self._failures += 1
            if self._failures >= _FAILURES_UNTIL_DOWN:
                self._lost(why_unavailable(error))
        else:
            self._failures = 0
            self._why = ""
            if not self._available:
                self._available = True
                self._publish(SERVING)
                self._log.info("store found")

    def _check_layout(self) -> None:
        # Each time: what answers may be another store by now, or the same one without its data.
        try:
            self._claim()
        except layout.LayoutMismatchError:
            raise
        except redis.RedisError:
            # In a cluster the node of the mark may be away while the others serve.
            if not self._available:
                raise

    def _lost(self, why: str) -> None:
        if self._available:
            self._available = False
            self._publish(NOT_SERVING)
        if why != self._why:
            # Once, not with each look: the reason is what an operator at night looks for.
            self._why = why
            self._log.error("no store", why=why)

    def _publish(self, status: int) -> None:
        for service in self._services:
            self.servicer.set(service, status)
