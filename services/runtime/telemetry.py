"""Telemetry of calls: log lines with the request id, and metrics by method and code.

Neither may contain a secret, a token or a whole openid, so nothing that callers send is logged.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

import grpc
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from levelgate import __version__
from services.runtime.call import Call
from services.runtime.errors import Failure

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN}
# Updating the metrics takes 19 us for each call, and 2 us if many calls are counted together,
# because code and data are then in the processor's caches: docs/performance.md.
_COUNTED_TOGETHER = 128


class FlushFirst:
    """Flushes pending counts before a scrape."""

    def __init__(self, count: Callable[[], None]) -> None:
        self._count = count

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        self._count()
        return ()


class Telemetry:
    """Counts and logs calls. The metrics have the usual names of gRPC servers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # The first collector that is registered is also collected first.
        self.registry.register(FlushFirst(self._count))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        build = Info("levelgate_build", "Version of levelgate.", registry=self.registry)
        build.info({"version": __version__})
        self._handled = Counter(
            "grpc_server_handled_total",
            "Calls answered, refused ones included.",
            ["grpc_service", "grpc_method", "grpc_code"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time to answer a call.",
            ["grpc_service", "grpc_method"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._metrics: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._uncounted: deque[tuple[str, str, float]] = deque()
        self._counting = threading.Lock()
        self._log = structlog.get_logger().bind()
        self._logs_all = self._log.is_enabled_for(logging.DEBUG)

    def finished(
        self,
        call: Call,
        started: float,
        failure: Failure | None = None,
        error: Exception | None = None,
    ) -> None:
        """Counts a call that has ended; `started` is a value of time.perf_counter."""
        seconds = time.perf_counter() - started
        code = grpc.StatusCode.OK if failure is None else failure.code
        self._uncounted.append((call.method, code.name, seconds))
        if len(self._uncounted) >= _COUNTED_TOGETHER:
            self._count()
        if failure is None and not self._logs_all:
            return
        fields = {
            "method": call.method,
            "code": code.name,
            "ms": round(seconds * 1_000, 2),
            "request_id": call.request_id,
        }
        if failure is None:
            self._log.debug("call", **fields)
        elif failure.code in _FAULTS:
            self._log.error("call failed", **fields, exc_info=error)
        else:
            # The message of a refusal is our own and contains no value that was sent.
            self._log.info("call refused", **fields, why=failure.message)

    def refused_by_envoy(
        self, call: Call, milliseconds: float, code: grpc.StatusCode, why: str, *, is_logged: bool
    ) -> None:
        """Counts a call that Envoy refused. It is logged as a refusal whatever its code, because
        the caller caused it.
        """
        self._uncounted.append((call.method, code.name, milliseconds / 1_000))
        if is_logged:
            fields = {"method": call.method, "code": code.name, "ms": milliseconds}
            self._log.info("call refused", **fields, request_id=call.request_id, why=why)

    def _count(self) -> None:
        with self._counting:
            while self._uncounted:
                path, code, seconds = self._uncounted.popleft()
                handled, histogram = self._metrics_of(path, code)
                handled.inc()
                histogram.observe(seconds)

    def _metrics_of(self, path: str, code: str) -> tuple[Counter, Histogram]:
        found = self._metrics.get((path, code))
        if found is None:
            _, service, method = path.split("/")
            found = (
                self._handled.labels(service, method, code),
                self._seconds.labels(service, method),
            )
            self._metrics[path, code] = found
        return found
