"""Metrics of the reads that are answered from memory."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from services.store.reads import Reads
from services.store.tracked_reads import TrackedReads


def register(registry: CollectorRegistry, reads: Reads) -> None:
    """Adds the metrics to a registry, if reads are answered from memory."""
    if isinstance(reads, TrackedReads):
        registry.register(_Collector(reads))


class _Collector:
    def __init__(self, reads: TrackedReads) -> None:
        self._reads = reads

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "levelgate_store_values_read",
            "Values that checks read from the store, because they were not in memory.",
            value=self._reads.asked,
        )
        yield GaugeMetricFamily(
            "levelgate_values_kept",
            "Values in memory, up to REDIS_CACHE_VALUES.",
            value=self._reads.kept,
        )
        yield CounterMetricFamily(
            "levelgate_store_tracking_connections",
            "Connections that receive invalidations; memory is empty after each new one.",
            value=self._reads.connected,
        )
