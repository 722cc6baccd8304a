"""Puts many users into a store and asks about them."""

import socket
import time
from collections.abc import Sequence
from typing import Any, cast

import grpc
import redis

from levelgate.upbot.v1.eligibility_pb2 import Condition, EligibilityBatchCheckRequest
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from services.store.batches import batched
from services.store.keys import Buckets

PATTERN = "user-{:08d}"
CONDITION = Condition(level_at_least=3)


def names(first: int, count: int) -> list[str]:
    return [PATTERN.format(number) for number in range(first, first + count)]


def copy_user(url: str, user: str, copies: Sequence[str]) -> None:
    """Gives users the record of another one, for checks only: indexes and feed are not changed."""
    buckets = Buckets()
    with redis.Redis.from_url(url) as client:
        record = cast(bytes, client.get(buckets.of(user).record(user)))
        for some in batched(copies, 10_000):
            with client.pipeline(transaction=False) as pipeline:
                for each in some:
                    pipeline.set(buckets.of(each).record(each), record)
                pipeline.execute()


def batch(users: Sequence[str]) -> EligibilityBatchCheckRequest:
    return EligibilityBatchCheckRequest(openids=users, condition=CONDITION)


def check_all(address: str, token: str, users: Sequence[str], at_a_time: int) -> None:
    """Checks users in batches. Raises grpc.RpcError, or ValueError if a user is not found."""
    metadata = (("authorization", token),)
    with grpc.insecure_channel(address) as channel:
        stub: Any = EligibilityStub(channel)
        for some in batched(users, at_a_time):
            found = stub.BatchCheck(batch(some), timeout=30, metadata=metadata).data.openids
            if len(found) != len(some):
                raise ValueError(f"{len(some) - len(found)} users were not found")


def get_repeatedly(port: int, user: str, count: int) -> float:
    """Reads a record with GET, `count` times in a row; returns the seconds that it took."""
    key = Buckets().of(user).record(user).encode()
    command = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(count):
            connection.sendall(command)
            connection.recv(4_096)
    return time.perf_counter() - started
