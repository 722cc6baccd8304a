"""Acknowledged means durable: with the documented settings a killed store loses nothing."""

from pathlib import Path

from bench.durability import KilledStore, lost_writes
from tests.stack.waiting import free_ports


def test_a_store_killed_twenty_times_under_writes_loses_nothing(tmp_path: Path) -> None:
    store = KilledStore(tmp_path, free_ports(1)[0], ())
    acknowledged, lost = lost_writes(store, kills=20, writes_between=100)
    assert acknowledged >= 2_000
    assert lost == 0


def test_the_test_can_fail(tmp_path: Path) -> None:
    # Without the append-only file everything is gone.
    store = KilledStore(tmp_path, free_ports(1)[0], ("--appendonly", "no"))
    _, lost = lost_writes(store, kills=1, writes_between=20)
    assert lost >= 20
