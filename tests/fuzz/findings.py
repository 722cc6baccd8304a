"""Findings, and the corpus: the inputs that once caused one, which the tests send again."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.fuzz.inputs import Input, from_document, to_document

_CORPUS = Path(__file__).with_name("corpus.jsonl")
# The path of an RPC, or the first part of any other path.
_PATH = re.compile(r"/levelgate[\w.]+/\w+|/\w+")
_VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


@dataclass(frozen=True)
class Finding:
    """An invariant that did not hold."""

    invariant: str
    what: str
    """What was seen instead."""
    given: Input | None = None
    """None if only the batch of inputs is known."""
    batch: str = ""

    @property
    def signature(self) -> str:
        """The same for findings that probably have the same cause."""
        path = _PATH.search(str(self.given))
        target = self.given.target if self.given else ""
        parts = (self.invariant, target, path[0] if path else "", self.what[:160])
        return " | ".join(_VARYING.sub("N", part) for part in parts)

    def write(self) -> str:
        """Adds the input to the corpus; returns its name, or the batch if no input is known."""
        if self.given is None:
            return self.batch
        mark = hashlib.sha256(self.signature.encode()).hexdigest()[:8]
        name = f"{self.given.target}-{mark}"
        document = {"name": name, "what": self.what[:500], "batch": self.batch}
        with _CORPUS.open("a") as file:
            file.write(json.dumps({**document, "input": to_document(self.given)}) + "\n")
        return name


class Entry(NamedTuple):
    """A line of the corpus."""

    name: str
    given: Input
    open: str
    """Who is working on it; empty once it is fixed."""


def corpus() -> Iterator[Entry]:
    for line in _CORPUS.read_text().splitlines():
        document: dict[str, Any] = json.loads(line)
        given = from_document(document["input"])
        yield Entry(document["name"], given, document.get("open", ""))
