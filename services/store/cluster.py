"""A cluster as a store: redis-py's cluster client with some changes.

- It is created when first used, because its constructor connects, and a service may start before
  its store.
- Its own exceptions become RedisError, which callers of a store handle.
- A ping succeeds if any primary answers, because the slots of that primary are served.
"""

import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import redis
from redis.cluster import RedisCluster
from redis.exceptions import ClusterDownError, RedisClusterException
from redis.retry import Retry


class ClusterStore:
    """Every method of redis-py's cluster client. Raises redis.RedisError."""

    def __init__(self, address: str, retry: Retry, options: dict[str, Any]) -> None:
        self._address = address
        self._retry = retry
        self._options = options
        self._lock = threading.Lock()
        self._client: RedisCluster | None = None

    def ping(self) -> bool:
        client = self._connected()
        error: redis.RedisError | None = None
        for node in _converting(client.get_primaries)():
            try:
                return bool(_converting(client.ping)(target_nodes=node))
            except redis.RedisError as refused:
                error = refused
        raise error or ClusterDownError("no primary is known")

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        client = self._connected()
        by_slot: dict[int, list[int]] = {}
        for position, name in enumerate(names):
            by_slot.setdefault(_slot(client, name), []).append(position)
        found: list[bytes | None] = [None] * len(names)
        pipeline = self.pipeline(transaction=False)
        for positions in by_slot.values():
            pipeline.execute_command("MGET", *(names[position] for position in positions))
        answers = pipeline.execute() if by_slot else []
        for positions, values in zip(by_slot.values(), answers, strict=True):
            for position, value in zip(positions, values, strict=True):
                found[position] = value
        return found

    def confirm(self) -> None:
        """Does nothing, because no read of a cluster is answered from memory."""

    def pipeline(self, *, transaction: bool) -> Any:
        # A transaction could not span the slots of a pipeline.
        if transaction:
            raise NotImplementedError("no transactions on a cluster")
        pipeline = _converting(self._connected().pipeline)()
        pipeline.execute = _converting(pipeline.execute)
        return pipeline

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def __getattr__(self, name: str) -> Any:
        return _converting(getattr(self._connected(), name))

    def _connected(self) -> RedisCluster:
        client = self._client
        if client is not None:
            return client
        with self._lock:
            if self._client is None:
                self._client = _converting(RedisCluster)(
                    url=self._address,
                    retry=self._retry,
                    require_full_coverage=False,
                    **self._options,
                )
            return self._client


def _slot(client: Any, name: str) -> int:
    return int(client.keyslot(name))


def _converting(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call, updated=())
    def converted(*arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except RedisClusterException as error:
            raise ClusterDownError("the cluster does not serve") from error

    return converted
