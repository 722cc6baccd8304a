"""Lua scripts of the store, called by their digest.

redis-py's own class loads a script into every node of a cluster when one node does not know it,
and so fails while any primary is down. This one sends the text to the node that asked for it.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError

from services.store.store import Store, Value

Call = tuple[Sequence[str], Sequence[Value]]


class Script:
    """The keys of one call must lie on one slot.

    What a script did is confirmed (Store.confirm) before a call returns, unless it only reads.
    """

    def __init__(self, store: Store, text: str, *, writes: bool = True) -> None:
        self._store = store
        self._text = text
        self._writes = writes
        # The store's own name for a script; nothing is kept secret by it.
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Value] = ()) -> Any:
        """Raises redis.RedisError, also where only the confirmation failed."""
        answer = self._run(keys, args)
        self._confirm()
        return answer

    def many(self, calls: Sequence[Call]) -> list[Any]:
        """The answers to many calls that are sent together; each is atomic, not all of them.

        Raises redis.RedisError if any fails; others may have been done.
        """
        if not calls:
            return []
        with self._store.pipeline(transaction=False) as pipeline:
            for keys, args in calls:
                pipeline.execute_command("EVALSHA", self._digest, len(keys), *keys, *args)
            answers = pipeline.execute(raise_on_error=False)
        for position, (keys, args) in enumerate(calls):
            answer = answers[position]
            if isinstance(answer, NoScriptError):
                answers[position] = self._run(keys, args)
            elif isinstance(answer, Exception):
                raise answer
        self._confirm()
        return answers

    def _run(self, keys: Sequence[str], args: Sequence[Value]) -> Any:
        try:
            return self._store.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._store.eval(self._text, len(keys), *keys, *args)

    def _confirm(self) -> None:
        if self._writes:
            self._store.confirm()
