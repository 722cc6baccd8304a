"""`python -m bench.durability`: how many acknowledged writes a killed store loses.

It starts a store, lets writers add points, kills the store with SIGKILL repeatedly, and finally
counts the acknowledged writes that are missing.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
from pydantic import SecretStr

from bench.launch import free_port, launch_store, until
from services.rules.thresholds import LevelThreshold, LevelThresholds
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from services.user_state.state import Bill, Outcome, UserState

WRITERS = 8
USERS = 4
THRESHOLDS = LevelThresholds(1, [LevelThreshold(0, 0, 1), LevelThreshold(1, 500, 2)])

SETTINGS: Mapping[str, Sequence[str]] = {
    "operations/deployment/store.conf (appendfsync always)": (),
    "appendfsync everysec": ("--appendfsync", "everysec"),
    "no append-only file, no snapshot": ("--appendonly", "no"),
}


class KilledStore:
    """A store whose data directory survives its kills."""

    def __init__(self, directory: Path, port: int, options: Sequence[str]) -> None:
        self._directory = directory
        self._launch = launch_store(port, directory, *options)
        self._process: subprocess.Popen[bytes] | None = None
        self.settings = StoreSettings(
            url=SecretStr(f"redis://127.0.0.1:{port}/0"), timeout_seconds=5, connect_seconds=5
        )

    def start(self) -> None:
        with (self._directory / "store.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._launch.command, stdout=log, env=self._launch.environment
            )
        until(self._launch.is_ready, "the store")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Writer(threading.Thread):
    """Adds points one at a time, each under a new idempotency key, and notes acknowledged ones."""

    def __init__(self, settings: StoreSettings, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._users = UserState(connect(settings), Buckets())
        self._number = number
        self._halt = stop
        self.acknowledged: list[tuple[str, str]] = []
        self._sent = 0

    def run(self) -> None:
        while not self._halt.is_set():
            user, bill = f"user-{self._number % USERS}", f"{self._number}-{self._sent}"
            self._sent += 1
            try:
                addition = self._users.add_points(user, 1, Bill(bill), THRESHOLDS)
            except redis.RedisError:
                time.sleep(0.005)
                continue
            if addition.outcome is Outcome.DONE:
                self.acknowledged.append((user, bill))


def lost_writes(store: KilledStore, kills: int, writes_between: int) -> tuple[int, int]:
    """The number of acknowledged writes, and how many of them are missing in the end."""
    store.start()
    stop = threading.Event()
    writers = [Writer(store.settings, number, stop) for number in range(WRITERS)]
    initialise(store)
    for writer in writers:
        writer.start()
    try:
        for _ in range(kills):
            wait_for_more(writers, writes_between)
            store.kill()
            store.start()
            initialise(store)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    acknowledged = [each for writer in writers for each in writer.acknowledged]
    # A write that any kill lost is still missing, because no key is sent twice.
    lost = missing(store, acknowledged)
    store.kill()
    return len(acknowledged), lost


def initialise(store: KilledStore) -> None:
    users = UserState(connect(store.settings), Buckets())
    for number in range(USERS):
        users.initialise(f"user-{number}", THRESHOLDS.levels[0], 1)


def wait_for_more(writers: Sequence[Writer], count: int) -> None:
    wanted = acknowledged_by(writers) + count
    until(lambda: acknowledged_by(writers) >= wanted, f"{count} writes")


def acknowledged_by(writers: Sequence[Writer]) -> int:
    return sum(len(writer.acknowledged) for writer in writers)


def missing(store: KilledStore, acknowledged: Sequence[tuple[str, str]]) -> int:
    """How many of these idempotency keys the store does not have."""
    names = [Buckets().of(user).bill("", user, bill) for user, bill in acknowledged]
    return connect(store.settings).get_many(names).count(None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.durability", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    for name, arguments in SETTINGS.items():
        with tempfile.TemporaryDirectory() as directory:
            store = KilledStore(Path(directory), free_port(), arguments)
            acknowledged, lost = lost_writes(store, options.kills, 200)
        print(f"{name}: {options.kills} kills, {acknowledged} acknowledged, {lost} lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
