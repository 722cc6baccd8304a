"""Whether a service can serve: it probes the store, and publishes the result as gRPC health."""

import threading
from collections.abc import Callable, Iterable

import redis
import structlog
from grpc_health.v1 import health, health_pb2

from levelgate.access.v1.reason_pb2 import REASON_STORE_UNAVAILABLE
from services.runtime.errors import Failure
from services.runtime.shutdown import Shutdown
from services.store.client import is_unavailable, why_unavailable
from services.store.layout import LayoutMismatchError
from services.store.store import Store

# A single lost answer may be a hiccup of the machine; a second one in a row is a failure.
_FAILURES_UNTIL_UNAVAILABLE = 2
# In seconds. An unavailable store is probed more often, because every caller waits for it.
_INTERVAL_WHILE_UNAVAILABLE = 0.1
_SHORTEST_INTERVAL = 0.05


class Health:
    """Publishes one status for all proto services of this process."""

    def __init__(self, services: Iterable[str]) -> None:
        self.servicer = health.HealthServicer()
        self._services = ("", *services)
        self.publish(is_serving=False)

    def publish(self, *, is_serving: bool) -> None:
        statuses = health_pb2.HealthCheckResponse
        for service in self._services:
            self.servicer.set(service, statuses.SERVING if is_serving else statuses.NOT_SERVING)

    def shut_down(self) -> None:
        """Publishes NOT_SERVING, and ignores every later status."""
        self.servicer.enter_graceful_shutdown()


class StoreAvailability:
    """A circuit breaker: while the store is unavailable, calls are refused immediately.

    Otherwise each call would hold a thread until its timeout.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        # The first probe result is published immediately, without waiting for a second failure.
        self._failures = _FAILURES_UNTIL_UNAVAILABLE
        self._logged_reason = ""
        self._log = structlog.get_logger()
        self.is_available = False
        self.suspected = threading.Event()
        """Set when a call has failed because of the store: the next probe is due immediately."""

    def require(self) -> None:
        """Raises Failure UNAVAILABLE while the store is known to be unavailable."""
        if not self.is_available:
            raise Failure(REASON_STORE_UNAVAILABLE)

    def call_failed(self) -> None:
        """Counts a call that found the store unavailable as the first failure.

        Without this, calls would wait for a silent store until two regular probes have failed.
        """
        if self.is_available:
            self._failures = max(self._failures, _FAILURES_UNTIL_UNAVAILABLE - 1)
            self.suspected.set()

    def probe_succeeded(self) -> None:
        self._failures = 0
        self._logged_reason = ""
        if not self.is_available:
            self.is_available = True
            self._health.publish(is_serving=True)
            self._log.info("store available")

    def probe_failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures < _FAILURES_UNTIL_UNAVAILABLE:
            return
        if self.is_available:
            self.is_available = False
            self._health.publish(is_serving=False)
        if reason != self._logged_reason:
            # Logged once and not with every probe, so that the reason is easy to find.
            self._logged_reason = reason
            self._log.error("store unavailable", why=reason)


class LayoutCheck:
    """Checks the layout of the data with every probe.

    The address may lead to another store by now, or the store may have lost its data.
    """

    def __init__(self, claim: Callable[[], None], availability: StoreAvailability) -> None:
        """`claim` marks an empty store with the layout, or compares the mark."""
        self._claim = claim
        self._availability = availability

    def check(self) -> None:
        """Raises LayoutMismatchError, or redis.RedisError where the layout was never checked."""
        try:
            self._claim()
        except LayoutMismatchError:
            raise
        except redis.RedisError:
            # In a cluster, the node that holds the mark may be down while the others serve.
            if not self._availability.is_available:
                raise


class StoreProbe:
    """A thread that probes the store regularly until the service shuts down."""

    def __init__(
        self,
        store: Store,
        layout: LayoutCheck,
        availability: StoreAvailability,
        shutdown: Shutdown,
        interval: float,
    ) -> None:
        self._store = store
        self._layout = layout
        self._availability = availability
        self._shutdown = shutdown
        self._interval = interval
        self._log = structlog.get_logger()

    def start(self) -> None:
        threading.Thread(target=self._run, name="store-probe", daemon=True).start()

    def probe(self) -> None:
        try:
            self._store.ping()
            self._layout.check()
        except LayoutMismatchError as error:
            # The text is our own; it says what the operator should do.
            self._log.error("refusing to serve", why=str(error))
            self._shutdown.fail()
        except Exception as error:
            if not is_unavailable(error):
                self._log.error("store probe failed", exc_info=error)
            self._availability.probe_failed(why_unavailable(error))
        else:
            self._availability.probe_succeeded()

    def _run(self) -> None:
        while not self._shutdown.stopping.is_set():
            self._availability.suspected.clear()
            self.probe()
            # A store that answers the probe but refuses writes makes every write ask for a probe.
            self._shutdown.stopping.wait(_SHORTEST_INTERVAL)
            self._availability.suspected.wait(self._seconds_until_next())

    def _seconds_until_next(self) -> float:
        if self._availability.is_available:
            return self._interval
        return min(self._interval, _INTERVAL_WHILE_UNAVAILABLE)
