"""What was once found, as files that tests/fuzz/test_corpus.py replays."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.fuzz.findings import Finding
from tests.fuzz.inputs import Input, from_document

FOLDER = Path(__file__).parent / "corpus"


class Entry(NamedTuple):
    """A file of the corpus."""

    name: str
    given: Input
    signature: str
    open: str
    """Who will mend it; "" for what is mended."""


def entries() -> list[Entry]:
    return list(_entries())


def _entries() -> Iterator[Entry]:
    for path in sorted(FOLDER.glob("*.json")):
        document: dict[str, Any] = json.loads(path.read_text())
        given = from_document(document["input"])
        finding = Finding(document["invariant"], document["what"], given)
        yield Entry(path.stem, given, finding.signature, document.get("open", ""))


def write(finding: Finding, folder: Path = FOLDER) -> Path | None:
    """None where no single input is known."""
    if finding.given is None:
        return None
    mark = hashlib.sha256(finding.signature.encode()).hexdigest()[:8]
    path = folder / f"{finding.given.target}-{mark}.json"
    path.write_text(json.dumps(finding.document(), indent=1, ensure_ascii=False) + "\n")
    return path
