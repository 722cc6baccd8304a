"""The rules in the store: one document, replaced as a whole or not at all, and what it was."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from services.rules.ladder import Ladder, Rule
from services.rules.thresholds import Fall, Step, Steps
from services.store import keys
from services.store.compare_and_set import CompareAndSet, Copy, Replacement
from services.store.store import Store

VERSIONS_KEPT = 1_000


@dataclass(frozen=True)
class Book:
    """The rules of one version, and what keeps an id from being used again."""

    ladder: Ladder = field(default_factory=Ladder)
    next_id: int = 1
    version: int = 0
    levels: frozenset[int] = frozenset()
    """Every level that ever had a rule: members of a deleted rule keep the number."""
    changed: int | None = None
    """Seconds since 1970; None before the first rule."""
    app: str = ""

    @property
    def steps(self) -> Steps:
        rules = self.ladder.rules
        return Steps(self.version, [Step(rule.level, rule.down_point, rule.id) for rule in rules])

    @property
    def falls(self) -> list[Fall]:
        """The levels that a demotion can take from somebody, by rising level."""
        falls = (Fall(level, self.ladder.keeps_from(level)) for level in sorted(self.levels))
        return [fall for fall in falls if fall.below]


class RuleBook:
    """Reads the rules anew for each call, so that a change holds everywhere at once."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._rules = CompareAndSet(store)

    def book(self) -> Book:
        return _unpack(self._store.get(keys.RULES))

    def version(self, number: int) -> Book | None:
        """The rules as they were; None for a version that never was or is no longer kept."""
        if number == 0:
            return Book()
        packed = self._store.hget(keys.PAST_RULES, str(number))
        return None if packed is None else _unpack(packed)

    def change(self, decide: Callable[[Book], Book | None], app: str = "") -> None:
        """Replaces the book by the result of `decide`; None leaves it unchanged.

        `decide` is called again if another writer was faster. If it raises, the book stays
        unchanged.
        """

        def replacement(read: bytes | None) -> Replacement | None:
            book = _unpack(read)
            decided = decide(book)
            if decided is None:
                return None
            new = replace(
                decided,
                version=book.version + 1,
                levels=book.levels | {rule.level for rule in decided.ladder.rules},
                changed=int(self._now()),
                app=app,
            )
            field, expired = str(new.version), str(new.version - VERSIONS_KEPT)
            return Replacement(_pack(new), Copy(keys.PAST_RULES, field, expired))

        self._rules.change(keys.RULES, replacement)


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
        # The first suite did not write the last three.
        levels=frozenset(document.get("levels", [rule.level for rule in ladder.rules])),
        changed=document.get("changed"),
        app=document.get("app", ""),
    )
