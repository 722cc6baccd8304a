"""The rules in the store: one value, always replaced as a whole, and its earlier versions."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from services.rules.ladder import Ladder, Rule
from services.rules.thresholds import DemotionThreshold, LevelThreshold, LevelThresholds
from services.store import keys
from services.store.compare_and_set import CompareAndSet, Replacement
from services.store.scripts import NamedScript
from services.store.store import Store

VERSIONS_KEPT = 1_000
# A version may have 600 KB, which are not worth reading for this answer.
_IS_RETAINED = "return redis.call('HEXISTS', past, number)"


@dataclass(frozen=True)
class Book:
    """The rules of one version, and the next free id, so that no id is used twice."""

    ladder: Ladder = field(default_factory=Ladder)
    next_id: int = 1
    version: int = 0
    levels: frozenset[int] = frozenset()
    """Every level that ever had a rule: users keep a level whose rule was deleted."""
    changed: int | None = None
    """Seconds since 1970; None before the first rule."""
    app: str = ""

    @property
    def thresholds(self) -> LevelThresholds:
        levels = [
            LevelThreshold(rule.level, rule.down_point, rule.id) for rule in self.ladder.rules
        ]
        return LevelThresholds(self.version, levels)

    @property
    def demotion_thresholds(self) -> list[DemotionThreshold]:
        """The levels that a demotion can take from a user, in rising order."""
        levels = [(level, self.ladder.points_to_keep(level)) for level in sorted(self.levels)]
        return [DemotionThreshold(level, points) for level, points in levels if points]


class RuleBook:
    """Reads the rules for each call, so that a change takes effect everywhere immediately."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._rules = CompareAndSet(store)
        self._is_retained = NamedScript(
            store, _IS_RETAINED, keys="past", arguments="number", writes=False
        )
        self._last_read: tuple[bytes, Book] = b"", Book()

    def book(self) -> Book:
        packed = self._store.get(keys.RULES)
        if packed is None:
            return Book()
        # Most reads find the same rules, and JSON of 800 KB takes 10 ms, in which no other thread
        # runs. One tuple, so that a thread never sees the value of one version with the book of
        # another.
        last, book = self._last_read
        if packed != last:
            book = _unpack(packed)
            self._last_read = packed, book
        return book

    def version(self, number: int) -> Book | None:
        """The rules of an earlier version; None if it never existed or is no longer retained."""
        if number == 0:
            return Book()
        packed = self._store.hget(keys.PAST_RULES, str(number))
        return None if packed is None else _unpack(packed)

    def is_retained(self, number: int) -> bool:
        """Whether `version` finds the rules; does not read them."""
        return bool(self._is_retained(past=keys.PAST_RULES, number=number))

    def change(self, decide: Callable[[Book], Book | None], app: str = "") -> Book:
        """Replaces the book by the result of `decide`; None leaves it unchanged.

        `decide` is called again if another writer was faster. If it raises, the book stays
        unchanged. Returns the book after the change.
        """
        result = Book()

        def replacement(read: bytes | None) -> Replacement | None:
            nonlocal result
            book = _unpack(read)
            decided = decide(book)
            if decided is None:
                result = book
                return None
            new = replace(
                decided,
                version=book.version + 1,
                levels=book.levels | {rule.level for rule in decided.ladder.rules},
                changed=int(self._now()),
                app=app,
            )
            result = new
            field, expired_field = str(new.version), str(new.version - VERSIONS_KEPT)
            return Replacement(_pack(new), keys.PAST_RULES, field, expired_field)

        self._rules.change(keys.RULES, replacement)
        return result


def _pack(book: Book) -> bytes:
    document = {
        "version": book.version,
        "next_id": book.next_id,
        "levels": sorted(book.levels),
        "changed": book.changed,
        "app": book.app,
        "rules": [asdict(rule) for rule in book.ladder.rules],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _unpack(packed: bytes | None) -> Book:
    if packed is None:
        return Book()
    document = json.loads(packed)
    ladder = Ladder(Rule(**fields) for fields in document["rules"])
    return Book(
        ladder=ladder,
        next_id=document["next_id"],
        version=document["version"],
        # The first release did not store the last three.
        levels=frozenset(document.get("levels", [rule.level for rule in ladder.rules])),
        changed=document.get("changed"),
        app=document.get("app", ""),
    )
