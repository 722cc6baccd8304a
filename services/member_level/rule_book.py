"""The rules in the store: one document, replaced as a whole or not at all."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from services.member_level.ladder import Ladder, Rule
from services.store import keys
from services.store.document import Documents
from services.store.store import Store


@dataclass(frozen=True)
class Book:
    """The rules, and what keeps an id from being used again."""

    ladder: Ladder = field(default_factory=Ladder)
    next_id: int = 1
    version: int = 0


class RuleBook:
    """Reads the rules anew for each call, so that a change holds everywhere at once."""

    def __init__(self, store: Store) -> None:
        self._documents = Documents(store)

    def ladder(self) -> Ladder:
        return _unpack(self._documents.get(keys.RULES)).ladder

    def change(self, decide: Callable[[Book], Book | None]) -> None:
        """Replaces the book by what `decide` makes of it; None leaves it as it is.

        `decide` is called again if another writer was faster. What it raises leaves the book.
        """

        def replacement(packed: bytes | None) -> bytes | None:
            book = _unpack(packed)
            decided = decide(book)
            if decided is None:
                return None
            return _pack(replace(decided, version=book.version + 1))

        self._documents.change(keys.RULES, replacement)


def _pack(book: Book) -> bytes:
    rules = [asdict(rule) for rule in book.ladder.rules]
    document = {"version": book.version, "next_id": book.next_id, "rules": rules}
    return json.dumps(document, ensure_ascii=False).encode()


def _unpack(packed: bytes | None) -> Book:
    if packed is None:
        return Book()
    document = json.loads(packed)
    rules = (Rule(**fields) for fields in document["rules"])
    return Book(Ladder(rules), document["next_id"], document["version"])
