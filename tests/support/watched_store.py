"""A store that records its commands and lets a test act between two of them."""

from collections.abc import Callable
from typing import Any, cast

from services.store.deadline import DeadlinePassedError
from services.store.store import Store


class WatchedStore:
    """Forwards commands. Command number `at` and all later ones fail as after a deadline."""

    def __init__(self, store: Store, at: int | None = None, *, is_done: bool = False) -> None:
        """With `is_done` the store executes command `at`, but its answer is lost."""
        self._store = store
        self._at = at
        self._is_done = is_done
        self.commands: list[str] = []
        self.meanwhile: Callable[[], object] | None = None
        """Called once, after the next command."""

    def as_store(self) -> Store:
        return cast(Store, self)

    def __getattr__(self, name: str) -> Any:
        def command(*arguments: Any) -> Any:
            self.commands.append(name)
            number = len(self.commands)
            if self._at is not None and number > self._at - (not self._is_done):
                raise DeadlinePassedError
            reply = getattr(self._store, name)(*arguments)
            if number == self._at:
                raise DeadlinePassedError
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                meanwhile()
            return reply

        return command
