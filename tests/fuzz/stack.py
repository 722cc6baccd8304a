"""The suite for a run, without the limits that would answer in the place of the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.commands.demo import prepare
from tests.fuzz.place import Place, make_secrets
from tests.support.running import RunningStack, running_stack
from tests.support.store_server import SERVERS, server

# Long calls and streams of one batch are under way at the same time.
_SETTINGS = {
    "GATEWAY_RATE_LIMIT": "10000000",
    "GATEWAY_TOKEN_RATE_LIMIT": "100000",
    "GATEWAY_ACCESS_LOG": "/dev/null",
    "APP_RATE_LIMIT": "10000000",
    "REDIS_TIMEOUT_SECONDS": "3",
    "UPBOT_CHECKS_MAXIMUM_CONCURRENT_RPCS": "2048",
    "MEMBER_LEVEL_MAXIMUM_CONCURRENT_RPCS": "2048",
    "SHOP_LEVEL_MAXIMUM_CONCURRENT_RPCS": "2048",
    "UPBOT_CHECKS_LONG_CALLS": "32",
    "MEMBER_LEVEL_LONG_CALLS": "32",
    "UPBOT_CHECKS_STREAMS": "128",
    "MEMBER_LEVEL_STREAMS": "128",
}


@contextmanager
def fuzzed_stack(directory: Path) -> Iterator[tuple[RunningStack, Place]]:
    records = directory / "records"
    records.mkdir(exist_ok=True)
    data = directory / "data"
    data.mkdir(exist_ok=True)
    with (
        # Without a file to sync to, which is what most of a write would take.
        server(SERVERS["valkey"], data) as store,
        running_stack(directory, REDIS_URL=store.address, **_SETTINGS) as stack,
        record_store(records) as address,
    ):
        yield (
            stack,
            Place(stack.gateway, stack.grpc, stack.redis, address, make_secrets(stack.store)),
        )


@contextmanager
def record_store(directory: Path) -> Iterator[str]:
    """A store with the demo data, apart from every service."""
    with server(SERVERS["valkey"], directory) as running:
        prepare(running.address)
        yield running.address


def log_files(stack: RunningStack) -> list[Path]:
    return sorted((stack.directory / "logs").glob("*.log"))
