"""The suite for a run, without the limits that would refuse calls before a service sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.commands.demo import prepare
from services.suite import SUITE
from tests.fuzz.place import Place, make_secrets
from tests.support.running import RunningStack, running_stack
from tests.support.store_server import SERVERS, server

# All long calls and streams of a batch run at the same time.
_SETTINGS = {
    "GATEWAY_RATE_LIMIT": "10000000",
    "GATEWAY_TOKEN_RATE_LIMIT": "100000",
    "GATEWAY_ACCESS_LOG": "/dev/null",
    "APP_RATE_LIMIT": "10000000",
    "REDIS_TIMEOUT_SECONDS": "3",
    **{f"{each.name.upper()}_MAXIMUM_CONCURRENT_RPCS": "2048" for each in SUITE},
    "UPBOT_CHECKS_LONG_CALLS": "32",
    "MEMBER_LEVEL_LONG_CALLS": "32",
    "UPBOT_CHECKS_STREAMS": "128",
    "MEMBER_LEVEL_STREAMS": "128",
}


@contextmanager
def fuzzed_stack(directory: Path) -> Iterator[tuple[RunningStack, Place]]:
    records, data = directory / "records", directory / "data"
    records.mkdir(exist_ok=True)
    data.mkdir(exist_ok=True)
    with (
        server(SERVERS["valkey"], data) as store,
        running_stack(directory, REDIS_URL=store.address, **_SETTINGS) as stack,
        server(SERVERS["valkey"], records) as record_store,
    ):
        prepare(record_store.address)
        secrets = make_secrets(stack.store)
        yield stack, Place(stack.gateway, stack.grpc, stack.redis, record_store.address, secrets)
