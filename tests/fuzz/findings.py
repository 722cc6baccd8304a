"""Findings, and the corpus: the files of inputs that once caused one, which the tests replay."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.fuzz.inputs import Input, from_document, to_document

CORPUS = Path(__file__).parent / "corpus"
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
        subject = self.given.subject if self.given else ""
        parts = (self.invariant, subject, self.what[:160])
        return " | ".join(_VARYING.sub("N", part) for part in parts)

    def write(self) -> Path | None:
        """Adds the input to the corpus; returns None if no single input is known."""
        if self.given is None:
            return None
        document = {
            "invariant": self.invariant,
            "what": self.what[:500],
            "batch": self.batch,
            "input": to_document(self.given),
        }
        mark = hashlib.sha256(self.signature.encode()).hexdigest()[:8]
        path = CORPUS / f"{self.given.target}-{mark}.json"
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return path


class Entry(NamedTuple):
    """A file of the corpus."""

    name: str
    given: Input
    open: str
    """Who is working on it; empty once it is fixed."""


def corpus() -> Iterator[Entry]:
    for path in sorted(CORPUS.glob("*.json")):
        document: dict[str, Any] = json.loads(path.read_text())
        yield Entry(path.stem, from_document(document["input"]), document.get("open", ""))
